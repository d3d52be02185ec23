using System.Text.Json;
using DataVault.Policy;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>The suppression list as officers see it.</summary>
/// <param name="Rules">What the policy says of it; null where it keeps none.</param>
/// <param name="Figures">What is kept.</param>
public sealed record SuppressionState(SuppressionRules? Rules, SuppressionFigures Figures);

/// <summary>
/// Whoever was erased is not taken in again from an old file (GDPR 17; ADR 46). Officers see how much is kept, never of whom, and let somebody in again who asks for it: by an identifier that
/// the person names. Both are entries of the log.
/// </summary>
public sealed class Suppressions
{
    internal const string Room = "suppressions";

    private readonly VaultDatabase database;
    private readonly SuppressionDoor door;
    private readonly SuppressionList list;
    private readonly AuditLog log;
    private readonly Decider decider;
    private readonly OversightDoor officers;

    internal Suppressions(VaultDatabase database, SuppressionDoor door, SuppressionList list, AuditLog log, Decider decider)
    {
        (this.database, this.door, this.list, this.log, this.decider) = (database, door, list, log, decider);
        officers = new OversightDoor(log, decider, Capabilities.SuppressionsManage, Room);
    }

    /// <exception cref="VaultException">forbidden.</exception>
    public async Task<SuppressionState> StateAsync(Recipient recipient, Guid requestId, CancellationToken ct)
    {
        await officers.AuthoriseAsync(recipient, requestId, ct);
        await officers.LookAsync(recipient, requestId, ct, EntryType.StatusRead);
        return new SuppressionState(decider.Policy.Suppression, await list.FiguresAsync(ct));
    }

    /// <summary>Ends the marks of whoever is known by a value.</summary>
    /// <param name="recipient">Who does it.</param>
    /// <param name="field">A field that marks are made of.</param>
    /// <param name="value">As the person says it.</param>
    /// <param name="ground">One of <see cref="ReturnGrounds"/>.</param>
    /// <param name="requestId">For the log.</param>
    /// <param name="ct">Ends the wait.</param>
    /// <returns>Of how many erasures something was kept by that value, and the entry.</returns>
    /// <exception cref="VaultException">forbidden, invalid-fields, invalid-state.</exception>
    public async Task<(int Erasures, long LogIndex)> LiftAsync(Recipient recipient, string field, string value, string ground, Guid requestId, CancellationToken ct)
    {
        await officers.AuthoriseAsync(recipient, requestId, ct);
        if (decider.Policy.Suppression is not { } rules) throw VaultException.InvalidState("The policy keeps nobody out.");
        if (!ReturnGrounds.All.Contains(ground)) throw VaultException.Invalid([new("/ground", "unknown", $"One of {string.Join(", ", ReturnGrounds.All)}.")]);
        if (rules.Identifiers.FirstOrDefault(one => one.Name == field) is not { } known)
            throw VaultException.Invalid([new("/field", "unknown", $"One of {string.Join(", ", rules.Identifiers.Select(one => one.Name))}.")]);
        var named = new Newcomer([new DraftValue(known, Canonical(known, value))]);
        var lifted = new HashSet<Guid>();
        var index = await database.RunAsync(async (connection, transaction) =>
        {
            lifted = [.. (await door.FindAsync(connection, transaction, [named], ct)).Select(hit => hit.Group)];
            await door.LiftAsync(connection, transaction, lifted, ct);
            return await log.AppendWithinAsync(connection, transaction, [LiftedEntry(log, recipient, default, ("", ground, lifted.Count), requestId)], ct);
        }, ct);
        await door.RememberAsync(lifted, ct);
        return (lifted.Count, index);
    }

    /// <summary>The entry that somebody was let in again: why, and of how many erasures something was kept.</summary>
    internal static LogEntry LiftedEntry(AuditLog log, Recipient recipient, ReadOnlyMemory<byte> tag, (string Purpose, string Ground, int Erasures) said, Guid requestId) =>
        log.Entry(EntryType.SuppressionLifted, recipient, tag, said.Purpose, EntryResult.Ok, [], requestId) with
        {
            Rules = ["ground:" + said.Ground, FormattableString.Invariant($"erasures:{said.Erasures}")],
        };

    private byte[] Canonical(FieldDefinition field, string value)
    {
        var single = field.Rules.IsList ? JsonSerializer.SerializeToElement(new[] { value }) : JsonSerializer.SerializeToElement(value);
        return FieldValues.Normalise(field.Rules, single, decider.Clock.Today, out var canonical) is { } problem ? throw VaultException.Invalid([new("/value", problem.Code, problem.Message)]) : canonical;
    }
}
