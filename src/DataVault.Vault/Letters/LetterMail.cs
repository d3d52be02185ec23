using System.Text.Json;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Microsoft.Extensions.Logging;

namespace DataVault.Vault;

/// <summary>A letter on its way out. It is personal data: no log, error or metric has any of it.</summary>
/// <param name="Id">The same at each attempt.</param>
/// <param name="To">An address alone.</param>
/// <param name="Printed">What it says.</param>
public sealed record OutgoingLetter(Guid Id, string To, RenderedLetter Printed)
{
    public override string ToString() => nameof(OutgoingLetter);
}

/// <summary>Whoever can send e-mail (the server does). Called at least once for each letter.</summary>
public interface ILetterPost
{
    /// <summary>Whether something is an address that a letter may go to: one address alone, nothing that becomes a header.</summary>
    bool IsAddress(string text);

    /// <exception cref="RecipientCallException">It was not sent, or nobody knows whether it was.</exception>
    Task SendAsync(OutgoingLetter letter, CancellationToken cancellation);
}

/// <summary>
/// Sends letters that wait in the outbox. Where to is read at that moment, through the gate like by anybody else: a logged disclosure to the process that writes
/// letters, and only where the policy lets it. What cannot be sent waits for an officer, or lies in the inbox of whoever reads there.
/// </summary>
internal sealed class LetterMail(LetterStore letters, LetterBook book, DisclosureGate gate, AuditLog log, LetterTools tools, IEnumerable<ILetterPost> posts)
{
    public const string Kind = "letter";

    /// <summary>Called between the sending and its note; a test cuts off here.</summary>
    internal Action Sent { get; set; } = static () => { };

    /// <summary>Names nobody: which letter, and for whom, stands in the table.</summary>
    public static OutboxMessage Message(Guid letter) => new(letter, Kind, LetterBook.Writer.Id, JsonSerializer.SerializeToUtf8Bytes(new { letter }), Attempts: 0);

    /// <returns>What went wrong, in one word; null when there is nothing left to do.</returns>
    public async Task<string?> CarryAsync(OutboxMessage message, CancellationToken ct)
    {
        // Erased with the person, or taken over by an officer meanwhile.
        if (await letters.FindAsync(message.Id, ct) is not { Way: LetterWays.Mail } letter) return null;
        if (posts.FirstOrDefault() is not { } post) return "no-carrier";
        using var held = await tools.FindKeysAsync(letter.Subject, ct);
        if (held is null) return null;
        if (await AddressAsync(letter, post, ct) is not { } to)
        {
            await SettleAsync(letter, held, "no-address", ct);
            return null;
        }

        try
        {
            await post.SendAsync(new OutgoingLetter(letter.Id, to, book.Open(held, letter).Printed), ct);
        }
        catch (RecipientCallException e)
        {
            if (message.Attempts + 1 < OutboxStore.DeadAfter) return e.Code;
            tools.Logger.LogError("The letter {Letter} was not sent and waits for an officer.", letter.Id);
            await SettleAsync(letter, held, "given-up", ct);
            return null;
        }

        Sent();
        await NoteAsync(letter, held, LetterWays.Sent, "way:sent", ct);
        return null;
    }

    /// <summary>Where to, if the policy says that it may be known and it is one.</summary>
    private async Task<string?> AddressAsync(LetterRow letter, ILetterPost post, CancellationToken ct)
    {
        if (tools.Policy.Letters?.AddressField is not { } field) return null;
        try
        {
            var query = new ReadQuery(LetterBook.Writer, letter.Subject, SubjectRequests.Purpose, [new RequestedItem(field, null)], Provenance: false, letter.Id);
            using var read = await gate.ReadAsync(query, ct);
            if (read.Fields.FirstOrDefault(one => one.Form == Form.Plain) is not { } value) return null;
            return JsonSerializer.Deserialize<string>(value.Utf8Json.Span) is { } text && post.IsAddress(text) ? text : null;
        }
        catch (VaultException e) when (e.Slug is "not-found" or "forbidden")
        {
            return null;
        }
    }

    // Whoever asked with a sign-in reads it there; of somebody without one an officer sees to it. What was tried in vain an officer sees in any case.
    private async Task SettleAsync(LetterRow letter, SubjectKeys held, string why, CancellationToken ct)
    {
        var way = why == "no-address" && await tools.AskedThemselvesAsync(letter.Request, ct) ? LetterWays.Inbox : LetterWays.Post;
        await NoteAsync(letter, held, way, "way:" + why, ct);
    }

    private Task<bool> NoteAsync(LetterRow letter, SubjectKeys held, string way, string mark, CancellationToken ct) => letters.Database.RunAsync(async (connection, transaction) =>
    {
        var work = new DutyWork(connection, transaction, ct);
        DateTimeOffset? gone = way == LetterWays.Sent ? tools.Clock.Now : null;
        if (!await LetterStore.MoveAsync(work, letter, way, gone)) return false;
        await log.AppendWithinAsync(connection, transaction, [EntryOf(log, LetterBook.Writer, letter, held.Tag, (EntryType.LetterWay, mark), letter.Id)], ct);
        return true;
    }, ct);

    /// <summary>How a letter went on; it answers the entry that says it was written.</summary>
    public static LogEntry EntryOf(AuditLog log, Recipient recipient, LetterRow letter, ReadOnlyMemory<byte> tag, (EntryType Type, string Mark) what, Guid requestId) =>
        log.Entry(what.Type, recipient, tag, SubjectRequests.Purpose, EntryResult.Ok, [], requestId) with
        {
            Reference = letter.LogIndex,
            Rules = [what.Mark, $"message:{letter.Id:D}", .. letter.Request is { } request ? [$"request:{request:D}"] : Array.Empty<string>()],
        };
}

/// <summary>What sending letters needs besides.</summary>
internal sealed class LetterTools(RequestStore requests, KeyRegistry keys, ActivePolicy policy)
{
    public PolicySet Policy => policy.Current;

    public VaultClock Clock => requests.Clock;

    public ILogger Logger => requests.Logger;

    /// <summary>Null of somebody who is gone, or whose key does not open.</summary>
    public async Task<SubjectKeys?> FindKeysAsync(SubjectId subject, CancellationToken ct)
    {
        var held = await keys.GetManyFreshAsync([subject], [], ct);
        return held.Count > 0 ? held[0] : null;
    }

    public async Task<bool> AskedThemselvesAsync(Guid? request, CancellationToken ct) =>
        request is { } id && await requests.FindAsync(id, ct) is { OpenedBy: "customer" };
}
