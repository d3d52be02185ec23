using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>An entry of the log about the person: who did what, when and what for. Staff appear as their roles, never by name.</summary>
// SPEC CJEU C-579/21: dates and purposes of look-ups, not who in the company looked.
internal sealed record ExportedAccess(
    long LogIndex, DateTimeOffset At, string Type, string Actor, string? ActorKind, string Purpose, string Result, IReadOnlyList<string> Items)
{
    public static ExportedAccess Of(AuditRecord record) => new(
        record.Index, DateTimeOffset.FromUnixTimeMilliseconds(record.Entry.Time), EntryTypes.NameOf(record.Entry.Type),
        record.Actor ?? "not known", record.ActorKind, record.Entry.Purpose, EntryTypes.NameOf(record.Entry.Result), record.ItemNames);
}

/// <summary>Who looked at the person's data, when and what for.</summary>
internal sealed class AccessSection(AuditReader log)
{
    private static readonly PackageColumn[] Columns =
        [new("logIndex", "integer"), new("at", "datetime"), "type", "actor", "actorKind", "purpose", "result", "items"];

    public async Task WriteAsync(PackageBag package, CancellationToken cancellation)
    {
        var (order, words) = (package.Order, package.Words);
        var shown = new List<IReadOnlyList<PageCell>>();
        using var table = package.Begin(Columns);
        // What is logged while this reads is not of the moment that the package is about.
        var query = new AuditQuery { Subject = order.Record.Subject, Until = order.At.AddMilliseconds(1) };
        using (var lines = package.Lines("data/json/access-log.ndjson"))
            await foreach (var record in log.ExportAsync(query, cancellation))
            {
                var access = ExportedAccess.Of(record);
                lines.Line(json => JsonSerializer.Serialize(json, access, PackageJson.Options));
                table.Row(Number(access.LogIndex), PackageBag.Instant(access.At), access.Type, access.Actor, access.ActorKind ?? "", access.Purpose, access.Result, string.Join(' ', access.Items));
                if (shown.Count < PackageBag.Shown)
                    shown.Add([words.When(access.At), Actor(package, access.Actor), words.Of("entry", access.Type), Purpose(package, access.Purpose), Items(package, access.Items), words.Of("result", access.Result), Number(access.LogIndex)]);
            }
        package.Take("access-log", Columns, table);
        package.Page("who-looked", page =>
        {
            page.Paragraph(words["looked.proof"]);
            page.Paragraph(words.Filled("table.count", table.Rows, shown.Count, "data/csv/access-log.csv"));
            page.Table(words["table.looked"], [words["col.when"], words["col.who"], words["col.what"], words["col.purpose"], words["col.which"], words["col.result"], words["col.entry"]], shown);
        });
    }

    internal static PageCell Purpose(PackageBag package, string name) => package.Order.Policy.Purposes.Find(name) is { } purpose ? PageCell.Of(purpose.Titles, package.Words) : name;

    internal static PageCell Items(PackageBag package, IEnumerable<string> names) => PageCell.Of(Labels(package, names), package.Words);

    internal static IEnumerable<Wording> Labels(PackageBag package, IEnumerable<string> names) =>
        names.Select(name => package.Order.Policy.Items.FirstOrDefault(item => item.Name == name)?.Labels ?? name);

    /// <summary>Applications by their own name, staff and the vault itself by what their role is called.</summary>
    internal static PageCell Actor(PackageBag package, string name)
    {
        var roles = name.Split(", ").Select(package.Order.Policy.Roles.Find).OfType<Role>().Select(role => role.Titles).ToList();
        return roles.Count > 0 ? PageCell.Of(roles, package.Words) : name;
    }

    internal static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);
}

/// <summary>What the person agreed to, refused, or took back; with the receipts, which anybody can check.</summary>
internal sealed class ConsentSection(ExportSource source, ConsentWitness witness)
{
    private static readonly PackageColumn[] Columns =
        ["purpose", "state", new("at", "datetime"), "notice", "language", "channel", new("expires", "datetime"), "recordedBy", new("logIndex", "integer")];

    public async Task WriteAsync(PackageBag package, CancellationToken cancellation)
    {
        var (order, words) = (package.Order, package.Words);
        var acts = await source.ConsentsAsync(order.Record.Subject, cancellation);
        package.Json("data/json/consents.json", json => JsonSerializer.Serialize(json, acts, PackageJson.Options));
        package.Table("consents", Columns, acts.Select(act => (IReadOnlyList<string>)
        [
            act.Purpose, act.State, PackageBag.Instant(act.At), act.Notice ?? "", act.Language ?? "", act.Channel ?? "", act.Expires is { } end ? PackageBag.Instant(end) : "", act.RecordedBy ?? "",
            act.LogIndex.ToString(CultureInfo.InvariantCulture),
        ]));
        package.Page("consents", page =>
        {
            page.Paragraph(words["consents.receipts"]);
            page.Table(words["table.consents"], [words["col.when"], words["col.purpose"], words["col.state"], words["col.notice"], words["col.language"], words["col.where"], words["col.expires"]], acts.Select(act => (IReadOnlyList<PageCell>)
                [words.When(act.At), AccessSection.Purpose(package, act.Purpose), words.Of("consent", act.State), act.Notice ?? "", act.Language ?? "", act.Channel ?? "", act.Expires is { } end ? words.When(end) : ""]));
        });
        await WriteReceiptsAsync(package, cancellation);
    }

