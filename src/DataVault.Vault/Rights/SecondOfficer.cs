using DataVault.Policy;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>Says by which rules of the policy one officer is not enough to approve a request.</summary>
internal sealed class SecondOfficer(VaultDatabase database, IEnumerable<ISubjectAccounts> accounts, ActivePolicy policy, VaultClock clock)
{
    public PolicySet Policy => policy.Current;

    /// <summary>Names of the rules; empty: one officer is enough.</summary>
    public async Task<IReadOnlyList<string>> NeededForAsync(RequestRow row, CancellationToken ct)
    {
        var rules = policy.Current.Rights.SecondOfficer;
        if (rules.Count == 0 || row.Subject is not { } subject) return [];
        var record = await SubjectRows.FindAsync(database, subject, ct) ?? throw VaultException.NotFound();
        // INVARIANT: what cannot be read is taken for what makes a second officer necessary.
        var known = FactsCodec.TryDecode(record.Facts, out var facts);
        var most = rules.Max(rule => rule.EventsOver ?? 0);
        var traits = new RequestTraits(row.Kind, row.OpenedByKind, row.Course.Assurance, known ? facts!.Traits : SubjectTraits.None)
        {
            Methods = [.. row.Course.Checks.Where(check => check.Passed).Select(check => check.Method)],
            VerifiedAgo = row.Course.Checks.LastOrDefault(check => check.Passed) is { } last ? clock.Now - last.At : null,
            Special = !known || HasSpecial(record),
            SignIn = rules.Any(rule => rule.SignIn) && await CanSignInAsync(subject, ct),
            Events = rules.All(rule => rule.EventsOver is null) ? 0 : await CountEventsAsync(subject, most, ct),
            Relations = known ? [.. facts!.Relations, .. facts.RelatedTo.Select(fact => fact.Relation)] : [],
        };
        return [.. rules.Where(rule => rule.Applies(traits)).Select(rule => rule.Name)];
    }

    /// <summary>Whether the person can fetch what is theirs themselves.</summary>
    public async Task<bool> CanSignInAsync(SubjectId subject, CancellationToken ct)
    {
        foreach (var keeper in accounts)
        {
            if (await keeper.HasForSubjectAsync(subject.Value, ct)) return true;
        }

        return false;
    }

    // Values are sealed by class: a class that has special fields and is there counts.
    private bool HasSpecial(SealedRecord record)
    {
        var special = policy.Current.Catalogue.Fields.Where(field => field.IsSpecialCategory).Select(field => field.Class.Id).ToHashSet();
        return special.Count > 0 && RecordCodec.Unpack(record.Record).Any(group => special.Contains(group.ClassId));
    }

    private async Task<long> CountEventsAsync(SubjectId subject, int most, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select count(*) from (select from vault.event where subject_id = $1 limit $2) as counted");
        command.Parameters.Add(new() { Value = subject.Value });
        command.Parameters.Add(new() { Value = most + 1L });
        return (await Rows.ReadAsync(command, row => row.GetInt64(0), ct))[0];
    }
}
