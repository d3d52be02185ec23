using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>
/// Builds and hands over the package of an access or portability request: decided item by item like any other disclosure, in the log before
/// it is written, sealed at rest under a key of its own which in turn dies with the person's keys.
/// </summary>
internal sealed class SubjectExport(
    RequestStore store, ExportSource source, PackageContents contents, PackageFolder folder, KeyRegistry keys, ActivePolicy policy)
{
    internal static readonly Recipient Exporter = Recipient.Process("rights-export", SubjectRequests.Purpose);
    private const string Fetched = "package:fetched";
    private static readonly TimeSpan Kept = TimeSpan.FromDays(14);
    private static readonly RequestNotice s_handedOut = new("request.package-handed-out", new LetterOrder(LetterKind.PackageHandedOut)) { Mark = Fetched };

    public async Task<RequestRow> BuildAsync(RequestRow row, CancellationToken cancellation)
    {
        var current = await store.TransactAsync((connection, _) => store.LockAsync(connection, row.Id, cancellation), cancellation);
        if (current is not { State: RequestStates.Approved, Subject: { } subject }) return row;
        using var held = await keys.GetFreshAsync(subject, cancellation);
        var record = await source.RecordAsync(held, cancellation);
        var inForce = policy.Current;
        var decision = RightsDecision.Of(inForce, Exporter, subject, AccessAction.Export, FactsCodec.Decode(record.Facts), store.Now, row.Kind == RequestKinds.Portability, current.Course.Choices);
        if (!decision.Released || Decider.IsBound(decision))
            throw await store.DeniedAsync(Exporter, subject, VaultException.Forbidden(), row.Id, cancellation);
        var index = await store.RecordAsync(Exporter, current, EntryType.Export, decision, row.Id, cancellation);
        var order = new PackageOrder(current, held, record, decision, inForce) { LogIndex = index, At = store.Now, Progress = share => folder.Tell(row.Id, share) };
        using var spool = new PackageSpool(folder, row.Id, store.Clock.Random);
        using var draft = await folder.WriteAsync(held, row.Id, stream => contents.WriteAsync(stream, order, spool, cancellation));
        return await store.TellAsync(
            Exporter, row.Id, locked => Built(locked, draft), built => new("request.package-ready", new LetterOrder(LetterKind.PackageReady) { Until = built.PackageExpires }), row.Id, cancellation);
    }

    /// <summary>The package, once: the row forgets the key in the transaction whose entry says that it was fetched.</summary>
    public async Task<Stream> FetchAsync(Recipient recipient, RequestRow row, Guid requestId, CancellationToken cancellation)
    {
        byte[] sealedKey = [];
        var subject = row.Subject ?? throw VaultException.NotFound();
        using var held = await keys.GetFreshAsync(subject, cancellation);
        RequestRow Taken(RequestRow current)
        {
            // Before the key is forgotten: another server may have the file, and what nobody got is not said to be fetched.
            if (current.PackageKey is null || current.PackageExpires <= store.Now || !folder.Has(row.Id)) throw Nothing();
            sealedKey = current.PackageKey;
            return current with { PackageKey = null };
        }

        // What somebody else takes of a person's they hear of at once, in the transaction that lets it go.
        if (recipient.Kind == RecipientKind.Staff) await store.TellAsync(recipient, row.Id, Taken, _ => s_handedOut, requestId, cancellation);
        else await store.ChangeAsync(recipient, row.Id, Taken, requestId, cancellation, mark: Fetched);
        return folder.OpenOnce(held, row.Id, sealedKey) ?? throw Nothing();
    }

    /// <summary>Removes what expired, and files that no request speaks of any more.</summary>
    // INVARIANT: the files are listed before the requests; a package that comes in between is not on the list.
    public async Task SweepAsync(CancellationToken cancellation)
    {
        var files = folder.Files();
        var expired = (await store.WithPackageAsync(cancellation)).ToLookup(row => row.PackageKey is not null && row.PackageExpires <= store.Now);
        var waiting = expired[false].Select(row => row.Id).ToHashSet();
        foreach (var (path, _) in files.Where(file => !waiting.Contains(file.Request))) File.Delete(path);
        // A row that somebody else wrote keeps no other from forgetting its key.
        await Separately.EachAsync(
            expired[true], row => store.ChangeAsync(Exporter, row.Id, current => current with { PackageKey = null }, row.Id, cancellation, mark: "package:expired"), static (_, _) => { }, cancellation);
    }

    // Whoever comes second finds the request completed and leaves the package that is there alone.
    private RequestRow Built(RequestRow row, PackageDraft draft)
    {
        if (row.State != RequestStates.Approved) throw VaultException.InvalidState("The request has been carried out already.");
        draft.Publish();
        return row.Done(store.Now) with { PackageKey = draft.SealedKey, PackageExpires = store.Now + Kept };
    }

    private static VaultException Nothing() => VaultException.InvalidState("There is no package to fetch: it was fetched, it has expired, or it is not built yet.");
}
