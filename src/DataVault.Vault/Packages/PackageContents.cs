using System.Text.Json;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>
/// Writes a package (docs/formats/package.md): the same facts for people (pages in their language), for programs (JSON with schemas) and for
/// spreadsheets (CSV), in a signed bag. A fact is read once and written as it is read, so a long history needs no more memory than a short one.
/// </summary>
internal sealed class PackageContents(ExportSource source, PackageTrail trail, ConsentWitness witness, RequestStore requests, RequestNotes notes, SignedProofs proofs)
{
    /// <param name="destination">Where the zip goes.</param>
    /// <param name="order">Of whom, and what.</param>
    /// <param name="spool">For what is written later than it is read.</param>
    /// <param name="cancellation">Breaks off.</param>
    public async Task WriteAsync(Stream destination, PackageOrder order, PackageSpool spool, CancellationToken cancellation)
    {
        using var opened = source.Open(order.Record, order.Keys, order.Decision.Permits);
        using var bag = new BagWriter(destination, order.Name, order.At);
        var package = new PackageBag(bag, order, PackageWords.For(await LanguagesAsync(order, opened, cancellation)), spool, PackageBag.PartLimit);
        await WriteFilesAsync(package, opened, cancellation);
        bag.Seal(
            new BagSeal(order.Request.Kind, order.Request.Id, await proofs.OfAsync(order.LogIndex, cancellation), proofs.Signer, order.At) { Language = package.Words.Language },
            [KeyValuePair.Create("Source-Organization", order.Policy.Purposes.Controller?.Name ?? order.Policy.Version), KeyValuePair.Create("Bag-Software-Agent", "DataVault"), KeyValuePair.Create("Internal-Sender-Description", "datavault/package/v2")]);
    }

    // A package is in the language of the letters about its request, which the person may have chosen.
    private async Task<IReadOnlyList<string?>> LanguagesAsync(PackageOrder order, OpenedRecord opened, CancellationToken cancellation) =>
    [
        (await trail.LettersAsync(order.Record.Subject, cancellation)).FirstOrDefault(letter => letter.Row.Request == order.Request.Id).Said?.Language,
        FirstOf(opened, Policy.ValueType.Language),
    ];

    private async Task WriteFilesAsync(PackageBag package, OpenedRecord opened, CancellationToken cancellation)
    {
        var order = package.Order;
        var fields = ProfileSection.Chosen(order, opened);
        var profile = new ProfileSection(source);
        WriteStart(package, fields.Count);
        ProfileSection.Write(package, fields);
        using (var portable = new PortableFiles(package))
        {
            await new EventsSection(source).WriteAsync(package, portable, cancellation);
            portable.Write(fields);
        }
        if (!order.IsPortability)
        {
            await profile.WritePastAsync(package, cancellation);
            await new ConsentSection(source, witness).WriteAsync(package, cancellation);
            await new AccessSection(trail.Log).WriteAsync(package, cancellation);
            await new RecipientSection(trail).WriteAsync(package, cancellation);
            await new DecisionSection(source).WriteAsync(package, fields, cancellation);
            ContextSection.Write(package);
            await new RequestSection(requests, notes, trail).WriteAsync(package, cancellation);
        }
        ContextSection.WriteWithheld(package);
        var law = order.Policy.Jurisdictions.Find(order.Request.Jurisdiction)?.Breach;
        var authority = law?.AuthorityOf(FirstOf(opened, Policy.ValueType.Country));
        ContextSection.WriteRights(package, law?.Contact, authority);
        ContextSection.WriteGlossary(package);
        ContextSection.WriteCase(package, law?.Contact, authority);
        package.Describe();
    }

    private static void WriteStart(PackageBag package, int fields)
    {
        var (order, words) = (package.Order, package.Words);
        var kind = order.IsPortability ? "portability" : "access";
        package.StartPage(page =>
        {
            page.Paragraph(words.Filled($"start.lead.{kind}", order.Policy.Purposes.Controller?.Name ?? "", words.When(order.At)));
            page.Paragraph(words["start.offline"]);
            page.Heading(words["start.files"]);
            page.Definitions(
            [
                (words["start.readable"], words["start.readable.means"]), ("data/csv", words["start.csv.means"]), ("data/json", words["start.json.means"]),
                ("data/portable", words["start.portable.means"]), ("meta", words["start.meta.means"]),
            ]);
            page.Heading(words["start.about"]);
            page.Table(words["table.case"], [words["col.what"], words["col.value"]],
            [
                [words["case.number"], order.Request.Id.ToString("D")], [words["case.kind"], words.Of("request", order.Request.Kind)], [words["case.opened"], words.When(order.Request.OpenedAt)],
                [words["case.due"], words.When(order.Request.DueAt)], [words["case.built"], words.When(order.At)], [words["case.fields"], fields.ToString(System.Globalization.CultureInfo.InvariantCulture)],
            ]);
            page.Heading(words["start.check"]);
            page.Paragraph(words["start.check.means"]);
        });
    }

    // Whatever field of the catalogue holds a language or a country, the first that is held.
    private static string? FirstOf(OpenedRecord record, Policy.ValueType type) =>
        record.Where(field => field.Field.Rules.Type == type).OrderBy(field => field.Field.Ordinal).Select(field => ReadableValue.Of(field.Utf8Json)).FirstOrDefault();
}

/// <summary>Names in a package are written as in the rest of the API.</summary>
internal static class PackageJson
{
    public static JsonSerializerOptions Options { get; } = new(JsonSerializerDefaults.Web)
    {
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping, DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull,
    };
}
