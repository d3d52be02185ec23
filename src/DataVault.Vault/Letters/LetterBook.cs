using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>What a letter says, as it is sealed.</summary>
/// <param name="Salt">16 random bytes; with the text they give what the log committed to.</param>
/// <param name="Printed">The words, as they were when it was written.</param>
internal sealed record LetterContent(byte[] Salt, RenderedLetter Printed)
{
    // The subject stands in the commitment too; a line feed parts it from the text, and there is none in it.
    public byte[] Commitment() => SHA256.HashData([.. Salt, .. Encoding.UTF8.GetBytes($"{Printed.Subject}\n{Printed.Text()}")]);
}

/// <summary>A letter, and the entry about it.</summary>
internal sealed record WrittenLetter(Guid Id, LogEntry Entry, LetterContent Content)
{
    /// <summary>Where it goes by e-mail; null where that is not known yet, or not at all.</summary>
    public string? To { get; init; }
}

/// <summary>A letter that stands in the book once the entry about it has its index.</summary>
/// <param name="Entry">To be appended with the entries of the step.</param>
internal sealed record PendingLetter(LogEntry Entry, Guid Id, Guid? Request, LetterKind Kind, LetterContent Content, SubjectKeys Held, string Way) : IDisposable
{
    public void Dispose() => Held.Dispose();
}

/// <summary>
/// Writes letters to people about their requests: in the transaction of the step that each tells of, in a language that the person reads, sealed under their key,
/// into their inbox and on its way.
/// <code>
/// WriteAsync, before the head of the log is locked  ->  the letter's entry is appended with those of the step  ->  KeepAsync  ->  commit
/// </code>
/// INVARIANT: no step without its letter, and no letter of a step that was not taken. The entry commits to the words, so that what was told can be shown for as
/// long as the person is there, and by nobody after.
/// </summary>
internal sealed class LetterBook(SubjectInbox inbox, Decider decider, RecordCipher cipher, AuditLog log, VaultOptions options)
{
    public static readonly Recipient Writer = Recipient.Process("rights-letters", SubjectRequests.Purpose);

    private const int SaltSize = 16;

    public SubjectInbox Inbox => inbox;

    private LetterScene Scene => new(decider.Policy, decider.Clock.Now, options.Address);

