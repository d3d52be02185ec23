using System.Text;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>An act upon an application or an account, whose data are in another database than the log.</summary>
/// <param name="Type">Such as <see cref="EntryType.ClientChange"/>.</param>
/// <param name="Actor">Who acts.</param>
/// <param name="Object">What they act upon: an application or an account, as it would act itself.</param>
/// <param name="What">A code for what is done, of at most 64 printable characters.</param>
/// <param name="Subject">The person concerned, when it is a customer's account.</param>
public sealed record AdministrativeAct(EntryType Type, Recipient Actor, Recipient Object, string What, SubjectId? Subject);

/// <summary>For parts of the server that record acts without touching a profile: sign-ins, refusals at the edge, administration, reading the log itself.</summary>
public sealed class AuditTrail
{
    private readonly VaultDatabase database;
    private readonly AuditLog log;
    private readonly KeyRegistry keys;
    private readonly IRandomBytes random;
    private readonly TimeProvider clock;

    internal AuditTrail(VaultDatabase database, AuditLog log, KeyRegistry keys, IRandomBytes random, TimeProvider clock) =>
        (this.database, this.log, this.keys, this.random, this.clock) = (database, log, keys, random, clock);

    /// <summary>Appends an entry; durable when it returns.</summary>
    /// <param name="purpose">Name of the purpose; empty when none applies.</param>
    /// <param name="subject">The person concerned. One who is unknown or erased leaves no tag.</param>
    /// <param name="detail">Free text, kept sealed outside the tree and erased with the person.</param>
    /// <returns>The entry's index.</returns>
    public async Task<long> RecordAsync(
        EntryType type, Recipient recipient, string purpose, EntryResult result, SubjectId? subject, string? detail, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        ArgumentNullException.ThrowIfNull(purpose);
        using var held = subject is { } id ? await keys.FindFreshAsync(id, ct) : null;
        var entry = log.Entry(type, recipient, held?.Tag ?? default, purpose, result, [], Uuid.Version7(clock, random));
        if (detail is null) return await log.AppendAsync(entry, null, ct);
        var (described, kept) = log.WithDetail(entry, held, Encoding.UTF8.GetBytes(detail), random);
        return await log.AppendAsync(described, kept, ct);
    }

    /// <summary>Says that an act is about to be done; durable when it returns.</summary>
    /// <returns>The entry's index, for <see cref="ConfirmAsync"/>.</returns>
    // SPEC log-entry §15
    public async Task<long> IntendAsync(AdministrativeAct act, CancellationToken ct = default) =>
        await log.AppendAsync(await EntryAsync(act, "intended", Uuid.Version7(clock, random), ct), null, ct);

    /// <summary>Says that the act was done; durable when it returns. The same <paramref name="id"/> again, from any process, adds nothing.</summary>
    /// <exception cref="VaultException">The log cannot be written now: unavailable.</exception>
    public async Task ConfirmAsync(AdministrativeAct act, Guid id, long intent, CancellationToken ct = default)
    {
        var entry = await EntryAsync(act, "done", id, ct) with { Reference = intent };
        await database.RunAsync(
            async (connection, transaction) =>
            {
                await using var first = new NpgsqlCommand("insert into audit.confirmed (id) values ($1) on conflict do nothing", connection, transaction)
                {
                    Parameters = { new() { Value = id } },
                };
                // INVARIANT: whoever else confirms the same act waits here until this transaction has ended.
                return await first.ExecuteNonQueryAsync(ct) == 1 ? await log.AppendWithinAsync(connection, transaction, [entry], ct) : -1;
            },
            ct);
    }

    /// <summary>Tag of a person, in hexadecimal digits; empty of one who has no key.</summary>
    internal async Task<string> TagOfAsync(SubjectId subject, CancellationToken ct)
    {
        using var held = await keys.FindFreshAsync(subject, ct);
        return held is null ? "" : Convert.ToHexStringLower(held.Tag.Span);
    }

    private async Task<LogEntry> EntryAsync(AdministrativeAct act, string stage, Guid requestId, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(act);
        // Whose key does not open leaves no tag, as who has none: their account can be switched off and removed all the same.
        using var held = act.Subject is { } subject && await keys.GetManyFreshAsync([subject], ct) is [var found] ? found : null;
        var entry = log.Entry(act.Type, act.Actor, held?.Tag.ToArray() ?? default, "", EntryResult.Ok, [], requestId);
        return entry with { Rules = NameOf(act.Object) is { } name ? [stage, act.What, name] : [stage, act.What] };
    }

    // An application's id is a code and names no person; an account has the tag that it acts under. Customers share one: theirs is named by the person's tag.
    internal string? NameOf(Recipient thing)
    {
        var tag = Convert.ToHexStringLower(keys.ActorTag(thing));
        return thing.Kind switch
        {
            RecipientKind.Application when thing.Id.Length <= LogEntry.MaxRuleLength - "client:".Length => "client:" + thing.Id,
            RecipientKind.Application => "client:" + tag,
            RecipientKind.Staff => "account:" + tag,
            _ => null,
        };
    }
}
