using System.Text.Json;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>
/// What the law wants told with the data (GDPR Article 15(1)): purposes and their bases, categories, recipients, how long, where from, the rights there
/// are, where to complain, and what was left out and why.
/// </summary>
internal static class ContextSection
{
    // Rights by legal basis, as the Data Privacy Vocabulary maps them (eu-gdpr, legal_basis_rights_mapping).
    private static readonly Dictionary<string, string[]> RightsOf = new(StringComparer.Ordinal)
    {
        ["consent"] = ["A15", "A16", "A17", "A18", "A20", "A22", "A7-3", "A77"],
        ["explicit-consent"] = ["A15", "A16", "A17", "A18", "A20", "A22", "A7-3", "A77"],
        ["contract"] = ["A15", "A16", "A17", "A18", "A20", "A22", "A77"],
        ["legal-obligation"] = ["A15", "A16", "A18", "A77"],
        ["vital-interests"] = ["A15", "A16", "A17", "A18", "A22", "A77"],
        ["public-task"] = ["A15", "A16", "A18", "A21", "A22", "A77"],
        ["legitimate-interests"] = ["A15", "A16", "A17", "A18", "A21", "A22", "A77"],
    };

    private static readonly string[] Rights = ["A15", "A16", "A17", "A18", "A20", "A21", "A7-3", "A22", "A77"];

    public static void Write(PackageBag package)
    {
        var policy = package.Order.Policy;
        package.Json("data/json/context.json", json =>
        {
            json.WriteStartObject();
            WriteController(json, policy.Purposes.Controller);
            json.WriteStartArray("purposes");
            foreach (var purpose in policy.Purposes.All) WritePurpose(json, policy, purpose, package.Words.Language);
            json.WriteEndArray();
            json.WriteStartArray("retention");
            foreach (var rule in policy.Retention) WriteRule(json, rule, package.Words.Language);
            json.WriteEndArray();
            json.WriteStartArray("analytics");
            foreach (var domain in policy.Analytics) WriteDomain(json, domain, package.Words.Language);
            json.WriteEndArray();
            WriteStanding(json, package.Order);
            json.WriteStartArray("rights");
            foreach (var right in Offered(policy)) json.WriteStringValue($"eu-gdpr:{right}");
            json.WriteEndArray();
            json.WriteEndObject();
        });
        WritePurposesPage(package);
        WriteStandingPage(package);
    }

    /// <summary>The rights that the bases of the purposes give, and where to complain.</summary>
    public static void WriteRights(PackageBag package, PrivacyContact? officer, AuthorityContact? authority)
    {
        var (words, policy) = (package.Words, package.Order.Policy);
        package.Page("your-rights", page =>
        {
            page.Definitions(Offered(policy).Select(right => ((PageCell)words[$"right.{right}"], (PageCell)words[$"right.{right}.means"])));
            page.Heading(words["rights.contact"]);
            if (policy.Purposes.Controller is { } controller)
                page.Definitions([(words["contact.name"], controller.Name), (words["contact.address"], controller.Address), (words["contact.contact"], controller.Contact)]);
            if (officer is not null)
                page.Definitions([(words["contact.officer"], officer.Name), (words["contact.contact"], string.Join(", ", new[] { officer.Email, officer.Phone }.OfType<string>()))]);
            page.Heading(words["right.A77"]);
            page.Paragraph(words["rights.complaint"]);
            if (authority is not null) page.Definitions([(words["contact.authority"], authority.Name), (words["contact.address"], authority.Address), (words["contact.contact"], authority.Web)]);
        });
    }

    /// <summary>What was left out, by what rule, in words.</summary>
    public static void WriteWithheld(PackageBag package)
    {
        var words = package.Words;
        var withheld = Withheld(package.Order).ToList();
        package.Json("meta/withheld.json", json =>
        {
            json.WriteStartArray();
            foreach (var (item, reason) in withheld)
            {
                json.WriteStartObject();
                json.WriteString("item", item?.Name ?? "staff");
                json.WriteString("reason", reason);
                json.WriteString("justification", Justification(reason));
                json.WriteString("law", Law(reason, package.Order.Request.Kind));
                json.WriteString("means", words.Of("withheld", reason));
                json.WriteEndObject();
            }
            json.WriteEndArray();
        });
        package.Page("not-included", page => page.Table(
            words["table.withheld"], [words["col.what"], words["col.why"], words["col.law"]],
            withheld.Select(left => (IReadOnlyList<PageCell>)[left.Item is { } item ? PageCell.Of(item.Labels, words) : words["withheld.staff"], words.Of("withheld", left.Reason), Law(left.Reason, package.Order.Request.Kind)])));
    }

