using System.Globalization;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>A request in the register: what California's rules (11 CCR 7101) want kept, and no name.</summary>
internal sealed record RegisteredRequest(Guid Id, string Kind, string State, string Jurisdiction, DateTimeOffset ReceivedAt, DateTimeOffset DueAt, DateTimeOffset? ExtendedAt, DateTimeOffset? RespondedAt)
{
    /// <summary>Code of why it was refused, or how a contest ended.</summary>
    public string? Basis { get; init; }

    /// <summary>How it came in: <c>customer</c>, <c>officer</c>, and so on.</summary>
    public string Manner { get; init; } = "";

    public long LogIndex { get; init; }

    public IReadOnlyList<string> Cells =>
    [
        Id.ToString("D"), At(ReceivedAt), Kind, Manner, Jurisdiction, At(DueAt), At(ExtendedAt), State, At(RespondedAt), Basis ?? "", LogIndex.ToString(CultureInfo.InvariantCulture),
    ];

    private static string At(DateTimeOffset? at) => at?.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture) ?? "";
}

/// <summary>What a pack holds, before it is written.</summary>
internal sealed record EvidenceParts(IReadOnlyList<(string Name, object Document)> Documents, IReadOnlyList<RegisteredRequest> Requests, IReadOnlyList<(string Name, string Text)> Receipts)
{
    public static readonly IReadOnlyList<string> RequestColumns =
        ["request", "received", "nature", "manner", "jurisdiction", "due", "extended", "response", "responded", "basis", "logEntry"];

    public const string Readme =
        """
        EVIDENCE PACK

        processing.json   record of processing activities (GDPR 30), from the policy in force, beside what the log shows of 'days'
        measures.json     technical and organisational measures (GDPR 32), from the live configuration
        requests.csv      register of people's requests of the last 24 months: when, of what nature, in what manner, the response and its basis (11 CCR 7101)
        breaches.json     register of breaches (GDPR 33(5)), every step with the entry of the log that tells of it
        consents.json     figures of consents, or the proof of one; with a person, consent/ holds a receipt of every act
        log/              the newest signed checkpoint, and the proof of every entry that breaches.json names, or that was asked for
        ../meta/VERIFY.txt says how anybody checks all of it, with openssl alone or with datavault-verify.

        """;

    /// <summary>Of the person whose consent is proved; empty without.</summary>
    public ReadOnlyMemory<byte> Tag { get; init; }

    public IReadOnlyList<TlogProof> Proofs { get; init; } = [];

    public string Checkpoint { get; init; } = "";

    public string PolicyVersion { get; init; } = "";
}

