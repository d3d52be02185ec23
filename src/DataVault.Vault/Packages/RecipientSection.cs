using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>What a package tells of others: who looked, who received what, who was told of changes, and what was written to the person.</summary>
internal sealed class PackageTrail(AuditReader log, DisclosureLedger ledger, NoticeStore notices, LetterStore letters, LetterBook book, KeyRegistry keys)
{
    public AuditReader Log => log;

    public Task<IReadOnlyList<DisclosureLine>> DisclosuresAsync(SubjectId subject, CancellationToken ct) => ledger.OfAsync(subject, ct);

    /// <summary>Newest first; without content what does not open.</summary>
    public async Task<List<(NoticeRow Row, NoticeContent? Said)>> NoticesAsync(SubjectId subject, CancellationToken ct)
    {
        using var held = await keys.GetFreshAsync(subject, ct);
        return [.. (await notices.ListAsync(new NoticeFilter(Subject: subject), null, int.MaxValue, ct)).Select(row => (row, notices.OpenOrNull(row, held)))];
    }

    /// <summary>Oldest first; without words what does not open, for it must not keep the rest from the person.</summary>
    public async Task<List<(LetterRow Row, RenderedLetter Said)>> LettersAsync(SubjectId subject, CancellationToken ct)
    {
        using var held = await keys.GetFreshAsync(subject, ct);
        return (await letters.OfSubjectAsync(subject, ct)).ConvertAll(row => (row, PrintedOrEmpty(held, row)));
    }

    private RenderedLetter PrintedOrEmpty(SubjectKeys held, LetterRow row)
    {
        try
        {
            return book.Open(held, row).Printed;
        }
        catch (CryptographicException)
        {
            return new RenderedLetter("und", "", []);
        }
    }
}

/// <summary>
/// Who received which of the person's data, what for and on what terms, as the log has it; and which of them were told of a correction, a restriction or an erasure.
/// </summary>
// SPEC GDPR 15(1)(c), 15(2): recipients by name, and what guards a transfer to a third country; 19: who was told, without having to be asked.
internal sealed class RecipientSection(PackageTrail trail)
{
    private static readonly PackageColumn[] Received =
        ["recipient", "recipientKind", "country", "transfer", "through", "type", "purpose", "items", new("times", "integer"), new("first", "datetime"), new("last", "datetime")];

    private static readonly PackageColumn[] Told = ["id", new("at", "datetime"), "recipient", "change", "items", "state", new("changedAt", "datetime")];

    public async Task WriteAsync(PackageBag package, CancellationToken cancellation)
    {
        var subject = package.Order.Record.Subject;
        var lines = await trail.DisclosuresAsync(subject, cancellation);
        var notices = await trail.NoticesAsync(subject, cancellation);
        package.Json("data/json/disclosures.json", json => JsonSerializer.Serialize(json, lines.Select(Line), PackageJson.Options));
        package.Table("disclosures", Received, lines.Select(line => (IReadOnlyList<string>)
        [
            line.Title, KindOf(line), line.Declared?.Country ?? "", Words(line.Declared?.Transfer), line.Through, line.Kind, line.Purpose, string.Join(' ', line.Items), AccessSection.Number(line.Times),
            PackageBag.Instant(line.First), PackageBag.Instant(line.Last),
        ]));
        package.Json("data/json/notices.json", json => JsonSerializer.Serialize(json, notices.Select(one => Notice(package, one.Row, one.Said)), PackageJson.Options));
        package.Table("notices", Told, notices.Select(one => (IReadOnlyList<string>)
        [
            one.Row.Id.ToString("D"), PackageBag.Instant(one.Row.At), TitleOf(package, one.Said), one.Row.Kind, string.Join(' ', one.Said?.Items ?? []), one.Row.State, PackageBag.Instant(one.Row.ChangedAt),
        ]));
        WritePage(package, lines, notices);
    }

