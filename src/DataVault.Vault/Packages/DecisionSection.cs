using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>What models and rules decided about the person and concluded about them, how they come to it, by what, and who looked at it.</summary>
// SPEC GDPR 15(1)(h), 22(3).
internal sealed class DecisionSection(ExportSource source)
{
    private static readonly PackageColumn[] Columns =
        ["id", new("decidedAt", "datetime"), "model", "version", "outcome", "standing", "score", "state", "human", "inputs", "factors", "explanation", "request", new("logIndex", "integer")];

    public async Task WriteAsync(PackageBag package, IReadOnlyList<OpenedField> fields, CancellationToken cancellation)
    {
        var decisions = await source.DecisionsAsync(package.Order.Keys, cancellation);
        var concluded = fields.Where(field => !PortableItems.IsFromPerson(field.Provenance.Origin) || !PortableItems.IsFromPerson(field.Field.Origin)).ToList();
        var views = decisions.ConvertAll(one => AutomatedDecisions.View(one, package.Order.Policy, package.Order.At));
        var models = views.Select(view => view.Declared).OfType<AutomatedModel>().Concat(concluded.SelectMany(field => package.Order.Policy.Models.Of(field.Field))).Distinct().ToList();
        package.Json("data/json/automated-decisions.json", json => WriteJson(package, json, (decisions, views), models, concluded));
        package.Table("automated-decisions", Columns, views.Select(view => (IReadOnlyList<string>)
        [
            view.Id.ToString("D"), PackageBag.Instant(view.DecidedAt), view.Model, view.Version, view.Outcome ?? "", view.Standing ?? "", view.Score?.ToString(CultureInfo.InvariantCulture) ?? "", view.State,
            view.Human ? "true" : "false", string.Join(' ', view.Inputs), string.Join(' ', view.Factors), view.Explanation ?? "", view.Request?.ToString("D") ?? "", AccessSection.Number(view.LogIndex),
        ]));
        WritePage(package, views, models, concluded);
    }

    private static void WritePage(PackageBag package, List<AutomatedDecisionView> views, List<AutomatedModel> models, List<OpenedField> concluded)
    {
        var words = package.Words;
        package.Page("decisions", page =>
        {
            page.Heading(words["decisions.automated"]);
            page.Paragraph(words["decisions.automated.lead"]);
            page.Paragraph(words.Filled("table.count", views.Count, Math.Min(views.Count, PackageBag.Shown), "data/csv/automated-decisions.csv"));
            page.Table(
                words["table.automated"], [words["col.when"], words["col.what"], words["col.result"], words["col.which"], words["col.why"], words["col.human"], words["col.state"], words["col.number"]],
                views.Take(PackageBag.Shown).Select(view => Row(package, view)));
            page.Heading(words["decisions.models"]);
            foreach (var model in models)
            {
                page.Heading(model.Title.In(words.Language).Text, model.Title.In(words.Language).Language);
                page.Definitions(Meaning(package, model));
            }

            page.Heading(words["decisions.concluded"]);
            page.Table(
                words["table.conclusions"], [words["col.what"], words["col.value"], words["col.origin"], words["col.source"], words["col.recorded"]],
                concluded.Select(field => (IReadOnlyList<PageCell>)
                    [PageCell.Of(field.Field.Labels, words), ReadableValue.Of(field.Utf8Json, words), words.Of("origin", OriginOf(field)), field.Provenance.Source, words.When(field.Provenance.RecordedAt)]));
        });
    }

    private static IReadOnlyList<PageCell> Row(PackageBag package, AutomatedDecisionView view)
    {
        var words = package.Words;
        return
        [
            words.When(view.DecidedAt), Said(view.Declared?.Title, view.Model, words), Said(view.Declared?.Outcome(view.Outcome ?? "")?.Title, view.Outcome ?? "", words), Inputs(package, view),
            Reasons(view, words), words.Of("value", view.Human ? "true" : "false"), State(view, words), view.Id.ToString("D"),
        ];
    }

    private static PageCell Inputs(PackageBag package, AutomatedDecisionView view)
    {
        var words = package.Words;
        return string.Join(words["list"], view.Inputs.Zip(AccessSection.Labels(package, view.Inputs), (name, label) =>
            label.In(words.Language).Text + (view.Values?.TryGetValue(name, out var value) == true ? $" ({ReadableValue.Of(value)})" : "")));
    }

