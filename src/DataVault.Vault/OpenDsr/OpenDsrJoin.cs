using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>Where OpenDSR meets the vault's own requests: it opens them, takes them back and fetches their packages, and does nothing past their rules.</summary>
internal sealed class OpenDsrJoin(OpenDsrStore store, RequestStore requests, RequestIntake intake, RequestSteps steps, RequestFulfilment fulfilment, VaultOptions options)
{
    /// <summary>Opens a request of the vault about somebody. Null when there is nobody any more, or when another call opened it.</summary>
    public async Task<OpenDsrRow?> OpenAsync(Recipient controller, OpenDsrRow row, SubjectId subject, Guid requestId, CancellationToken ct)
    {
        try
        {
            var draft = await intake.DraftAsync(controller, row.Kind, subject, jurisdiction: null, ct) with { OpenedBy = OpenedBy(controller) };
            var joined = row with { Request = draft.Id };
            return await requests.InsertAsync(controller, draft, [RequestStates.Received], requestId, new OpenDsrClaim(store, joined), ct) is null ? null : joined;
        }
        catch (VaultException e) when (e.Slug == "not-found")
        {
            // Erased in between.
            return null;
        }
    }

    /// <summary>
    /// Times for what is about nobody: those of one of the latest requests about somebody, or where there were none, about what is configured. Not exactly, since
    /// nothing takes the same time twice; and before it is expected.
    /// </summary>
    public async Task<OpenDsrRow> PacedAsync(OpenDsrRow row, CancellationToken ct)
    {
        var paces = await store.PacesAsync(row.Kind, ct);
        var pace = paces.Count > 0 ? paces[(int)(Chance() * paces.Count)] : new OpenDsrPace(options.OpenDsr.UnknownAfter / 2, options.OpenDsr.UnknownAfter);
        var stretch = 0.75 + Chance() / 2;
        var most = row.ExpectedAt - row.ReceivedAt;
        return row with { BeganAt = row.ReceivedAt + Least(pace.ToBegin * stretch, most), EndedAt = row.ReceivedAt + Least(pace.ToEnd * stretch, most) };
    }

    /// <summary>The person is told, as of every withdrawal.</summary>
    /// <exception cref="VaultException">invalid-state: it is being carried out, or over, or somebody decided meanwhile.</exception>
    public async Task TakeBackAsync(Recipient controller, Guid request, Guid requestId, CancellationToken ct)
    {
        var row = await OwnAsync(controller, request, requestId, ct);
        if (row.Subject is null || row.State is not (RequestStates.Received or RequestStates.Verified)) throw NotNow();
        await steps.TakeAsync(controller, row, RequestAct.Withdraw, new StepTerms(RequestReasons.WithdrawnByCustomer), requestId, ct);
    }

    /// <exception cref="VaultException">invalid-state: there is none.</exception>
    public async Task<Stream> FetchAsync(Recipient controller, Guid request, Guid requestId, CancellationToken ct)
    {
        var row = await OwnAsync(controller, request, requestId, ct);
        return row is { Subject: not null, State: RequestStates.Completed } && RequestKinds.EndInPackage(row.Kind) ? await fulfilment.FetchAsync(controller, row, requestId, ct) : throw Nothing();
    }

    /// <inheritdoc cref="RequestStore.DeniedAsync"/>
    public Task<VaultException> DeniedAsync(Recipient controller, Guid requestId, CancellationToken ct) => requests.DeniedAsync(controller, null, VaultException.NotFound(), requestId, ct);

    public static VaultException NotNow() => VaultException.InvalidState("A request that is in progress or over cannot be taken back.");

    public static VaultException Nothing() => VaultException.InvalidState("There is nothing to fetch: the request is not completed, its results were fetched, or they have expired.");

    // INVARIANT: a request says in its own sealed row which controller sent it; a row of OpenDSR that leads to another one leads nowhere.
    private async Task<RequestRow> OwnAsync(Recipient controller, Guid request, Guid requestId, CancellationToken ct) =>
        await requests.FindAsync(request, ct) is { } row && row.OpenedBy == OpenedBy(controller) ? requests.Genuine(row) : throw await DeniedAsync(controller, requestId, ct);

    private static string OpenedBy(Recipient controller) => OpenDsrCourier.RecipientPrefix + controller.Id;

    private static TimeSpan Least(TimeSpan one, TimeSpan other) => one < other ? one : other;

    private double Chance()
    {
        Span<byte> bytes = stackalloc byte[4];
        store.Clock.Random.Fill(bytes);
        return BitConverter.ToUInt32(bytes) / (uint.MaxValue + 1.0);
    }
}