    private async Task WriteReceiptsAsync(PackageBag package, CancellationToken cancellation)
    {
        var receipts = new JsonArray();
        foreach (var acts in (await source.ConsentActsAsync(package.Order.Record.Subject, cancellation)).GroupBy(owned => owned.Purpose))
        {
            if (package.Order.Policy.Purposes.ById(acts.Key) is not { } purpose) continue;
            foreach (var made in await witness.WitnessAsync(package.Order.Keys.Tag, purpose, [.. acts], .., null, cancellation))
            {
                if (made.Receipt is { } receipt) receipts.Add(JsonNode.Parse(receipt.ToString()));
            }
        }
        package.Json("data/json/consents.jsonld", json => new JsonObject { ["@graph"] = receipts }.WriteTo(json));
    }
}

/// <summary>What the person asked for before, with what was written down on it.</summary>
internal sealed class RequestSection(RequestStore requests, RequestNotes notes, PackageTrail trail)
{
    private static readonly PackageColumn[] Columns =
        ["id", "kind", "state", new("openedAt", "datetime"), new("dueAt", "datetime"), new("completedAt", "datetime"), "reason", "openedBy"];

    private static readonly PackageColumn[] RectificationColumns = ["request", new("wantedAt", "datetime"), "field", "wanted", "decided", "reason"];

    private static readonly PackageColumn[] ObjectionColumns = ["request", "purpose", "directMarketing", new("since", "datetime"), new("until", "datetime"), "reason"];

    private static readonly PackageColumn[] LetterColumns = ["id", new("at", "datetime"), "request", "letter", "language", "subject", "text"];

    public async Task WriteAsync(PackageBag package, CancellationToken cancellation)
    {
        var words = package.Words;
        var letters = await LettersAsync(package, cancellation);
        var rows = await requests.ListAsync(new RequestFilter(Subject: package.Order.Record.Subject), int.MaxValue, null, cancellation);
        var told = new List<object>();
        var remarks = new List<IReadOnlyList<PageCell>>();
        var corrections = new List<(Guid Request, CorrectedValue Value)>();
        foreach (var row in rows)
        {
            var written = await ReadableAsync(row, cancellation);
            told.Add(new { row.Id, row.Kind, row.State, OpenedAt = PackageBag.Instant(row.OpenedAt), DueAt = PackageBag.Instant(row.DueAt), CompletedAt = row.CompletedAt is { } at ? PackageBag.Instant(at) : null, row.Reason, row.OpenedBy, Objections = ObjectionsOf(package, row), Notes = written });
            corrections.AddRange(CorrectedValue.Of(written).Select(value => (row.Id, value)));
            remarks.AddRange(written.Where(note => note.Text.Length > 0).Select(note => (IReadOnlyList<PageCell>)[words.When(note.At), words.Of("actor", note.By), note.Text]));
        }
        package.Json("data/json/requests.json", json => JsonSerializer.Serialize(json, told, PackageJson.Options));
        package.Table("requests", Columns, rows.Select(row => (IReadOnlyList<string>)
        [
            row.Id.ToString("D"), row.Kind, row.State, PackageBag.Instant(row.OpenedAt), PackageBag.Instant(row.DueAt), row.CompletedAt is { } at ? PackageBag.Instant(at) : "", row.Reason ?? "", row.OpenedBy,
        ]));
        package.Table("rectifications", RectificationColumns, corrections.Select(one => (IReadOnlyList<string>)
            [one.Request.ToString("D"), PackageBag.Instant(one.Value.At), one.Value.Field, ReadableValue.Of(one.Value.Wanted), one.Value.Outcome ?? "", one.Value.Reason ?? ""]));
        var objections = rows.SelectMany(row => ObjectionsOf(package, row).Select(one => (row.Id, Said: one))).ToList();
        package.Table("objections", ObjectionColumns, objections.Select(one => (IReadOnlyList<string>)
            [one.Id.ToString("D"), one.Said.Purpose, one.Said.DirectMarketing ? "true" : "false", one.Said.Since ?? "", one.Said.Until ?? "", one.Said.Reason ?? ""]));
        package.Page("requests", page =>
        {
            page.Table(words["table.requests"], [words["col.opened"], words["col.what"], words["col.state"], words["col.due"], words["col.reason"]], rows.Select(row => (IReadOnlyList<PageCell>)
                [words.When(row.OpenedAt), words.Of("request", row.Kind), words.Of("state", row.State), words.When(row.DueAt), row.Reason is { } reason ? words.Of("reason", reason) : ""]));
            page.Heading(words["requests.rectified"]);
            page.Table(words["table.rectified"], [words["col.when"], words["col.what"], words["col.wanted"], words["col.decided"], words["col.reason"]], corrections.Select(one => (IReadOnlyList<PageCell>)
            [
                words.When(one.Value.At), AccessSection.Items(package, [one.Value.Field]), ReadableValue.Of(one.Value.Wanted, words), one.Value.Outcome is { } outcome ? words.Of("decided", outcome) : "",
                one.Value.Reason is { } reason ? words.Of("reason", reason) : "",
            ]));
            page.Heading(words["requests.objected"]);
            page.Table(words["table.objected"], [words["col.purpose"], words["col.stopped"], words["col.goes-on"], words["col.reason"]], objections.Select(one => (IReadOnlyList<PageCell>)
            [
                AccessSection.Purpose(package, one.Said.Purpose), one.Said.SinceAt is { } since ? words.When(since) : "",
                one.Said.UntilAt is { } until ? words.When(until) : "", one.Said.Reason is { } grounds ? words.Of("reason", grounds) : "",
            ]));
            page.Heading(words["requests.notes"]);
            page.Table(words["table.notes"], [words["col.when"], words["col.who"], words["col.text"]], remarks);
            page.Heading(words["requests.letters"]);
            page.Table(words["table.letters"], [words["col.when"], words["col.what"], words["col.text"]], letters.Select(one => (IReadOnlyList<PageCell>)
                [words.When(one.Row.At), new PageCell(one.Said.Subject, one.Said.Language), new PageCell(one.Said.Text(), one.Said.Language)]));
        });
    }