    private static void WritePage(PackageBag package, IReadOnlyList<DisclosureLine> lines, List<(NoticeRow Row, NoticeContent? Said)> notices)
    {
        var words = package.Words;
        package.Page("who-received", page =>
        {
            page.Table(
                words["table.received"],
                [words["col.who"], words["col.kind"], words["col.country"], words["col.through"], words["col.purpose"], words["col.which"], words["col.times"], words["col.last"]],
                lines.Select(line => (IReadOnlyList<PageCell>)
                [
                    line.Title, words.Of("recipient", KindOf(line)), Where(line.Declared), Through(package, line), AccessSection.Purpose(package, line.Purpose), AccessSection.Items(package, line.Items),
                    AccessSection.Number(line.Times), words.When(line.Last),
                ]));
            page.Heading(words["received.analysts"]);
            page.Paragraph(words["received.analysts.lead"]);
            page.Table(words["table.analysts"], [words["col.who"], words["col.which"]], package.Order.Policy.Analytics.Select(domain => (IReadOnlyList<PageCell>)
            [
                Audience(package, domain),
                PageCell.Of(domain.CustomerColumns.Select(column => column.Field.Labels).Concat(AccessSection.Labels(package, domain.EventTypes.Select(type => EventTypeDefinition.Prefix + type))).Distinct(), words),
            ]));
            page.Heading(words["received.told"]);
            page.Paragraph(words["received.told.lead"]);
            page.Table(words["table.told"], [words["col.when"], words["col.who"], words["col.what"], words["col.which"], words["col.state"]], notices.Select(one => (IReadOnlyList<PageCell>)
            [
                words.When(one.Row.At), TitleOf(package, one.Said), words.Of("change", one.Row.Kind), one.Said is { Items.Count: > 0 } said ? AccessSection.Items(package, said.Items) : words["told.all"],
                words.Of("notice", one.Row.State),
            ]));
        });
    }

    private static PageCell Through(PackageBag package, DisclosureLine line) => line.Domain is { } domain ? PageCell.Of(domain.Titles, package.Words) : AccessSection.Actor(package, line.Through);

    private static PageCell Audience(PackageBag package, AnalyticsDomain domain)
    {
        var called = PageCell.Of(domain.Titles, package.Words);
        return package.Order.Policy.Recipients.OfDomain(domain.Name) is { } recipient ? called with { Text = $"{called.Text} ({recipient.Title}, {recipient.Country})" } : called;
    }

    private static object Line(DisclosureLine line) => new
    {
        Recipient = line.Title, RecipientKind = KindOf(line), line.Declared?.Country, line.Declared?.Contact, Transfer = Transfer(line.Declared?.Transfer),
        SubProcessors = line.Declared?.SubProcessors.Select(sub => new { sub.Name, sub.Country, Transfer = Transfer(sub.Transfer) }),
        line.Through, Type = line.Kind, line.Purpose, line.Items, line.Times, First = PackageBag.Instant(line.First), Last = PackageBag.Instant(line.Last), line.Entries,
    };

    private static object Notice(PackageBag package, NoticeRow row, NoticeContent? said) => new
    {
        row.Id, row.Request, Recipient = TitleOf(package, said), Change = row.Kind, Items = said?.Items ?? [], row.State, Reason = row.Code, At = PackageBag.Instant(row.At),
        ChangedAt = PackageBag.Instant(row.ChangedAt),
    };

    private static object? Transfer(TransferMechanism? transfer) => transfer is null ? null : new { transfer.Mechanism, transfer.Reference };

    private static string TitleOf(PackageBag package, NoticeContent? said) =>
        said is null ? package.Words["recipient.not-known"] : package.Order.Policy.Recipients.Find(said.Recipient)?.Title ?? said.Recipient;

    private static string KindOf(DisclosureLine line) => line.Declared?.Role ?? "own";

    private static string Where(DeclaredRecipient? recipient) => recipient is null ? "" : recipient.Transfer is { } transfer ? $"{recipient.Country} ({Words(transfer)})" : recipient.Country;

    private static string Words(TransferMechanism? transfer) => transfer is null ? "" : $"{transfer.Mechanism}: {transfer.Reference}";
}
