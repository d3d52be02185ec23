using System.Globalization;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>Counts what a breach cost, at a signed state of the log, so that anybody with that log counts the same.</summary>
internal sealed class BreachImpacts(BreachImpact impact, SignedProofs proofs, AuditReader reader, BreachStores stores, ActivePolicy policy, VaultClock clock)
{
    private const string Unknown = "unknown";

    private static readonly string[] Databases = ["vault", "keys"];
    private static readonly string[] Backups = ["data", "keys"];

    /// <param name="query">Whose misuse; empty with a copy.</param>
    /// <param name="copy">What was copied whole; null when something was released by the vault.</param>
    /// <param name="entry">The last entry that counts.</param>
    /// <param name="ct">Ends the work.</param>
    public async Task<AttachedImpact> CountAsync(ImpactQuery query, StolenCopy? copy, long entry, CancellationToken ct)
    {
        var proof = await proofs.OfAsync(entry, ct);
        if (!Checkpoint.TryParse(proof.Checkpoint.Text, out var signed)) throw new InvalidDataException("The proof bears no checkpoint.");
        var (size, root) = (signed!.Size, Convert.ToBase64String(signed.Root.Span));
        return copy is null ? await ReleasedAsync(query with { Size = size }, root, ct) : await CopiedAsync(Known(query, copy), (size, root), ct);
    }

    /// <summary>The same counted again from the log as it was then; and whether the log of today is still that log.</summary>
    public async Task<ImpactComparison> CompareAsync(int step, AttachedImpact said, CancellationToken ct)
    {
        var holds = await ContinuesAsync(said, ct);
        if (said.Copy is not null) return new ImpactComparison(step, holds, [], "copy");
        var before = said.Query.From ?? DateTimeOffset.MinValue;
        if (await stores.PrunedBelowAsync(ct) is { } pruned && pruned > before && pruned > (said.First ?? DateTimeOffset.MaxValue)) return new ImpactComparison(step, holds, [], "pruned");
        return new ImpactComparison(step, holds, said.Against(Attached(said.Query, said.Root, await impact.ReportAsync(said.Query, ct)) with { Places = said.Places }), null);
    }

    private async Task<bool> ContinuesAsync(AttachedImpact said, CancellationToken ct)
    {
        var (hashes, note) = await reader.ConsistencyAsync(said.Size, ct);
        if (!SignedNote.TryParse(note, out var parsed) || !Checkpoint.TryParse(parsed!.Text, out var now)) return false;
        return ConsistencyProof.Verify(said.Size, now!.Size, Convert.FromBase64String(said.Root), now.Root.Span, hashes);
    }

    private async Task<AttachedImpact> ReleasedAsync(ImpactQuery query, string root, CancellationToken ct)
    {
        var attached = Attached(query, root, await impact.ReportAsync(query, ct));
        var places = new Dictionary<string, long>(StringComparer.Ordinal);
        await foreach (var people in impact.ExportAsync(query, resolve: true, ct).Chunk(BreachStores.Chunk).WithCancellation(ct))
        {
            var found = await stores.PlacesAsync([.. people.Select(one => one.Customer).OfType<SubjectId>()], ct);
            foreach (var (place, count) in found) places[place] = places.GetValueOrDefault(place) + count;
            var unknown = people.Length - found.Values.Sum();
            if (unknown > 0) places[Unknown] = places.GetValueOrDefault(Unknown) + unknown;
        }

        return attached with { Places = places };
    }

    private AttachedImpact Attached(ImpactQuery query, string root, ImpactReport report) => new(
        query, query.Size ?? report.Size, root, policy.Current.Version,
        new Dictionary<string, long>(StringComparer.Ordinal)
        {
            [AttachedImpact.People] = report.People, [AttachedImpact.Records] = report.Items.Sum(item => item.People), [AttachedImpact.SpecialPeople] = report.SpecialPeople,
            ["erased"] = report.ErasedSince, ["disclosures"] = report.Disclosures, ["unattributed"] = report.Unattributed, ["searches"] = report.Searches,
            ["changes"] = report.Changes, ["refused"] = report.Denied,
        },
        report.Items.ToDictionary(item => item.Name, item => item.People, StringComparer.Ordinal),
        report.Categories.ToDictionary(category => NameOf(category.Name, category.Special), category => category.People, StringComparer.Ordinal), new Dictionary<string, long>(), BreachWords.Readable)
    {
        First = report.First,
        Last = report.Last,
        MadeAt = clock.Now,
    };

