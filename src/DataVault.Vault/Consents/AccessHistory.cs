using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>One look at a customer's record, or one change of it: who, when, for what, which fields, and where in the log.</summary>
/// <param name="Index">Log index; its inclusion can be proven.</param>
/// <param name="At">When.</param>
/// <param name="Type">Entry type, such as <c>field.read</c>.</param>
/// <param name="Actor">Name of the application, or of the role for staff.</param>
/// <param name="Purpose">The purpose named.</param>
/// <param name="Result"><c>ok</c>, <c>denied</c> or <c>error</c>.</param>
/// <param name="Fields">Fields and event types concerned.</param>
public sealed record AccessView(long Index, DateTimeOffset At, string Type, string Actor, string Purpose, string Result, IReadOnlyList<string> Fields);

/// <summary>A page of accesses, newest first.</summary>
public sealed record AccessPage(IReadOnlyList<AccessView> Items, string? Next);

/// <summary>
/// A person's own view of the log: every entry that bears their tag. Reading it is an entry too. For the person, and for those who may read the log.
/// </summary>
public sealed class AccessHistory
{
    private readonly AuditReader reader;
    private readonly AuditLog log;
    private readonly KeyRegistry keys;
    private readonly DisclosureLedger ledger;
    private readonly ActivePolicy policy;

    internal AccessHistory(AuditReader reader, AuditLog log, KeyRegistry keys, DisclosureLedger ledger, ActivePolicy policy) =>
        (this.reader, this.log, this.keys, this.ledger, this.policy) = (reader, log, keys, ledger, policy);

    public async Task<AccessPage> ListAsync(Recipient recipient, SubjectId subject, int limit, string? cursor, Guid requestId, CancellationToken ct)
    {
        var tag = await AuthoriseAsync(recipient, subject, requestId, ct);
        var page = await reader.SearchAsync(new AuditQuery { Subject = subject, Limit = limit, Cursor = cursor }, ct);
        await log.AppendAsync(log.Entry(EntryType.AuditRead, recipient, tag, PurposeOf(recipient), EntryResult.Ok, [], requestId), null, ct);
        return new AccessPage([.. page.Entries.Select(View)], page.Next);
    }

    /// <summary>Who was given what of the person, by recipient (GDPR 15(1)(c)).</summary>
    public async Task<IReadOnlyList<DisclosureLine>> DisclosuresAsync(Recipient recipient, SubjectId subject, Guid requestId, CancellationToken ct)
    {
        var tag = await AuthoriseAsync(recipient, subject, requestId, ct);
        var lines = await ledger.OfAsync(subject, ct);
        await log.AppendAsync(log.Entry(EntryType.AuditRead, recipient, tag, PurposeOf(recipient), EntryResult.Ok, [], requestId) with { Rules = ["disclosures"] }, null, ct);
        return lines;
    }

    private async Task<ReadOnlyMemory<byte>> AuthoriseAsync(Recipient recipient, SubjectId subject, Guid requestId, CancellationToken ct)
    {
        var own = recipient.Kind == RecipientKind.Customer && recipient.Subject == subject;
        var may = own || (recipient.Kind != RecipientKind.Customer && policy.Current.Decisions.HasCapability(recipient.Roles, Capabilities.AuditRead));
        var tag = await TagAsync(subject, ct);
        if (may && tag is { } known) return known;
        await log.AppendAsync(log.Entry(EntryType.Denied, recipient, tag ?? default, PurposeOf(recipient), EntryResult.Denied, [], requestId), null, ct);
        throw may || recipient.Kind == RecipientKind.Customer ? VaultException.NotFound() : VaultException.Forbidden();
    }

    private async Task<ReadOnlyMemory<byte>?> TagAsync(SubjectId subject, CancellationToken ct)
    {
        using var held = await keys.FindFreshAsync(subject, ct);
        return held?.Tag;
    }

    private static string PurposeOf(Recipient recipient) => recipient.Purposes.Count > 0 ? recipient.Purposes[0] : "";

    private static AccessView View(AuditRecord record) => new(
        record.Index,
        DateTimeOffset.FromUnixTimeMilliseconds(record.Entry.Time),
        EntryTypes.NameOf(record.Entry.Type),
        record.Actor ?? record.ActorKind ?? "unknown",
        record.Entry.Purpose,
        record.Entry.Result switch { EntryResult.Ok => "ok", EntryResult.Denied => "denied", _ => "error" },
        record.ItemNames);
}
