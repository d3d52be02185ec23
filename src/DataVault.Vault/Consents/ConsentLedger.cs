using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>A consent act as the history keeps it.</summary>
public sealed record ConsentAct(string State, DateTimeOffset At, string? Notice, string Channel, DateTimeOffset? Expires, long LogIndex);

/// <summary>How a person stands to one purpose. State: <c>given</c>, <c>withdrawn</c>, <c>refused</c>, <c>expired</c>, <c>unknown</c>.</summary>
public sealed record ConsentView(Purpose Purpose, string State, DateTimeOffset? Since, DateTimeOffset? Expires, string? Notice, IReadOnlyList<ConsentAct> History);

/// <summary>All purposes that rest on consent, and how the person stands to each.</summary>
public sealed record ConsentOverview(SubjectId Id, IReadOnlyList<ConsentView> Items, long LogIndex);

/// <summary>A change that is in force everywhere.</summary>
public sealed record ConsentChange(ConsentView Consent, long LogIndex);

/// <summary>A consent to record.</summary>
/// <param name="Purpose">The purpose consented to.</param>
/// <param name="State"><c>given</c>, <c>withdrawn</c> or <c>refused</c>.</param>
/// <param name="Notice">Version of the text that was shown, such as 2026-01; null for the current one.</param>
/// <param name="Channel">Where it was said, a word such as web or phone; null for the kind of recipient.</param>
/// <param name="Expires">Null for as long as the policy lets it last.</param>
public sealed record ConsentStatement(string Purpose, string State, string? Notice = null, string? Channel = null, DateTimeOffset? Expires = null);

/// <summary>
/// Consents: an append-only list of acts, and the current state in the subject's facts, changed together under the lock on the subject's row.
/// A withdrawal counts from its commit: the next decision reads it, and the person's analytics rows are gone with it.
/// </summary>
public sealed class ConsentLedger
{
    internal const string ActsSql = "select subject_id, purpose_id, state, at, notice_version, channel, expires, log_index from vault.consent_event";

    private readonly VaultDatabase database;
    private readonly KeyRegistry keys;
    private readonly AuditLog log;
    private readonly ActivePolicy policy;
    private readonly SubjectFacts facts;
    private readonly VaultClock clock;

    internal ConsentLedger(VaultDatabase database, KeyRegistry keys, AuditLog log, ActivePolicy policy, SubjectFacts facts, VaultClock clock) =>
        (this.database, this.keys, this.log, this.policy, this.facts, this.clock) = (database, keys, log, policy, facts, clock);

    public async Task<ConsentOverview> GetAsync(Recipient recipient, SubjectId subject, Guid requestId, CancellationToken ct)
    {
        var authority = await AuthoriseAsync(recipient, subject, requestId, ct);
        using var held = await KeysAsync(recipient, subject, authority, requestId, ct);
        if (await SubjectRows.FindAsync(database, subject, ct) is not { } found || await keys.FitAsync(held, found, database, ct) is not { } record)
        {
            await DenyAsync(recipient, held.Tag, authority, requestId, ct);
            throw VaultException.NotFound();
        }
        var entry = log.Entry(EntryType.FieldRead, recipient, held.Tag, authority, EntryResult.Ok, [], requestId);
        var current = await ReadFactsAsync(record, held, entry, ct);
        var acts = await HistoryAsync(subject, ct);
        var index = await log.AppendAsync(entry, null, ct);
        var views = policy.Current.Purposes.All.Where(purpose => purpose.NeedsConsent).Select(purpose => View(purpose, current, acts[purpose.Id]));
        return new ConsentOverview(subject, [.. views], index);
    }

    public async Task<ConsentChange> SetAsync(Recipient recipient, SubjectId subject, ConsentStatement statement, Guid requestId, CancellationToken ct)
    {
        var (purpose, fact) = Check(statement);
        var authority = await AuthoriseAsync(recipient, subject, requestId, ct);
        using var held = await KeysAsync(recipient, subject, authority, requestId, ct);
        var said = new Said(recipient, authority, purpose, fact, statement, requestId);
        try
        {
            return await database.RunAsync((connection, transaction) => ChangeAsync(connection, transaction, held, said, ct), ct);
        }
        catch (VaultException e) when (e.Slug is "forbidden" or "not-found")
        {
            await DenyAsync(recipient, held.Tag, authority, requestId, ct);
            throw;
        }
        catch (CryptographicException e)
        {
            throw await log.FailedAsync(log.Entry(EntryType.ConsentChange, recipient, held.Tag, statement.Purpose, EntryResult.Error, [], requestId), e, ct);
        }
    }