    /// <summary>The case: what was asked, when, and what became of it.</summary>
    public static void WriteCase(PackageBag package, PrivacyContact? officer, AuthorityContact? authority) => package.Json("meta/case.json", json =>
    {
        var (order, request) = (package.Order, package.Order.Request);
        json.WriteStartObject();
        json.WriteString("case", request.Id);
        json.WriteString("kind", request.Kind);
        json.WriteString("jurisdiction", request.Jurisdiction);
        json.WriteString("openedAt", PackageBag.Instant(request.OpenedAt));
        json.WriteString("dueAt", PackageBag.Instant(request.DueAt));
        if (request.ExtendedAt is { } extended) json.WriteString("extendedAt", PackageBag.Instant(extended));
        json.WriteString("builtAt", PackageBag.Instant(order.At));
        json.WriteBoolean("inTime", order.At <= request.DueAt);
        json.WriteString("openedBy", request.OpenedBy);
        json.WriteString("policyVersion", order.Policy.Version);
        json.WriteNumber("logIndex", order.LogIndex);
        json.WriteString("language", package.Words.Language);
        WriteController(json, order.Policy.Purposes.Controller);
        if (officer is not null)
        {
            json.WriteStartObject("officer");
            json.WriteString("name", officer.Name);
            json.WriteString("email", officer.Email);
            if (officer.Phone is { } phone) json.WriteString("phone", phone);
            json.WriteEndObject();
        }
        if (authority is not null)
        {
            json.WriteStartObject("authority");
            json.WriteString("name", authority.Name);
            json.WriteString("address", authority.Address);
            json.WriteString("web", authority.Web);
            json.WriteEndObject();
        }
        json.WriteEndObject();
    });

    /// <summary>What the names in the files mean.</summary>
    public static void WriteGlossary(PackageBag package)
    {
        var words = package.Words;
        package.Page("glossary", page =>
        {
            page.Definitions(words.Keys.Where(key => key.StartsWith("key.", StringComparison.Ordinal)).Order(StringComparer.Ordinal).Select(key => (new PageCell(key[4..], "en"), (PageCell)words[key])));
            page.Heading(words["glossary.fields"]);
            page.Definitions(package.Order.Policy.Items.Select(item => (new PageCell(item.Name, "en"), PageCell.Of(item.Labels, words))));
        });
    }

    private static IEnumerable<(CatalogueItem? Item, string Reason)> Withheld(PackageOrder order)
    {
        foreach (var item in order.Decision.Items.Where(decided => decided.Permit is null)) yield return (item.Item, item.Reason ?? Reasons.NotPermitted);
        var chosen = order.Request.Course.Choices.SelectMany(choice => order.Policy.Items.Where(item => choice.Items.Contains(item.Code)).Select(item => (Item: item, choice.Reason))).ToList();
        foreach (var (item, reason) in chosen) yield return (item, reason);
        if (!order.IsPortability)
        {
            yield return (null, "staff-names");
            yield break;
        }
        foreach (var item in order.Policy.Items.Except(chosen.Select(one => one.Item)))
        {
            if (PortableItems.ReasonAgainst(order.Policy, item) is { } reason) yield return (item, reason);
        }
    }

    private static string Justification(string reason) => "https://w3id.org/dpv/justifications#" + reason switch
    {
        "staff-names" => "ThirdPartyRightsImpaired",
        Reasons.OnHold => "LegalClaimDefenceImpaired",
        _ => Justifications.Find(reason)?.Term.Split(':')[1] ?? "LegallyExempted",
    };

    private static string Law(string reason, string kind) => reason switch
    {
        PortableItems.NotProvided or PortableItems.OtherBasis => "GDPR 20(1)",
        "staff-names" => "GDPR 15(4); CJEU C-579/21",
        Reasons.OnHold => "GDPR 17(3), 18(2)",
        _ => Justifications.Find(reason) is { } why ? $"GDPR {why.ArticleOf(kind)}" : "GDPR 15(4), 23",
    };

    private static IEnumerable<string> Offered(PolicySet policy)
    {
        var given = policy.Purposes.All.SelectMany(purpose => RightsOf.GetValueOrDefault(purpose.LegalBasis, [])).ToHashSet(StringComparer.Ordinal);
        return Rights.Where(given.Contains);
    }

    private static void WriteController(Utf8JsonWriter json, ControllerIdentity? controller)
    {
        if (controller is null) return;
        json.WriteStartObject("controller");
        json.WriteString("name", controller.Name);
        json.WriteString("address", controller.Address);
        json.WriteString("contact", controller.Contact);
        json.WriteEndObject();
    }