    private static List<SaidObjection> ObjectionsOf(PackageBag package, RequestRow row) =>
    [
        .. row.Course.Objects.Select(one => new SaidObjection(
            package.Order.Policy.Purposes.ById(one.Purpose)?.Name ?? $"purpose-{one.Purpose}", one.Absolute, row.Course.Choices.FirstOrDefault(choice => choice.Purposes.Contains(one.Purpose))?.Reason)
        {
            SinceAt = one.Since, UntilAt = one.Until,
        }),
    ];

    /// <summary>A purpose that the person objects to, as the package says it.</summary>
    private sealed record SaidObjection(string Purpose, bool DirectMarketing, string? Reason)
    {
        [JsonIgnore]
        public DateTimeOffset? SinceAt { get; init; }

        [JsonIgnore]
        public DateTimeOffset? UntilAt { get; init; }

        public string? Since => SinceAt is { } at ? PackageBag.Instant(at) : null;

        public string? Until => UntilAt is { } at ? PackageBag.Instant(at) : null;
    }

    /// <summary>A value that was wanted of a rectification, and what was decided about it; null while nothing was.</summary>
    private sealed record CorrectedValue(DateTimeOffset At, string Field, JsonElement Wanted, string? Outcome, string? Reason)
    {
        public static IEnumerable<CorrectedValue> Of(IReadOnlyList<RequestNote> written)
        {
            if (written.LastOrDefault(note => note.Wanted is not null) is not { Wanted: { } wanted } said) return [];
            var decided = written.LastOrDefault(note => note.Decided is not null)?.Decided ?? [];
            return wanted.Select(one => (one.Key, one.Value, About: decided.FirstOrDefault(about => about.Field == one.Key)))
                .Select(one => new CorrectedValue(said.At, one.Key, one.Value, one.About?.Outcome, one.About?.Reason));
        }
    }

    // Words that do not open keep neither the rest nor the other requests from the person.
    private async Task<IReadOnlyList<RequestNote>> ReadableAsync(RequestRow row, CancellationToken cancellation)
    {
        try
        {
            return await notes.ReadAsync(row, cancellation);
        }
        catch (CryptographicException)
        {
            return [];
        }
    }

    /// <summary>Every letter to the person, oldest first, in the words that it had.</summary>
    private async Task<List<(LetterRow Row, RenderedLetter Said)>> LettersAsync(PackageBag package, CancellationToken cancellation)
    {
        var letters = await trail.LettersAsync(package.Order.Record.Subject, cancellation);
        package.Json("data/json/letters.json", json => JsonSerializer.Serialize(
            json, letters.Select(one => new { one.Row.Id, At = PackageBag.Instant(one.Row.At), one.Row.Request, Letter = one.Row.Kind, one.Said.Language, one.Said.Subject, Text = one.Said.Text() }), PackageJson.Options));
        package.Table("letters", LetterColumns, letters.Select(one => (IReadOnlyList<string>)
            [one.Row.Id.ToString("D"), PackageBag.Instant(one.Row.At), one.Row.Request?.ToString("D") ?? "", one.Row.Kind, one.Said.Language, one.Said.Subject, one.Said.Text()]));
        return letters;
    }
}