    private async Task<DecisionFacts> ReadFactsAsync(SealedRecord record, SubjectKeys held, LogEntry entry, CancellationToken ct)
    {
        try
        {
            return facts.Read(record, held);
        }
        catch (CryptographicException e)
        {
            throw await log.FailedAsync(entry, e, ct);
        }
    }

    private sealed record Said(Recipient Recipient, string Authority, Purpose Purpose, ConsentFact Fact, ConsentStatement Statement, Guid RequestId);

    private async Task<ConsentChange> ChangeAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, SubjectKeys held, Said said, CancellationToken ct)
    {
        var (recipient, fact, statement) = (said.Recipient, said.Fact, said.Statement);
        var changed = await facts.ChangeAsync(connection, transaction, held, before => Changed(recipient, held, said.Authority, fact, before), ct);
        var record = changed?.After ?? throw VaultException.NotFound();
        await FollowAsync(connection, transaction, held, fact, ct);
        var act = new ConsentAct(
            statement.State, clock.Now, statement.Notice ?? said.Purpose.NoticeVersion, statement.Channel ?? ChannelOf(recipient), fact.Expires, LogIndex: 0);
        var entry = Entry(log, recipient, held.Tag, statement.Purpose, fact.Status, said.RequestId) with
        {
            Seal = facts.Digest(record),
            RecordVersion = record.RowVersion,
            DetailHash = ConsentHash.Of(held.Subject, fact.PurposeId, fact.Status, act),
        };
        var index = await log.AppendWithinAsync(connection, transaction, [entry], ct);
        act = act with { LogIndex = index };
        await InsertActsAsync(connection, transaction, [(held.Subject, fact.PurposeId, fact.Status, act)], ct);
        return new ConsentChange(View(said.Purpose, FactsCodec.Decode(record.Facts), [act]), index);
    }

    /// <summary>INVARIANT: sequences are taken under the lock on the subject's row, or for a subject that nobody else knows yet.</summary>
    internal static async Task InsertActsAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction,
        IReadOnlyList<(SubjectId Subject, int Purpose, ConsentStatus Status, ConsentAct Act)> acts, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection, transaction);
        foreach (var (subject, purpose, status, act) in acts)
        {
            batch.BatchCommands.Add(new(
                """
                insert into vault.consent_event (subject_id, sequence, purpose_id, state, at, notice_version, channel, expires, log_index)
                values ($1, (select coalesce(max(sequence), 0) + 1 from vault.consent_event where subject_id = $1), $2, $3, $4, $5, $6, $7, $8)
                """)
            {
                Parameters =
                {
                    new NpgsqlParameter<Guid> { TypedValue = subject.Value }, new NpgsqlParameter<int> { TypedValue = purpose },
                    new NpgsqlParameter<short> { TypedValue = (short)status }, new NpgsqlParameter<DateTime> { TypedValue = act.At.UtcDateTime },
                    new() { Value = (object?)act.Notice ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text },
                    new NpgsqlParameter<string> { TypedValue = act.Channel },
                    new() { Value = (object?)act.Expires?.UtcDateTime ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.TimestampTz },
                    new NpgsqlParameter<long> { TypedValue = act.LogIndex },
                },
            });
        }
        await batch.ExecuteNonQueryAsync(ct);
    }

    internal static string ChannelOf(Recipient recipient) => recipient.Kind switch
    {
        RecipientKind.Customer => "customer",
        RecipientKind.Staff => "staff",
        _ => "application",
    };

    private (Purpose, ConsentFact) Check(ConsentStatement statement)
    {
        var problems = new List<FieldProblem>();
        var purpose = policy.Current.Purposes.Find(statement.Purpose) ?? throw VaultException.UnknownPurpose();
        if (!purpose.NeedsConsent) problems.Add(new("/purpose", "no-consent-needed", "This purpose does not rest on consent."));
        if (!TryStatus(statement.State, out var status)) problems.Add(new("/state", "not-listed", "One of given, withdrawn, refused."));
        if (statement.Notice is { } notice && !ConsentWords.IsNoticeVersion(notice)) problems.Add(new("/notice", "not-a-version", "A version such as 2026-01 or v2.1."));
        if (statement.Channel is { } channel && !ConsentWords.IsChannel(channel)) problems.Add(new("/channel", "not-listed", $"One of {ConsentWords.Channels}."));
        var longest = ProfileDraft.ExpiryOf(purpose, clock.Now);
        if (statement.Expires <= clock.Now || statement.Expires > longest)
        {
            problems.Add(new("/expires", "out-of-range", "In the future, and no later than the purpose allows."));
        }
        if (problems.Count > 0) throw VaultException.Invalid(problems);
        return (purpose, new ConsentFact(purpose.Id, status, status == ConsentStatus.Given ? statement.Expires ?? longest : null));
    }

    /// <summary>The purpose under which the recipient may record consents; consents are about the record, so any field stands for it.</summary>
    private async Task<string> AuthoriseAsync(Recipient recipient, SubjectId subject, Guid requestId, CancellationToken ct)
    {
        var ofAnother = recipient.Kind == RecipientKind.Customer && recipient.Subject != subject;
        if (!ofAnother && ConsentAuthority.Of(recipient, policy.Current) is { } purpose) return purpose;
        await DenyAsync(recipient, default, recipient.Purposes.Count > 0 ? recipient.Purposes[0] : "", requestId, ct);
        throw ofAnother ? VaultException.NotFound() : VaultException.Forbidden();
    }

    // A withdrawal is taken whatever the facts: what stops processing never stops the person from stopping it.
    private DecisionFacts Changed(Recipient recipient, SubjectKeys held, string authority, ConsentFact fact, DecisionFacts before)
    {
        var request = new AccessRequest(recipient, held.Subject, AccessAction.Consent, authority, [ConsentAuthority.AnyField(policy.Current)]);
        var decision = policy.Current.Decisions.Decide(request, before, clock.Now);
        if (fact.Status == ConsentStatus.Given && (!decision.Released || Decider.Unmet(decision, justification: null) is not null)) throw VaultException.Forbidden();
        return FactsCodec.With(before, fact);
    }

    private async Task FollowAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, SubjectKeys held, ConsentFact fact, CancellationToken ct)
    {
        if (policy.Current.Purposes.ById(fact.PurposeId)?.Name != AnalyticsFeed.Purpose) return;
        if (fact.Status == ConsentStatus.Given)
        {
            await using var batch = new NpgsqlBatch(connection, transaction) { BatchCommands = { FeedQueue.Enqueue([held.Subject], clock.Now) } };
            await batch.ExecuteNonQueryAsync(ct);
        }
        else
        {
            await AnalyticsRows.DeleteAsync(connection, transaction, AnalyticsRows.PseudonymsOf(held, keys, policy.Current), ct);
        }
    }

    /// <summary>INVARIANT: the log itself says what was consented to, so a consent row that was forged or removed is found out.</summary>
    internal static LogEntry Entry(AuditLog log, Recipient recipient, ReadOnlyMemory<byte> tag, string purpose, ConsentStatus status, Guid requestId) =>
        log.Entry(EntryType.ConsentChange, recipient, tag, purpose, EntryResult.Ok, [], requestId) with { Rules = ["consent-" + NameOf(status)] };

    private async Task<SubjectKeys> KeysAsync(Recipient recipient, SubjectId subject, string purpose, Guid requestId, CancellationToken ct)
    {
        try
        {
            return await keys.GetAsync(subject, ct);
        }
        catch (VaultException e) when (e.Slug == "not-found")
        {
            await DenyAsync(recipient, default, purpose, requestId, ct);
            throw;
        }
    }

    private Task<long> DenyAsync(Recipient recipient, ReadOnlyMemory<byte> tag, string purpose, Guid requestId, CancellationToken ct) =>
        log.AppendAsync(log.Entry(EntryType.Denied, recipient, tag, purpose, EntryResult.Denied, [], requestId), null, ct);

    private async Task<ILookup<int, ConsentAct>> HistoryAsync(SubjectId subject, CancellationToken ct)
    {
        await using var command = database.Reads.CreateCommand(
            ActsSql + " where subject_id = $1 order by sequence desc");
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = subject.Value });
        var acts = await Rows.ReadAsync(command, row => (Purpose: row.GetInt32(1), Act: ReadAct(row, 2)), ct);
        return acts.ToLookup(act => act.Purpose, act => act.Act);
    }

    /// <param name="at">Ordinal of the state; the other columns follow as <see cref="ActsSql"/> has them.</param>
    internal static ConsentAct ReadAct(NpgsqlDataReader reader, int at) => new(
        NameOf((ConsentStatus)reader.GetInt16(at)),
        new DateTimeOffset(reader.GetDateTime(at + 1)),
        reader.IsDBNull(at + 2) ? null : reader.GetString(at + 2),
        reader.IsDBNull(at + 3) ? "" : reader.GetString(at + 3),
        reader.IsDBNull(at + 4) ? null : new DateTimeOffset(reader.GetDateTime(at + 4)),
        reader.GetInt64(at + 5));

    private ConsentView View(Purpose purpose, DecisionFacts facts, IEnumerable<ConsentAct> acts)
    {
        var fact = facts.Consents.FirstOrDefault(consent => consent.PurposeId == purpose.Id);
        var history = acts.ToList();
        var state = fact is { Status: ConsentStatus.Given, Expires: { } end } && end <= clock.Now ? "expired" : NameOf(fact?.Status ?? ConsentStatus.Unknown);
        var newest = history.Count > 0 ? history[0] : null;
        return new ConsentView(purpose, state, newest?.At, fact?.Expires, newest?.Notice, history);
    }

    private static string NameOf(ConsentStatus status) => status switch
    {
        ConsentStatus.Given => "given",
        ConsentStatus.Withdrawn => "withdrawn",
        ConsentStatus.Refused => "refused",
        _ => "unknown",
    };

    private static bool TryStatus(string state, out ConsentStatus status)
    {
        status = state switch { "given" => ConsentStatus.Given, "withdrawn" => ConsentStatus.Withdrawn, "refused" => ConsentStatus.Refused, _ => ConsentStatus.Unknown };
        return status != ConsentStatus.Unknown;
    }
}

