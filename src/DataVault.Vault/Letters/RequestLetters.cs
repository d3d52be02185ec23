using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>A letter, without its words.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Request">About which request; null of one about something else.</param>
/// <param name="Kind">Name of its kind.</param>
/// <param name="Way"><c>mail</c>: waits to be sent; <c>sent</c>; <c>post</c>: waits for an officer; <c>posted</c>; <c>inbox</c>: lies with the person's messages.</param>
/// <param name="At">When it was written.</param>
/// <param name="GoneAt">When it was sent or posted.</param>
/// <param name="LogIndex">The entry that commits to its words.</param>
/// <param name="Subject">To whom; null of somebody who is erased.</param>
public sealed record LetterView(Guid Id, Guid? Request, string Kind, string Way, DateTimeOffset At, DateTimeOffset? GoneAt, long LogIndex, SubjectId? Subject);

/// <summary>A letter with its words, and the salt by which anybody checks them against the log.</summary>
public sealed record WrittenWords(LetterView About, RenderedLetter Printed, ReadOnlyMemory<byte> Salt);

/// <summary>Oldest first.</summary>
public sealed record LetterPage(IReadOnlyList<LetterView> Items, string? Next);

/// <summary>
/// Letters about requests: the person reads their own, officers those of requests that they may read. Every look by an officer is an entry; whether a letter that
/// waits for an officer was posted is an officer's word, and an entry too.
/// </summary>
public sealed class RequestLetters
{
    private readonly LetterStore letters;
    private readonly PartingLetters parting;
    private readonly LetterBook book;
    private readonly RequestStore requests;
    private readonly LetterTools tools;
    private readonly SubjectReach reach;

    internal RequestLetters(LetterStore letters, PartingLetters parting, LetterBook book, RequestStore requests, LetterTools tools, SubjectReach reach) =>
        (this.letters, this.parting, this.book, this.requests, this.tools, this.reach) = (letters, parting, book, requests, tools, reach);

    /// <summary>Those about one request, oldest first.</summary>
    /// <exception cref="VaultException">not-found, forbidden.</exception>
    public async Task<IReadOnlyList<LetterView>> ListAsync(Recipient recipient, Guid request, Guid requestId, CancellationToken ct)
    {
        var row = await requests.FindAsync(request, ct);
        await ApproachAsync(recipient, row?.Subject, row is not null, requestId, ct);
        if (recipient.Kind != RecipientKind.Customer) await requests.RecordLookAsync(recipient, [row!], requestId, ct);
        List<LetterRow> all = [.. await letters.OfRequestAsync(request, ct), .. await parting.OfRequestAsync(request, ct)];
        return [.. all.Select(View)];
    }

    /// <summary>One letter with its words.</summary>
    /// <exception cref="VaultException">not-found, forbidden; unavailable: it is not as it was written.</exception>
    public async Task<WrittenWords> ReadAsync(Recipient recipient, Guid letter, Guid requestId, CancellationToken ct)
    {
        var row = await FindAsync(letter, ct);
        await ApproachAsync(recipient, SubjectOf(row), row is not null, requestId, ct);
        var (found, held) = (row!, SubjectOf(row) is { } subject ? await tools.FindKeysAsync(subject, ct) : null);
        using (held)
        {
            var entry = EntryOf(recipient, found, held?.Tag ?? default, EntryType.RequestRead, requestId);
            try
            {
                var content = SubjectOf(found) is null ? (await parting.OpenAsync(found, ct))?.Content : held is null ? null : book.Open(held, found);
                if (content is null) throw VaultException.NotFound();
                await tools.Log.AppendAsync(entry, null, ct);
                return new WrittenWords(View(found), content.Printed, content.Salt);
            }
            catch (CryptographicException e)
            {
                throw await tools.Log.FailedAsync(entry, e, ct);
            }
        }
    }

    /// <summary>What waits for an officer, oldest first: letters to people of whom no address is held that may be used, and what could not be sent.</summary>
    /// <exception cref="VaultException">forbidden, bad-request.</exception>
    public async Task<LetterPage> ToPostAsync(Recipient recipient, int limit, string? cursor, Guid requestId, CancellationToken ct)
    {
        if (!May(recipient, Capabilities.RequestsRead)) throw await requests.DeniedAsync(recipient, null, VaultException.Forbidden(), requestId, ct);
        Guid? after = cursor is null ? null : Guid.TryParseExact(cursor, "N", out var id) ? id : throw VaultException.BadRequest("The cursor is not valid.");
        List<LetterRow> rows = [.. (await letters.ToPostAsync(limit + 1, after, ct)).Concat(await parting.ToPostAsync(limit + 1, after, ct)).OrderBy(row => row.Id.ToString("N"), StringComparer.Ordinal)];
        var page = rows.Take(limit).ToList();
        var shown = await ReachedAsync(recipient, page, ct);
        await tools.RecordListAsync(recipient, [.. shown.Select(SubjectOf).OfType<SubjectId>().Distinct()], requestId, ct);
        return new LetterPage([.. shown.Select(View)], rows.Count > limit ? page[^1].Id.ToString("N") : null);
    }

