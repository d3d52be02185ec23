using System.Security.Cryptography;
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
internal sealed class LetterMail(LetterStore letters, LetterBook book, HeldAddresses addresses, LetterTools tools, IEnumerable<ILetterPost> posts)
{
    public const string Kind = "letter";

    /// <summary>Called between the sending and its note; a test cuts off here.</summary>
    internal Action Sent { get; set; } = static () => { };

    /// <summary>Names nobody: which letter, and for whom, stands in the table.</summary>
    public static OutboxMessage Message(Guid letter) => new(letter, Kind, LetterBook.Writer.Id, JsonSerializer.SerializeToUtf8Bytes(new { letter }), Attempts: 0);

    public static bool Carries(string kind) => kind is Kind or PartingLetters.Kind or DeadlineDigest.Kind;

    /// <returns>What went wrong, in one word; null when there is nothing left to do.</returns>
    public async Task<string?> CarryAsync(OutboxMessage message, CancellationToken ct)
    {
        try
        {
            return message.Kind switch
            {
                Kind => await CarryLetterAsync(message, ct),
                DeadlineDigest.Kind => await CarryDigestAsync(message, ct),
                _ => await CarryPartingAsync(message, ct),
            };
        }
        catch (CryptographicException)
        {
            tools.Logger.LogError("The letter {Letter} is not as the vault wrote it, and is not sent.", message.Id);
            return "damaged";
        }
        catch (VaultException e)
        {
            return e.Slug;
        }
    }

    private async Task<string?> CarryLetterAsync(OutboxMessage message, CancellationToken ct)
    {
        // Erased with the person, or taken over by an officer meanwhile.
        if (await letters.FindAsync(message.Id, ct) is not { Way: LetterWays.Mail } letter) return null;
        if (posts.FirstOrDefault() is not { } post) return "no-carrier";
        using var held = await tools.FindKeysAsync(letter.Subject, ct);
        // Of somebody who is being erased the letter goes too; a key that does not open may be repaired.
        if (held is null) return "no-key";
        if (await AddressAsync(letter, post, IsLast(message), ct) is not { } to)
        {
            // Whoever asked with a sign-in reads it there; of somebody without one an officer sees to it.
            await NoteAsync(letter, held, await tools.AskedThemselvesAsync(letter.Request, ct) ? LetterWays.Inbox : LetterWays.Post, "way:no-address", ct);
            return null;
        }

        var (done, failure) = await SendAsync(post, new OutgoingLetter(letter.Id, to, book.Open(held, letter).Printed), message, ct);
        if (failure is not null) return failure;
        // What was tried in vain an officer sees in any case.
        await NoteAsync(letter, held, done ? LetterWays.Sent : LetterWays.Post, done ? "way:sent" : "way:given-up", ct);
        return null;
    }

    // INVARIANT: its key goes before its row, so that what was sent is not kept by a crash in between.
    private async Task<string?> CarryPartingAsync(OutboxMessage message, CancellationToken ct)
    {
        if (await tools.Parting.FindAsync(message.Id, ct) is not { Way: LetterWays.Mail } letter) return null;
        if (posts.FirstOrDefault() is not { } post) return "no-carrier";
        var opened = await tools.Parting.OpenAsync(letter, ct);
        if (opened is not { To: { } to, Content: { } content } || !post.IsAddress(to))
        {
            await NotePartingAsync(letter, opened is null ? "way:key-gone" : "way:no-address", keep: opened is not null, ct);
            return null;
        }

        var (done, failure) = await SendAsync(post, new OutgoingLetter(letter.Id, to, content.Printed), message, ct);
        if (failure is not null) return failure;
        await NotePartingAsync(letter, done ? "way:sent" : "way:given-up", keep: !done, ct);
        return null;
    }

    // A digest that cannot be sent is of no use a day later.
    private async Task<string?> CarryDigestAsync(OutboxMessage message, CancellationToken ct)
    {
        if (posts.FirstOrDefault() is not { } post) return "no-carrier";
        var (to, printed) = DeadlineDigest.Open(message);
        var (_, failure) = await SendAsync(post, new OutgoingLetter(message.Id, to, printed), message, ct);
        return failure;
    }

    // From then on an officer sees to it.
    private static bool IsLast(OutboxMessage message) => message.Attempts + 1 >= OutboxStore.DeadAfter;