/// <summary>A consent act as the log knows it: nothing of the row can be changed without the hash.</summary>
internal static class ConsentHash
{
    // SPEC record §7.4
    public static byte[] Of(SubjectId subject, int purpose, ConsentStatus status, ConsentAct act)
    {
        var (notice, channel) = (Encoding.UTF8.GetBytes(act.Notice ?? ""), Encoding.UTF8.GetBytes(act.Channel));
        var input = new byte[37 + notice.Length + channel.Length];
        subject.Value.TryWriteBytes(input, bigEndian: true, out _);
        BinaryPrimitives.WriteInt32BigEndian(input.AsSpan(16), purpose);
        input[20] = (byte)status;
        BinaryPrimitives.WriteInt64BigEndian(input.AsSpan(21), EventLeaves.Microseconds(act.At));
        // No end is the end of time: an act can be given no such date.
        BinaryPrimitives.WriteInt64BigEndian(input.AsSpan(29), act.Expires is { } end ? EventLeaves.Microseconds(end) : long.MaxValue);
        notice.CopyTo(input, 37);
        channel.CopyTo(input, 37 + notice.Length);
        return SHA256.HashData([.. "datavault/v1/consent\0"u8, (byte)notice.Length, .. input]);
    }
}

/// <summary>Under which purpose a recipient may record consents.</summary>
internal static class ConsentAuthority
{
    public static RequestedItem AnyField(PolicySet policy) => new(policy.Catalogue.Fields[0], null);

    public static string? Of(Recipient recipient, PolicySet policy) => recipient.Purposes.FirstOrDefault(
        purpose => policy.Decisions.CouldPermit(recipient, AccessAction.Consent, purpose, AnyField(policy).Item));
}