    /// <summary>An officer has posted it or handed it over.</summary>
    /// <exception cref="VaultException">not-found, forbidden; invalid-state: it does not wait for this.</exception>
    public async Task<LetterView> PostedAsync(Recipient recipient, Guid letter, Guid requestId, CancellationToken ct)
    {
        var row = await FindAsync(letter, ct);
        await ApproachAsync(recipient, SubjectOf(row), row is not null, requestId, ct);
        if (!May(recipient, Capabilities.RequestsDecide)) throw await requests.DeniedAsync(recipient, SubjectOf(row), VaultException.Forbidden(), requestId, ct);
        var waiting = row!;
        if (waiting.Way != LetterWays.Post) throw NotWaiting();
        ReadOnlyMemory<byte> tag = SubjectOf(waiting) is { } subject ? await requests.TagAsync(subject, ct) : default;
        if (SubjectOf(waiting) is null) await parting.ForgetAsync(letter, ct);
        var now = requests.Now;
        await requests.TransactAsync(async (connection, transaction) =>
        {
            var work = new DutyWork(connection, transaction, ct);
            var moved = SubjectOf(waiting) is null ? await PartingLetters.DeleteAsync(work, letter) : await LetterStore.MoveAsync(work, waiting, LetterWays.Posted, now);
            if (!moved) throw NotWaiting();
            return await requests.AppendAsync(connection, transaction, EntryOf(recipient, waiting, tag, EntryType.LetterPosted, requestId), ct);
        }, ct);
        return View(waiting with { Way = LetterWays.Posted, GoneAt = now });
    }

    private async Task<LetterRow?> FindAsync(Guid letter, CancellationToken ct) => await letters.FindAsync(letter, ct) ?? await parting.FindAsync(letter, ct);

    // Unknown, somebody else's and out of reach are the same from outside.
    private async Task ApproachAsync(Recipient recipient, SubjectId? subject, bool isThere, Guid requestId, CancellationToken ct)
    {
        if (recipient.Kind == RecipientKind.Customer)
        {
            if (isThere && subject is not null && subject == recipient.Subject) return;
            throw await requests.DeniedAsync(recipient, recipient.Subject, VaultException.NotFound(), requestId, ct);
        }

        if (!May(recipient, Capabilities.RequestsRead)) throw await requests.DeniedAsync(recipient, subject, VaultException.Forbidden(), requestId, ct);
        if (!isThere || !(reach.IsEverybody(recipient) || (subject is { } known && await reach.IncludesAsync(recipient, known, ct))))
            throw await requests.DeniedAsync(recipient, subject, VaultException.NotFound(), requestId, ct);
    }

    private async Task<List<LetterRow>> ReachedAsync(Recipient recipient, List<LetterRow> rows, CancellationToken ct)
    {
        if (reach.IsEverybody(recipient)) return rows;
        var among = await reach.AmongAsync(recipient, [.. rows.Select(SubjectOf).OfType<SubjectId>().Distinct()], ct);
        return [.. rows.Where(row => SubjectOf(row) is { } subject && among.Contains(subject))];
    }

    private bool May(Recipient recipient, string capability) => reach.Policy.Decisions.HasCapability(recipient.Roles, capability);

    private LogEntry EntryOf(Recipient recipient, LetterRow letter, ReadOnlyMemory<byte> tag, EntryType type, Guid requestId) =>
        LetterMail.EntryOf(tools.Log, recipient, letter, tag, (type, "letter:" + letter.Kind), requestId);

    private static SubjectId? SubjectOf(LetterRow? row) => row is null || row.Subject == default ? null : row.Subject;

    private static LetterView View(LetterRow row) => new(row.Id, row.Request, row.Kind, row.Way, row.At, row.GoneAt, row.LogIndex, SubjectOf(row));

    private static VaultException NotWaiting() => VaultException.InvalidState("The letter does not wait to be posted.");
}