    /// <summary>Prepares the letter of a step; the caller disposes it. Null when nobody is to be told, or the policy has no letters.</summary>
    /// <param name="work">The transaction of the step. INVARIANT: the request is locked before.</param>
    /// <param name="about">Whom it is to.</param>
    /// <param name="order">What is told of it.</param>
    /// <param name="requestId">For the log.</param>
    /// <exception cref="VaultException">not-found: the person is gone.</exception>
    public async Task<PendingLetter?> WriteAsync(DutyWork work, LetterAbout? about, LetterOrder order, Guid requestId)
    {
        if (decider.Policy.Letters is not { } letters || about is null || !letters.Has(order.Kind) || await KeysAsync(work, about.Subject) is not { } held) return null;
        try
        {
            var reader = await ReaderAsync(work, letters, held, withAddress: false);
            var earlier = about.Request is { } row ? await EarlierAsync(work, held, row.Id) : null;
            var language = letters.Choose([order.Language, earlier, reader.Language, earlier is null ? await ConsentLanguageAsync(work, about.Subject) : null]);
            var written = Written(SubjectInbox.MessageRule, about, order, held.Tag, (language, reader), requestId);
            var way = reader.MayMail && options.LettersByMail ? LetterWays.Mail : about.Request?.OpenedBy == "customer" ? LetterWays.Inbox : LetterWays.Post;
            return new PendingLetter(written.Entry, written.Id, about.Request?.Id, order.Kind, written.Content, held, way);
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The same of a letter that is to reach the person when nothing is left of them: with the address, which is opened now for that. Null when nobody is to be told.
    /// </summary>
    /// <param name="work">The transaction in which the erasure begins.</param>
    /// <param name="row">The request.</param>
    /// <param name="person">Their keys, where these open, and by what the log knows them.</param>
    /// <param name="order">What is told of.</param>
    /// <param name="requestId">For the log.</param>
    public async Task<WrittenLetter?> PartAsync(DutyWork work, RequestRow row, (SubjectKeys? Held, ReadOnlyMemory<byte> Tag) person, LetterOrder order, Guid requestId)
    {
        if (decider.Policy.Letters is not { } letters || LetterAbout.Of(row) is not { } about) return null;
        var reader = person.Held is { } held ? await ReaderAsync(work, letters, held, withAddress: true) : Reader.Unknown;
        var earlier = person.Held is { } known ? await EarlierAsync(work, known, row.Id) : null;
        var written = Written(PartingLetters.Rule, about, order, person.Tag, (letters.Choose([earlier, reader.Language]), reader), requestId);
        return options.LettersByMail ? written with { To = reader.Address } : written;
    }

    /// <summary>After the entry: nothing but this, and what notes the entry's index in the request, comes before the commit.</summary>
    /// <param name="work">The transaction of the step.</param>
    /// <param name="letter">As it was prepared.</param>
    /// <param name="index">Of the letter's entry.</param>
    /// <param name="told">What the message says besides, in codes.</param>
    public async Task KeepAsync(DutyWork work, PendingLetter letter, long index, MessageContent? told = null)
    {
        await using var batch = new NpgsqlBatch(work.Connection, work.Transaction);
        told ??= new MessageContent("letter." + LetterKinds.NameOf(letter.Kind), SubjectRequests.Purpose, [], "", index);
        inbox.Write(batch, letter.Held, told with { Letter = letter.Content }, new LetterRow(letter.Id, letter.Request, LetterKinds.NameOf(letter.Kind), letter.Way, index));
        await batch.ExecuteNonQueryAsync(work.Cancellation);
    }

    /// <summary>How letters to people who are erased ended, as the last act of a transaction.</summary>
    public Task<long> TellWayAsync(DutyWork work, IEnumerable<LetterRow> parting, string mark) => log.AppendWithinAsync(
        work.Connection, work.Transaction, [.. parting.Select(letter => LetterMail.EntryOf(log, Writer, letter, default, (EntryType.LetterWay, mark), letter.Id))], work.Cancellation);

    /// <exception cref="CryptographicException">It is not what was sealed.</exception>
    public LetterContent Open(SubjectKeys held, LetterRow letter) =>
        inbox.Open(held, letter.Id, letter.Sealed).Letter ?? throw new CryptographicException("The message is no letter.");

    private WrittenLetter Written(string named, LetterAbout about, LetterOrder order, ReadOnlyMemory<byte> tag, (LetterLanguage Language, Reader Who) to, Guid requestId)
    {
        var id = inbox.Clock.NewId();
        var salt = new byte[SaltSize];
        inbox.Clock.Random.Fill(salt);
        var content = new LetterContent(salt, Scene.Print(about, order, to.Language, to.Who.Country));
        var entry = log.Entry(EntryType.LetterWritten, Writer, tag, SubjectRequests.Purpose, EntryResult.Ok, to.Who.Items, requestId) with
        {
            Seal = content.Commitment(),
            Rules = [$"letter:{LetterKinds.NameOf(order.Kind)}", $"{named}{id:D}", .. about.Request is { } request ? [$"request:{request.Id:D}"] : Array.Empty<string>(), .. to.Who.Rules],
        };
        return new WrittenLetter(id, entry, content);
    }

    // Somebody whose key does not open can read no letter; the step must not wait for that.
    private async Task<SubjectKeys?> KeysAsync(DutyWork work, SubjectId subject)
    {
        try
        {
            return await inbox.KeysAsync(work, subject);
        }
        catch (CryptographicException e) when (e is not StaleKeyException)
        {
            return null;
        }
    }

    /// <summary>What the policy lets the writer know of whoever reads: opened here, by a permit, and named in the letter's entry.</summary>
    private async Task<Reader> ReaderAsync(DutyWork work, LetterTemplates letters, SubjectKeys held, bool withAddress)
    {
        var record = await SubjectRows.LockAsync(work.Connection, work.Transaction, held.Subject, work.Cancellation) ?? throw VaultException.NotFound();
        if (!FactsCodec.TryDecode(record.Facts, out var facts)) return Reader.Unknown;
        List<RequestedItem> items = [.. new[] { letters.AddressField, letters.LanguageField, letters.CountryField }.OfType<FieldDefinition>().Select(field => new RequestedItem(field, null))];
        var decision = decider.Decide(Writer, held.Subject, AccessAction.Read, SubjectRequests.Purpose, items, facts);
        if (Decider.IsBound(decision)) return Reader.Unknown;
        List<FieldPermit> permits = [.. decision.Permits.Where(permit => permit.Form == Form.Plain)];
        // Where to is asked for when it is sent, so that an address that changes meanwhile is the one used; but not of somebody who is then gone.
        List<FieldPermit> opened = [.. permits.Where(permit => withAddress || permit.Item != letters.AddressField)];
        var mayMail = letters.AddressField is { } to && permits.Any(permit => permit.Item == to);
        if (opened.Count == 0) return Reader.Unknown with { MayMail = mayMail };
        try
        {
            using var values = cipher.OpenHeld(record, held, opened);
            return new Reader(Text(values, letters.LanguageField), Text(values, letters.CountryField), Decider.LogIds(opened), decision.RuleIds, mayMail)
            {
                Address = withAddress ? Text(values, letters.AddressField) : null,
            };
        }
        catch (CryptographicException e) when (e is not StaleKeyException)
        {
            // A damaged record keeps nobody from being told.
            return Reader.Unknown with { MayMail = mayMail };
        }
    }

    private static string? Text(OpenedRecord values, FieldDefinition? field) =>
        field is null ? null : values.FirstOrDefault(value => value.Field == field) is { } found ? JsonSerializer.Deserialize<string>(found.Utf8Json.Span) : null;

    private async Task<string?> EarlierAsync(DutyWork work, SubjectKeys held, Guid request)
    {
        if (await LetterStore.FirstAsync(work, held.Subject, request) is not { } first) return null;
        try
        {
            return Open(held, first).Printed.Language;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static async Task<string?> ConsentLanguageAsync(DutyWork work, SubjectId subject)
    {
        await using var command = new NpgsqlCommand(
            "select language from vault.consent_event where subject_id = $1 and language is not null order by sequence desc limit 1", work.Connection, work.Transaction)
        {
            Parameters = { new() { Value = subject.Value } },
        };
        return await command.ExecuteScalarAsync(work.Cancellation) as string;
    }

    private sealed record Reader(string? Language, string? Country, IReadOnlyList<int> Items, IReadOnlyList<string> Rules, bool MayMail)
    {
        public static readonly Reader Unknown = new(null, null, [], [], MayMail: false);

        public string? Address { get; init; }
    }
}