/// <summary>Where the parts of a pack come from: the same places that answer officers.</summary>
internal sealed class EvidenceSources(
    VaultDatabase vault, ProcessingRecords processing, BreachBook breaches, SignedProofs proofs, EvidenceConsents consents, MeasuresInForce measures)
{
    private const int Months = 24;

    private const string RequestSql =
        """
        select request_id, kind, state, jurisdiction, opened_at, due_at, extended_at, completed_at, reason, opened_by, log_index from vault.request where opened_at >= $1
        union all
        select request_id, kind, state, jurisdiction, opened_at, due_at, extended_at, completed_at, reason, opened_by, log_index from vault.closed_request where opened_at >= $1
        order by 5, 1
        """;

    public async Task<EvidenceParts> CollectAsync(Recipient recipient, EvidenceOrder order, Uri withdrawAt, Guid requestId, CancellationToken ct)
    {
        var record = await processing.MakeAsync(order.Days, ct);
        var cases = await breaches.AllAsync(ct);
        var (consent, receipts, tag) = await consents.AskAsync(recipient, order, withdrawAt, requestId, ct);
        var (inForce, requests) = (await measures.LookAsync(ct), await RequestsAsync(measures.Now.AddMonths(-Months), ct));
        var indexes = order.Entries.Concat(cases.SelectMany(one => one.Steps).Select(step => step.LogIndex)).Distinct().Order().ToList();
        var proved = new List<TlogProof>(indexes.Count);
        foreach (var index in indexes) proved.Add(await proofs.OfAsync(index, ct));
        List<(string, object)> documents = [("processing", Shown(record)), ("measures", inForce), ("breaches", cases.Select(Shown).ToList())];
        if (consent is not null) documents.Add(("consents", consent));
        return new EvidenceParts(documents, requests, receipts) { Tag = tag, Proofs = proved, Checkpoint = await proofs.CheckpointAsync(ct), PolicyVersion = record.PolicyVersion };
    }

    private async Task<IReadOnlyList<RegisteredRequest>> RequestsAsync(DateTimeOffset since, CancellationToken ct)
    {
        await using var command = vault.Source.CreateCommand(RequestSql);
        command.Parameters.Add(new() { Value = since.UtcDateTime });
        return await Rows.ReadAsync(command, row => new RegisteredRequest(
            row.GetGuid(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetFieldValue<DateTimeOffset>(4), row.GetFieldValue<DateTimeOffset>(5), Instant(row, 6), Instant(row, 7))
        {
            Basis = row.IsDBNull(8) ? null : row.GetString(8), Manner = row.GetString(9), LogIndex = row.GetInt64(10),
        }, ct);
    }

    private static DateTimeOffset? Instant(NpgsqlDataReader row, int at) => row.IsDBNull(at) ? null : row.GetFieldValue<DateTimeOffset>(at);

    private static object Shown(ProcessingRecord record) => new
    {
        record.Controller, record.PolicyVersion, record.MadeAt, record.From, record.UnknownPurposes,
        Activities = record.Activities.Select(one => new
        {
            Purpose = one.Purpose.Name, one.Purpose.Title, one.Purpose.LegalBasis, one.Purpose.SpecialBasis, one.Purpose.Dpv, one.Categories, one.Roles, one.Entries, one.Actors, one.Undeclared,
        }),
    };

    private static object Shown(BreachCase one) => new
    {
        one.Id, one.Opening, one.Hours, one.DueAt, one.Findings, one.Missing, Steps = one.Steps, Impacts = one.Impacts.Select(pair => new { pair.Step, pair.Impact }), one.Reports,
        one.AuthorityDecision, one.PeopleDecision, one.ControllersTold, one.Closing, one.ClosedAt, one.Damage,
    };
}

/// <summary>Consents for a pack: figures, or the proof of one.</summary>
internal sealed class EvidenceConsents(ConsentReceipts receipts, ConsentHealth health, KeyRegistry keys)
{
    public async Task<(object? Document, IReadOnlyList<(string, string)> Receipts, ReadOnlyMemory<byte> Tag)> AskAsync(
        Recipient recipient, EvidenceOrder order, Uri withdrawAt, Guid requestId, CancellationToken ct)
    {
        if (order.Purpose is not { } purpose) return (null, [], default);
        if (order.Subject is not { } subject)
        {
            var figures = (await health.FiguresAsync(recipient, requestId, ct)).SingleOrDefault(one => one.Purpose.Name == purpose) ?? throw VaultException.UnknownPurpose();
            return (new { Purpose = purpose, figures.States, figures.RenewalDue, figures.Objected, figures.WithoutNotice }, [], default);
        }

        var proven = await receipts.ProveAsync(recipient, subject, purpose, null, withdrawAt, requestId, ct);
        using var held = await keys.GetFreshAsync(subject, ct);
        return (
            new { Purpose = purpose, Customer = subject.Value, proven.At, proven.State, proven.Valid, proven.Stops, proven.Missing },
            [.. proven.Receipts.Select((receipt, at) => (string.Create(CultureInfo.InvariantCulture, $"receipt-{at + 1:0000}"), receipt.ToString()))], held.Tag.ToArray());
    }
}

/// <summary>Technical and organisational measures, as they are now: nothing in it is kept by hand.</summary>
internal sealed class MeasuresInForce(KeyAdministration keys, BackupHistory backups, AuditReader log, AuditLog own, ActivePolicy policy, VaultClock clock)
{
    public DateTimeOffset Now => clock.Now;

    public async Task<object> LookAsync(CancellationToken ct)
    {
        var (state, kept, current) = (await keys.StatusAsync(ct), await backups.LookAsync(ct), policy.Current);
        return new
        {
            At = clock.Now,
            Encryption = new { Cipher = BreachStores.Cipher, RootKey = BreachStores.KindOf(state.RootKey), state.CurrentEpoch, state.EpochsAlive, state.OldestUsableBackup, Levels = state.Levels },
            Backups = kept.Backups.Select(one => new { Part = BackupFacts.NameOf(one.Part), one.At, one.IsDue }),
            Drill = kept.Drill,
            Log = new { log.Origin, log.Size, WitnessQuorum = own.WitnessQuorum },
            Retention = current.Retention.Select(rule => new { rule.Name, rule.Title, rule.Trigger, rule.Months, rule.Ground }),
            Pseudonymisation = current.Analytics.Select(domain => new { domain.Name, domain.Title, domain.MinimumCohort }),
            Access = current.Roles.All.Select(role => new { role.Name, role.Title, role.Capabilities }),
            Breaches = current.Jurisdictions.All.Select(regime => new { regime.Name, regime.Breach.Hours, Threshold = regime.Breach.Threshold.ToString() }),
        };
    }
}