    // Of everybody whose record there is; what the copy can be read with decides what it is worth.
    private async Task<AttachedImpact> CopiedAsync(StolenCopy copy, (long Size, string Root) at, CancellationToken ct)
    {
        var held = await stores.HeldAsync(ct);
        var evidence = await stores.EvidenceAsync(copy, ct);
        var state = evidence switch
        {
            { HasRows: true, HasKeys: true, HasRootKey: true } => BreachWords.Readable,
            { PseudonymousRows: > 0 } => BreachWords.Pseudonymous,
            _ => BreachWords.Unintelligible,
        };
        var people = copy.HasRows || copy.Backups.Contains("data") ? held.People : 0;
        var items = policy.Current.Items;
        return new AttachedImpact(
            new ImpactQuery { Size = at.Size }, at.Size, at.Root, policy.Current.Version,
            new Dictionary<string, long>(StringComparer.Ordinal)
            {
                [AttachedImpact.People] = people, [AttachedImpact.Records] = people == 0 ? 0 : held.People + held.Events,
                [AttachedImpact.SpecialPeople] = items.Any(item => item.IsSpecialCategory) ? people : 0,
            },
            new Dictionary<string, long>(),
            people == 0 ? new Dictionary<string, long>() : items.GroupBy(item => item.Category, StringComparer.Ordinal).ToDictionary(group => NameOf(group.Key, group.Any(item => item.IsSpecialCategory)), _ => people),
            new Dictionary<string, long>(), state)
        {
            Copy = copy,
            Evidence = evidence,
            MadeAt = clock.Now,
        };
    }

    private static StolenCopy Known(ImpactQuery query, StolenCopy copy)
    {
        if (query != new ImpactQuery()) throw VaultException.BadRequest("A copy is of everything: name no actor, purpose or time with it.");
        if (copy.Databases.Count + copy.Backups.Count == 0) throw VaultException.BadRequest("Say what was copied: databases, backups or both.");
        if (copy.Databases.Except(Databases).Any() || copy.Backups.Except(Backups).Any()) throw VaultException.BadRequest("Databases are vault and keys, backups data and keys.");
        return copy;
    }

    private static string NameOf(string category, bool special) => special ? category + "*" : category;
}

/// <summary>What the databases hold of people, in figures.</summary>
internal sealed class BreachStores(VaultDatabase vault, KeyAdministration keys, ActivePolicy policy)
{
    public const int Chunk = 500;

    public const string Cipher = "AES-256-GCM, a key for each person, wrapped under roots of epochs, these under a vault key, that under the root key";

    /// <summary>By where their data stay; where that is not said, by the law that applies.</summary>
    public async Task<Dictionary<string, long>> PlacesAsync(IReadOnlyList<SubjectId> people, CancellationToken ct)
    {
        var places = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var record in (await SubjectRows.FindManyAsync(vault, people, ct)).Values)
        {
            var traits = FactsCodec.TryDecode(record.Facts, out var facts) ? facts.Traits : null;
            var place = traits?.Residency ?? traits?.Jurisdiction ?? policy.Current.Jurisdictions.Default.Name;
            places[place] = places.GetValueOrDefault(place) + 1;
        }

        return places;
    }

    public async Task<(long People, long Events)> HeldAsync(CancellationToken ct)
    {
        await using var command = vault.Source.CreateCommand("select (select count(*) from vault.subject), (select count(*) from vault.event)");
        return (await Rows.ReadAsync(command, row => (row.GetInt64(0), row.GetInt64(1)), ct))[0];
    }

    /// <summary>Since when the entries are still in the database; null of a log that was never pruned.</summary>
    public async Task<DateTimeOffset?> PrunedBelowAsync(CancellationToken ct)
    {
        await using var command = vault.Source.CreateCommand("select min(at) from audit.entry_index where exists (select from audit.pruned)");
        return (await Rows.ReadAsync(command, row => row.IsDBNull(0) ? (DateTimeOffset?)null : row.GetFieldValue<DateTimeOffset>(0), ct))[0];
    }

    public async Task<KeyEvidence> EvidenceAsync(StolenCopy copy, CancellationToken ct)
    {
        var state = await keys.StatusAsync(ct);
        return new KeyEvidence(
            Cipher, KindOf(state.RootKey), state.OldestUsableBackup, state.EpochsAlive,
            copy.HasRows, copy.HasKeys, copy.RootKey, copy.HasRows ? await PseudonymousAsync(ct) : 0);
    }

    // A name of a root key may tell of paths or accounts; its kind stands before the first slash.
    public static string KindOf(string name) => name.IndexOf('/', StringComparison.Ordinal) is > 0 and var at ? name[..at] : name;

    // Consents, limits, relations, requests and the kinds and times of events stand beside each sealed record as they are, under the person's number.
    private async Task<long> PseudonymousAsync(CancellationToken ct)
    {
        var rows = (await HeldAsync(ct)).People;
        foreach (var domain in policy.Current.Analytics)
        {
            await using var command = vault.Source.CreateCommand($"select count(*) from {domain.Schema}.customer");
            rows += (await Rows.ReadAsync(command, row => row.GetInt64(0), ct))[0];
        }

        return rows;
    }
}