    private static PageCell Reasons(AutomatedDecisionView view, PackageWords words) => string.Join(
        "; ", view.Factors.Select(code => view.Declared?.Factor(code)?.Title.In(words.Language).Text ?? code).Concat(view.Explanation is { } explanation ? [explanation] : []));

    private static PageCell State(AutomatedDecisionView view, PackageWords words)
    {
        var said = new[] { view.Review?.Outcome is { } code ? view.Declared?.Outcome(code)?.Title.In(words.Language).Text ?? code : null, view.Review?.Words }.OfType<string>().ToList();
        return words.Of("decision", view.State) + (said.Count > 0 ? ": " + string.Join("; ", said) : "");
    }

    private static IEnumerable<(PageCell, PageCell)> Meaning(PackageBag package, AutomatedModel model)
    {
        var (words, policy) = (package.Words, package.Order.Policy);
        yield return (words["model.logic"], Said(model.Logic, "", words));
        yield return (words["model.consequences"], Said(model.Consequences, "", words));
        yield return (words["model.inputs"], AccessSection.Items(package, model.Inputs.Select(item => item.Name)));
        if (policy.Models.LawOf(package.Order.Request.Jurisdiction) is { } law) yield return (words["col.law"], PageCell.Of(law.Law, words));
        yield return (words["model.contact"], new PageCell($"{model.Owner}, {model.Contact}"));
    }

    private static PageCell Said(Wording? text, string otherwise, PackageWords words) => text is null ? otherwise : PageCell.Of(text, words);

    private static void WriteJson(
        PackageBag package, Utf8JsonWriter json, (List<OpenedDecision> Opened, List<AutomatedDecisionView> Views) decisions, List<AutomatedModel> models, List<OpenedField> concluded)
    {
        json.WriteStartObject();
        json.WritePropertyName("decisions");
        JsonSerializer.Serialize(json, decisions.Opened.Zip(decisions.Views, Line), PackageJson.Options);
        json.WritePropertyName("models");
        JsonSerializer.Serialize(json, models.Select(model => Line(package, model)), PackageJson.Options);
        json.WriteStartArray("profiling");
        foreach (var field in concluded)
        {
            json.WriteStartObject();
            json.WriteString("field", field.Field.Name);
            json.WritePropertyName("value");
            json.WriteRawValue(field.Utf8Json.Span, skipInputValidation: true);
            json.WriteString("origin", OriginOf(field));
            json.WriteString("source", field.Provenance.Source);
            json.WriteString("recordedAt", PackageBag.Instant(field.Provenance.RecordedAt));
            if (package.Order.Policy.Models.Of(field.Field).FirstOrDefault() is { } model) json.WriteString("model", model.Name);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static object Line(OpenedDecision opened, AutomatedDecisionView view) => new
    {
        view.Id, view.Model, view.Version, DecidedAt = PackageBag.Instant(view.DecidedAt), RecordedAt = PackageBag.Instant(view.RecordedAt), view.Outcome, view.Standing, view.Score, view.State, view.Human,
        view.Inputs, view.Values, view.Factors, view.Explanation, view.Request, view.LogIndex,
        Review = view.Review is { } review ? new { review.Result, review.Outcome, review.Words, At = PackageBag.Instant(review.At) } : null,
        // SHA-256 over salt and content is the seal of the entry that recorded it.
        Commitment = view.IsDamaged ? null : new
        {
            Salt = Convert.ToHexStringLower(opened.Committed[..DecisionRows.SaltSize]), Content = Encoding.UTF8.GetString(opened.Committed[DecisionRows.SaltSize..]),
            Sha256 = Convert.ToHexStringLower(SHA256.HashData(opened.Committed)),
        },
    };

    private static object Line(PackageBag package, AutomatedModel model) => new
    {
        model.Name, Title = model.Title.In(package.Words.Language).Text, Logic = model.Logic.In(package.Words.Language).Text, Consequences = model.Consequences.In(package.Words.Language).Text,
        Inputs = model.Inputs.Select(item => item.Name), Derives = model.Derives.Select(field => field.Name), model.Solely, model.Significant, Ground = model.Ground?.Dpv, model.Dpv,
        Law = package.Order.Policy.Models.LawOf(package.Order.Request.Jurisdiction)?.Law.In(package.Words.Language).Text, model.Owner, model.Contact,
    };

    private static string OriginOf(OpenedField field) => PortableItems.IsFromPerson(field.Provenance.Origin) ? field.Field.Origin : field.Provenance.Origin;
}
