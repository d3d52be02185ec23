using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>
/// Requests that controllers send by OpenDSR. One about somebody becomes a request of the vault like any other and takes its course, with its officers, holds and
/// deadlines; one about nobody stands for as long as those take, and ends with nothing. What a controller may see of the two is alike until then.
/// </summary>
public sealed class OpenDsrRequests
{
    private readonly OpenDsrStore store;
    private readonly OpenDsrLookup lookup;
    private readonly OpenDsrCourier courier;
    private readonly OpenDsrControllers controllers;
    private readonly OpenDsrJoin join;
    private readonly ActivePolicy policy;

    internal OpenDsrRequests(OpenDsrStore store, OpenDsrLookup lookup, OpenDsrCourier courier, OpenDsrControllers controllers, OpenDsrJoin join, ActivePolicy policy) =>
        (this.store, this.lookup, this.courier, this.controllers, this.join, this.policy) = (store, lookup, courier, controllers, join, policy);

    /// <summary>Takes a request in. The same number with the same body gives the same request again.</summary>
    /// <exception cref="VaultException">conflict: the number was used for another body; invalid-fields; forbidden.</exception>
    public async Task<OpenDsrView> OpenAsync(Recipient controller, NewOpenDsrRequest asked, Guid requestId, CancellationToken ct)
    {
        RequireController(controller);
        var mac = store.MacOf(asked.Body);
        if (await EarlierAsync(controller, asked.Id, mac, ct) is { } earlier) return earlier;
        await controllers.RequireAllowedAsync(controller.Id, asked.Callbacks, ct);
        var match = await lookup.FindAsync(controller, asked.Identities, requestId, ct);
        var now = store.Clock.Now;
        var row = new OpenDsrRow(controller.Id, asked.Id, null, asked.Kind, now, ExpectedAt(now))
        {
            Outcome = match.Outcome, BodyMac = mac, Callbacks = store.SealCallbacks(asked.Id, asked.Callbacks),
        };
        if (match.Subject is { } subject && await join.OpenAsync(controller, row, subject, requestId, ct) is { } joined) row = joined;
        else if (!await store.TryInsertAsync(controller, row = await join.PacedAsync(row, ct), requestId, ct)) return await SecondAsync(controller, asked.Id, mac, ct);
        return await EarlierAsync(controller, row.Id, mac, ct) ?? throw VaultException.Unavailable();
    }

    /// <summary>How a request stands.</summary>
    /// <exception cref="VaultException">not-found: there is none of this controller.</exception>
    public async Task<OpenDsrView> GetAsync(Recipient controller, Guid id, Guid requestId, CancellationToken ct)
    {
        var row = await FindAsync(controller, id, requestId, ct);
        await store.RecordLookAsync(controller, id, requestId, ct);
        return await courier.WithCallbacksAsync(row, await courier.SettleAsync(row, (controller, requestId), ct), ct);
    }

    /// <summary>Takes a request back that is not being carried out yet.</summary>
    /// <exception cref="VaultException">not-found; invalid-state: it is in progress, or over.</exception>
    public async Task<OpenDsrView> CancelAsync(Recipient controller, Guid id, Guid requestId, CancellationToken ct)
    {
        var row = await FindAsync(controller, id, requestId, ct);
        if (row.Request is not { } request) return await courier.CancelAsync(row, (controller, requestId), ct);
        if ((await courier.SettleAsync(row, (controller, requestId), ct)).Status != OpenDsrWords.Pending) throw OpenDsrJoin.NotNow();
        await join.TakeBackAsync(controller, request, requestId, ct);
        return await courier.SettleAsync(row, (controller, requestId), ct);
    }

    /// <summary>The package of a completed access or portability request, once.</summary>
    /// <exception cref="VaultException">not-found; invalid-state: there is none, it was fetched, or it has expired.</exception>
    public async Task<Stream> ResultsAsync(Recipient controller, Guid id, Guid requestId, CancellationToken ct)
    {
        var row = await FindAsync(controller, id, requestId, ct);
        if (row.Request is not { } request) throw OpenDsrJoin.Nothing();
        return await join.FetchAsync(controller, request, requestId, ct);
    }

    // The law that asks for the shortest answer, whoever the person is and wherever they live: what a controller reads in it says nothing of them.
    private DateTimeOffset ExpectedAt(DateTimeOffset received) => policy.Current.Jurisdictions.All.Min(law => law.DueAt(received));

    private async Task<OpenDsrView?> EarlierAsync(Recipient controller, Guid id, byte[] mac, CancellationToken ct)
    {
        if (await store.FindAsync(controller.Id, id, ct) is not { } row) return null;
        if (!row.BodyMac.AsSpan().SequenceEqual(mac)) throw VaultException.Conflict("subject_request_id");
        return new OpenDsrView(row.Controller, row.Id, row.Kind, row.Told, row.ReceivedAt, row.ExpectedAt);
    }

    private async Task<OpenDsrView> SecondAsync(Recipient controller, Guid id, byte[] mac, CancellationToken ct) =>
        await EarlierAsync(controller, id, mac, ct) ?? throw VaultException.Unavailable();

    private async Task<OpenDsrRow> FindAsync(Recipient controller, Guid id, Guid requestId, CancellationToken ct)
    {
        RequireController(controller);
        return await store.FindAsync(controller.Id, id, ct) ?? throw await join.DeniedAsync(controller, requestId, ct);
    }

    // Whoever holds the capability is an application: a person has nobody to be called back.
    private void RequireController(Recipient controller)
    {
        if (controller.Kind != RecipientKind.Application || !policy.Current.Decisions.HasCapability(controller.Roles, Capabilities.RequestsOpenDsr)) throw VaultException.Forbidden();
    }
}
