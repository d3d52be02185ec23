using System.Security.Cryptography;
using System.Text;
using DataVault.Policy;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Sees how requests stand and tells their controllers. What a controller is told follows from rows that are durable: whatever is killed, wherever, the next round
/// finds what has not been told, notes it and puts the callbacks into the outbox in one transaction.
/// </summary>
internal sealed class OpenDsrCourier(OpenDsrStore store, RequestStore requests, OutboxStore outbox, VaultOptions options, ILogger<OpenDsrCourier> logger)
    : RoundsWorker(store.Clock.Provider, logger)
{
    /// <summary>Before the name of a controller among the recipients of the outbox; no configured recipient has a colon in its name.</summary>
    public const string RecipientPrefix = "opendsr:";

    public const string Kind = "opendsr.status";

    private static readonly Recipient Process = Recipient.Process("vault-maintenance", SubjectRequests.Purpose);

    protected override TimeSpan Rhythm => TimeSpan.FromSeconds(5);

    public override async Task<bool> RoundAsync(CancellationToken cancellation)
    {
        foreach (var row in await store.ToTellAsync(cancellation))
            await TryAsync("a request", async ct => await SettleAsync(row, (Process, row.Id), ct), cancellation);
        return true;
    }

    /// <summary>The request as it stands now. Where it stands elsewhere than its controller was told, that is noted, and the callbacks are on their way.</summary>
    public async Task<OpenDsrView> SettleAsync(OpenDsrRow row, (Recipient Actor, Guid RequestId) by, CancellationToken ct)
    {
        var view = await SeenAsync(row, ct);
        if (view.Status == row.Told && view.ExpectedAt == row.ExpectedAt) return view;
        return await LockedAsync(row, by, locked => locked, ct);
    }

    /// <summary>Takes back what is about nobody, while it is pending.</summary>
    /// <exception cref="VaultException">invalid-state.</exception>
    public Task<OpenDsrView> CancelAsync(OpenDsrRow row, (Recipient Actor, Guid RequestId) by, CancellationToken ct) =>
        LockedAsync(row, by, locked => locked.StateAt(store.Clock.Now) == OpenDsrWords.Pending ? locked with { Cancelled = true } : throw OpenDsrJoin.NotNow(), ct);

    // What the request was when it was locked counts: the states of requests only go on.
    private Task<OpenDsrView> LockedAsync(OpenDsrRow row, (Recipient Actor, Guid RequestId) by, Func<OpenDsrRow, OpenDsrRow> change, CancellationToken ct) => store.TransactAsync(
        async (connection, transaction) =>
        {
            var locked = change(await store.LockAsync(connection, transaction, row, ct));
            var now = await SeenAsync(locked, ct);
            if (OpenDsrWords.IsFinal(locked.Told) || now.Status == locked.Told && now.ExpectedAt == locked.ExpectedAt) return now;
            if (now.Status != locked.Told) await TellAsync(connection, transaction, locked, now, ct);
            await store.SaveAsync(connection, transaction, Noted(locked, now), by, ct);
            return now;
        },
        ct);

    /// <summary>The same with what has not arrived of the callbacks.</summary>
    public async Task<OpenDsrView> WithCallbacksAsync(OpenDsrRow row, OpenDsrView view, CancellationToken ct)
    {
        var expected = (from address in store.CallbacksOf(row) from status in Told select (Id: IdOf(row, status, address), Status: status)).ToDictionary(one => one.Id, one => one.Status);
        var waiting = expected.Count == 0 ? [] : await outbox.WaitingAsync([.. expected.Keys], ct);
        return view with
        {
            Callbacks = [.. waiting.Select(one => new OpenDsrCallback(expected[one.Id], one.Attempts, one.Attempts >= OutboxStore.DeadAfter, one.Failure)).OrderBy(one => one.Status, StringComparer.Ordinal)],
        };
    }

    private static readonly string[] Told = [OpenDsrWords.InProgress, OpenDsrWords.Completed, OpenDsrWords.Cancelled];

    private OpenDsrRow Noted(OpenDsrRow row, OpenDsrView view) => row with
    {
        Told = view.Status,
        ExpectedAt = view.ExpectedAt,
        BeganAt = row.BeganAt ?? (view.Status == OpenDsrWords.InProgress ? store.Clock.Now : null),
        EndedAt = row.EndedAt ?? (OpenDsrWords.IsFinal(view.Status) ? store.Clock.Now : null),
    };

    private async Task TellAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, OpenDsrRow row, OpenDsrView view, CancellationToken ct)
    {
        foreach (var address in store.CallbacksOf(row))
        {
            var body = OpenDsrDocument.StatusOf(view, options.OpenDsr, address);
            await outbox.EnqueueAsync(connection, transaction, new OutboxMessage(IdOf(row, view.Status, address), Kind, RecipientPrefix + row.Controller, body, Attempts: 0), ct);
        }
    }

    private async Task<OpenDsrView> SeenAsync(OpenDsrRow row, CancellationToken ct)
    {
        var view = new OpenDsrView(row.Controller, row.Id, row.Kind, row.StateAt(store.Clock.Now), row.ReceivedAt, row.ExpectedAt);
        if (row.Request is not { } request) return view.Status == OpenDsrWords.Completed ? view with { Outcome = row.Outcome } : view;
        // What is gone with the person it was about was carried out.
        if (await requests.FindAsync(request, ct) is not { } found) return view with { Status = OpenDsrWords.Completed };
        var (state, packaged) = (StateOf(found, row.Told), RequestKinds.EndInPackage(found.Kind) && found.State == RequestStates.Completed);
        var refused = found.State == RequestStates.Refused;
        var partly = state == OpenDsrWords.Completed && found.State == RequestStates.Completed && found.Course.Choices.Count > 0;
        return view with
        {
            Status = state,
            ExpectedAt = found.ExtendedAt is null ? row.ExpectedAt : found.DueAt,
            Outcome = refused ? "refused" : partly ? RequestReasons.PartlyRefused : null,
            Reason = refused ? found.Reason : null,
            Results = packaged ? 1 : 0,
            HasResults = packaged && found.PackageKey is not null && found.PackageExpires > store.Clock.Now,
        };
    }

    // What is not carried out yet may be taken back, and is pending whatever was verified. A controller is never told that something in progress is pending again,
    // though the first of two officers may take their approval back.
    private static string StateOf(RequestRow row, string told) => row.State switch
    {
        RequestStates.Completed or RequestStates.Refused or RequestStates.Moot => OpenDsrWords.Completed,
        RequestStates.Withdrawn or RequestStates.Expired => OpenDsrWords.Cancelled,
        RequestStates.Approved or RequestStates.Confirming => OpenDsrWords.InProgress,
        _ => told == OpenDsrWords.InProgress ? told : OpenDsrWords.Pending,
    };

    /// <summary>The same for the same change and address, whoever writes it and however often.</summary>
    private static Guid IdOf(OpenDsrRow row, string status, string address)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"datavault/v1/opendsr\0{row.Controller}\0{row.Id:D}\0{status}\0{address}"));
        hash[6] = (byte)((hash[6] & 0x0F) | 0x80);
        hash[8] = (byte)((hash[8] & 0x3F) | 0x80);
        return new Guid(hash.AsSpan(0, 16), bigEndian: true);
    }
}