    /// <summary>Sent; given up after so many attempts, which is neither; or what went wrong.</summary>
    private async Task<(bool Sent, string? Failure)> SendAsync(ILetterPost post, OutgoingLetter letter, OutboxMessage message, CancellationToken ct)
    {
        try
        {
            await post.SendAsync(letter, ct);
        }
        catch (RecipientCallException e) when (!IsLast(message))
        {
            return (false, e.Code);
        }
        catch (RecipientCallException)
        {
            tools.Logger.LogError("The letter {Letter} was not sent and waits for an officer.", letter.Id);
            return (false, null);
        }

        Sent();
        return (true, null);
    }

    private async Task NotePartingAsync(LetterRow letter, string mark, bool keep, CancellationToken ct)
    {
        if (!keep) await tools.Parting.ForgetAsync(letter.Id, ct);
        await letters.Database.RunAsync(async (connection, transaction) =>
        {
            var work = new DutyWork(connection, transaction, ct);
            if (!(keep ? await PartingLetters.MoveAsync(work, letter.Id, LetterWays.Post) : await PartingLetters.DeleteAsync(work, letter.Id))) return false;
            await tools.Log.AppendWithinAsync(connection, transaction, [EntryOf(tools.Log, LetterBook.Writer, letter, default, (EntryType.LetterWay, mark), letter.Id)], ct);
            return true;
        }, ct);
    }

    /// <summary>Where to, if the policy says that it may be known and it is one; a record that does not open says nothing, today or tomorrow.</summary>
    private async Task<string?> AddressAsync(LetterRow letter, ILetterPost post, bool isLast, CancellationToken ct)
    {
        try
        {
            return await addresses.ReadAsync(letter.Subject, letter.Id, ct) is { } text && post.IsAddress(text) ? text : null;
        }
        catch (VaultException) when (isLast)
        {
            return null;
        }
    }

    private Task<bool> NoteAsync(LetterRow letter, SubjectKeys held, string way, string mark, CancellationToken ct) => letters.Database.RunAsync(async (connection, transaction) =>
    {
        var work = new DutyWork(connection, transaction, ct);
        DateTimeOffset? gone = way == LetterWays.Sent ? tools.Clock.Now : null;
        if (!await LetterStore.MoveAsync(work, letter, way, gone)) return false;
        await tools.Log.AppendWithinAsync(connection, transaction, [EntryOf(tools.Log, LetterBook.Writer, letter, held.Tag, (EntryType.LetterWay, mark), letter.Id)], ct);
        return true;
    }, ct);

    /// <summary>How a letter went on; it answers the entry that says it was written.</summary>
    public static LogEntry EntryOf(AuditLog log, Recipient recipient, LetterRow letter, ReadOnlyMemory<byte> tag, (EntryType Type, string Mark) what, Guid requestId) =>
        log.Entry(what.Type, recipient, tag, SubjectRequests.Purpose, EntryResult.Ok, [], requestId) with
        {
            Reference = letter.LogIndex,
            Rules = [what.Mark, $"{(letter.Subject == default ? PartingLetters.Rule : SubjectInbox.MessageRule)}{letter.Id:D}", .. letter.Request is { } request ? [$"request:{request:D}"] : Array.Empty<string>()],
        };
}

/// <summary>What sending letters needs besides.</summary>
internal sealed class LetterTools(RequestStore requests, PartingLetters parting, KeyRegistry keys, ActivePolicy policy, AuditLog log)
{
    public AuditLog Log => log;

    public PartingLetters Parting => parting;

    public PolicySet Policy => policy.Current;

    public VaultClock Clock => requests.Clock;

    public ILogger Logger => requests.Logger;

    /// <summary>Null of somebody who is gone, or whose key does not open.</summary>
    public async Task<SubjectKeys?> FindKeysAsync(SubjectId subject, CancellationToken ct)
    {
        var held = await keys.GetManyFreshAsync([subject], [], ct);
        return held.Count > 0 ? held[0] : null;
    }

    /// <summary>That an officer saw who waits for a letter; durable when it returns.</summary>
    public async Task RecordListAsync(Recipient officer, IReadOnlyList<SubjectId> people, Guid requestId, CancellationToken ct)
    {
        var held = await keys.GetManyFreshAsync(people, [], ct);
        try
        {
            var entry = log.Entry(EntryType.RequestRead, officer, default, SubjectRequests.Purpose, EntryResult.Ok, [], requestId) with { Rules = ["letters:to-post"] };
            await log.AppendAsync(AuditLog.Concerning(entry, held.Select(one => one.Tag)), ct);
        }
        finally
        {
            foreach (var one in held) one.Dispose();
        }
    }

    public async Task<bool> AskedThemselvesAsync(Guid? request, CancellationToken ct) =>
        request is { } id && await requests.FindAsync(id, ct) is { OpenedBy: "customer" };
}