    private static void WritePurpose(Utf8JsonWriter json, PolicySet policy, Purpose purpose, string language)
    {
        json.WriteStartObject();
        json.WriteString("name", purpose.Name);
        json.WriteString("title", purpose.Titles.In(language).Text);
        json.WriteString("legalBasis", purpose.LegalBasis);
        json.WriteString("dpv", purpose.Dpv);
        json.WriteString("notice", NoticeOf(purpose, language).Text);
        json.WriteStartArray("categories");
        foreach (var category in policy.Questions.UsedFor(purpose).Select(item => item.Category).Distinct().Order(StringComparer.Ordinal)) json.WriteStringValue(category);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteRule(Utf8JsonWriter json, RetentionRule rule, string language)
    {
        json.WriteStartObject();
        json.WriteString("name", rule.Name);
        json.WriteString("title", rule.Titles.In(language).Text);
        json.WriteString("countsFrom", rule.Trigger);
        json.WriteNumber("months", rule.Months);
        json.WriteString("ground", rule.Grounds.In(language).Text);
        json.WriteEndObject();
    }

    private static void WriteDomain(Utf8JsonWriter json, AnalyticsDomain domain, string language)
    {
        json.WriteStartObject();
        json.WriteString("recipient", domain.Titles.In(language).Text);
        json.WriteNumber("minimumCohort", domain.MinimumCohort);
        json.WriteStartArray("fields");
        foreach (var column in domain.CustomerColumns) json.WriteStringValue(column.Field.Name);
        json.WriteEndArray();
        json.WriteStartArray("events");
        foreach (var type in domain.EventTypes) json.WriteStringValue(type);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    // Staff and applications appear by the relation, not by name: who they are says nothing of the person.
    private static void WriteStanding(Utf8JsonWriter json, PackageOrder order)
    {
        var standing = PersonStanding.Of(FactsCodec.Decode(order.Record.Facts));
        json.WriteStartObject("standing");
        if (standing.Jurisdiction is { } law) json.WriteString("jurisdiction", law);
        if (standing.Residency is { } residency) json.WriteString("residency", residency);
        if (standing.Brand is { } brand) json.WriteString("brand", brand);
        json.WriteStartArray("relations");
        foreach (var relation in standing.Relations.Select(fact => fact.Relation).Distinct()) json.WriteStringValue(relation);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WritePurposesPage(PackageBag package)
    {
        var (words, policy) = (package.Words, package.Order.Policy);
        package.Page("purposes", page =>
        {
            page.Table(words["table.purposes"], [words["col.purpose"], words["col.basis"], words["col.notice-text"]], policy.Purposes.All.Select(purpose => (IReadOnlyList<PageCell>)
            [
                PageCell.Of(purpose.Titles, words), words.Of("basis", purpose.LegalBasis), new PageCell(NoticeOf(purpose, words.Language).Text, NoticeOf(purpose, words.Language).Language),
            ]));
            page.Heading(words["purposes.kept"]);
            page.Paragraph(words["purposes.kept.lead"]);
            page.Table(words["table.kept"], [words["col.rule"], words["col.howlong"], words["col.from"], words["col.ground"], words["col.which"]], policy.Retention.Select(rule => (IReadOnlyList<PageCell>)
            [
                PageCell.Of(rule.Titles, words), words.Period(rule.Months), words.Of("trigger", rule.Trigger), PageCell.Of(rule.Grounds, words),
                PageCell.Of(policy.Items.Where(item => item.Retention == rule.Name).Select(item => item.Labels), words),
            ]));
        });
    }

    private static void WriteStandingPage(PackageBag package)
    {
        var (words, policy) = (package.Words, package.Order.Policy);
        var standing = PersonStanding.Of(FactsCodec.Decode(package.Order.Record.Facts));
        List<Wording> relations = [.. standing.Relations.Select(fact => fact.Relation).Distinct().Select(name => TitleOf(policy.People.Relations, name)!)];
        (string Key, Wording? Value)[] rows =
        [
            ("standing.law", policy.Jurisdictions.Find(package.Order.Request.Jurisdiction)?.Titles), ("standing.residency", TitleOf(policy.People.Residencies, standing.Residency)),
            ("standing.brand", TitleOf(policy.People.Brands, standing.Brand)),
        ];
        package.Page("standing", page => page.Table(words["table.standing"], [words["col.what"], words["col.recorded-as"]],
        [
            .. rows.Where(row => row.Value is not null).Select(row => (IReadOnlyList<PageCell>)[words[row.Key], PageCell.Of(row.Value!, words)]),
            .. relations.Count > 0 ? (IReadOnlyList<PageCell>[])[[words["standing.relations"], PageCell.Of(relations, words)]] : [],
        ]));
    }

    // What an older policy declared and this one does not is called by its name.
    private static Wording? TitleOf(IReadOnlyList<NamedTrait> known, string? name) => name is null ? null : known.FirstOrDefault(trait => trait.Name == name)?.Titles ?? (Wording)name;

    private static NoticeText NoticeOf(Purpose purpose, string language) =>
        purpose.Notices.FirstOrDefault(notice => notice.Language.Split('-')[0] == language) ?? (purpose.Notices.Count > 0 ? purpose.Notices[0] : new NoticeText(purpose.NoticeVersion, "en", purpose.Notice));
}
