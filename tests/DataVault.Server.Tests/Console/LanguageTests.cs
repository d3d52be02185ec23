using System.Text.RegularExpressions;
using DataVault.Console;
using DataVault.Policy;
using DataVault.Testing;

namespace DataVault.Server.Tests.Console;

/// <summary>Customers read the console in their language, the whole of it, and no code of the vault stands where a word belongs.</summary>
public sealed partial class LanguageTests : IAsyncLifetime
{
    private static readonly string[] s_pages =
        ["/console/me", "/console/me/events", "/console/me/accesses", "/console/me/recipients", "/console/me/decisions", "/console/me/messages", "/console/me/applications", "/console/me/consents", "/console/me/requests", "/console/me/erase", "/console/proof/7"];

    private PaperVault _vault = null!;
    private HttpClient _browser = null!;

    public async ValueTask InitializeAsync()
    {
        _vault = await PaperVault.StartAsync();
        _vault.Shipped = true;
        _browser = new HttpClient(new SocketsHttpHandler { UseCookies = true }) { BaseAddress = new Uri(_vault.Address) };
    }

    public async ValueTask DisposeAsync()
    {
        _browser.Dispose();
        await _vault.DisposeAsync();
    }

    [Fact]
    public void Every_language_says_the_same_sentences_with_the_same_gaps_and_in_its_own_words()
    {
        foreach (var tongue in Tongue.All)
        {
            Assert.Equal(Tongue.English.Keys.Order(StringComparer.Ordinal), tongue.Keys.Order(StringComparer.Ordinal));
            Assert.All(tongue.Keys, key => Assert.Equal(Gaps(Tongue.English[key]), Gaps(tongue[key])));
            Assert.DoesNotContain(tongue.Keys, key => string.IsNullOrWhiteSpace(tongue[key]) && key != "thousands");
            Assert.Equal(12, tongue["months"].Split(',').Length);
        }

        foreach (var tongue in Tongue.All.Where(one => one != Tongue.English))
        {
            var same = tongue.Keys.Where(key => tongue[key] == Tongue.English[key] && tongue[key].Length > 12).ToList();
            Assert.True(same.Count == 0, $"{tongue.Tag}: {string.Join(", ", same)}");
        }
    }

    [Theory]
    [InlineData("de-AT, en;q=0.5", "de", "Was wir von Ihnen haben", "Vorname")]
    [InlineData("fr", "fr", "Ce que nous détenons sur vous", "Prénom")]
    [InlineData("zh-CN, zh;q=0.9", "zh", "我们持有的您的数据", "电子邮箱")]
    [InlineData("ja, en;q=0.3", "en", "What we hold of you", "Given name")]
    public async Task A_page_is_in_the_first_language_of_the_browser_that_the_console_speaks(string accepted, string language, string title, string field)
    {
        var html = await ReadAsync("/console/me", accepted);
        Assert.Contains($"<html lang=\"{language}\">", html, StringComparison.Ordinal);
        Assert.Contains($"<h1>{title}</h1>", html, StringComparison.Ordinal);
        Assert.Contains(field, html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_language_that_was_chosen_stays_and_anything_else_is_not_kept()
    {
        Assert.Contains("lang=\"fr\"", await ReadAsync("/console/me?language=fr", "de"), StringComparison.Ordinal);
        Assert.Contains("<html lang=\"fr\">", await ReadAsync("/console/me/requests", "de"), StringComparison.Ordinal);
        Assert.Contains("<html lang=\"fr\">", await ReadAsync("/console/me/requests?language=%22%3E%3Cb%3E", "de"), StringComparison.Ordinal);
        Assert.Contains("<html lang=\"fr\">", await ReadAsync("/console/me", "de"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Staff_read_English_whatever_their_browser_asks_for()
    {
        _vault.Role = "compliance-officer";
        Assert.Contains("<html lang=\"en\">", await ReadAsync("/console/officer/desk", "de"), StringComparison.Ordinal);
    }

    [Theory]
    [Requirement("R22")]
    [InlineData("de")]
    [InlineData("fr")]
    [InlineData("zh")]
    public async Task No_page_of_a_customer_leaves_a_sentence_in_English_or_shows_a_code(string language)
    {
        foreach (var page in s_pages)
        {
            var text = Visible(await ReadAsync(page, language));
            foreach (var sentence in Tongue.English.Keys.Select(key => Tongue.English[key]).Where(one => one.Length > 20 && !one.Contains('{', StringComparison.Ordinal)))
                Assert.DoesNotContain(sentence, text, StringComparison.Ordinal);
            Assert.True(!Code().IsMatch(text), $"{page}: {Code().Match(text).Value}");
        }
    }

    /// <summary>Fields, events, properties, purposes, notices, roles and audiences: whatever the policy has in a language is said in it.</summary>
    [Theory]
    [Requirement("R22")]
    [InlineData("de")]
    [InlineData("fr")]
    [InlineData("zh")]
    public async Task No_page_of_a_customer_calls_anything_of_the_policy_in_English(string language)
    {
        var policy = Repository.Policy;
        Wording[] texts =
        [
            .. policy.Items.Select(item => item.Labels), .. policy.Events.Types.SelectMany(type => type.Properties).Select(property => property.Labels!), .. policy.Catalogue.Classes.Select(one => one.Labels!),
            .. policy.Purposes.All.Select(purpose => purpose.Titles), .. policy.Roles.All.Select(role => role.Titles), .. policy.Analytics.Select(domain => domain.Titles),
        ];
        var english = texts.Where(text => text.In(language).Text != text.Text).Select(text => text.Text).Except(texts.Select(text => text.In(language).Text))
            .Except(Tongue.Of([language]).Keys.Select(key => Tongue.Of([language])[key])).ToList();
        foreach (var page in s_pages)
        {
            var html = await ReadAsync(page, language);
            var words = Between().Matches(html).Select(found => found.Groups[1].Value.Trim()).SelectMany(found => found.Split(", ").Append(found)).ToHashSet();
            Assert.True(!words.Overlaps(english), $"{page}: {string.Join(", ", words.Intersect(english))}");
            Assert.All(policy.Purposes.All, purpose => Assert.DoesNotContain(purpose.Notice, html, StringComparison.Ordinal));
        }

        Assert.Contains(policy.Events.Find("payment")!.FindProperty("dueOn")!.Labels!.In(language).Text, await ReadAsync("/console/me/events", language), StringComparison.Ordinal);
        Assert.Contains(policy.Purposes.Find("marketing")!.Notices.Single(notice => notice.Language == language).Text, await ReadAsync("/console/me/consents", language), StringComparison.Ordinal);
        Assert.Contains(policy.Analytics[0].Titles.In(language).Text, await ReadAsync("/console/me/recipients", language), StringComparison.Ordinal);
    }

    [Theory]
    [Requirement("R22")]
    [InlineData("invalid-state", 409, "de", "Das ist nicht mehr möglich")]
    [InlineData("rate-limited", 429, "fr", "Un peu trop vite")]
    [InlineData("timeout", 504, "zh", "系统繁忙")]
    [InlineData("unknown-notice", 422, "de", "Etwas fehlt oder stimmt nicht")]
    [InlineData("whatever", 500, "de", "Das hat nicht geklappt")]
    public async Task What_goes_wrong_is_said_in_the_language_of_the_person_and_not_for_an_operator(string slug, int status, string language, string title)
    {
        var html = await ReadAsync("/console/me/requests", language);
        _vault.Refusal = new DataVault.Client.Wire.Problem($"/problems/{slug}", "Title of the vault", status, "Words of the vault.", TraceId: "t-77");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/console/me/requests")
        {
            Content = new FormUrlEncodedContent([new("__RequestVerificationToken", Token().Match(html).Groups[1].Value), new("kind", "access")]),
        };
        request.Headers.TryAddWithoutValidation("Accept-Language", language);
        using var answer = await _browser.SendAsync(request);
        var told = System.Net.WebUtility.HtmlDecode(await answer.Content.ReadAsStringAsync());
        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Contains($"<h1>{title}</h1>", told, StringComparison.Ordinal);
        Assert.Contains("t-77", told, StringComparison.Ordinal);
        Assert.All(["operator", "Words of the vault", "Title of the vault", "To the start"], one => Assert.DoesNotContain(one, told, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Letters_about_a_request_are_ordered_in_the_language_of_the_page_on_which_it_was_made()
    {
        var html = await ReadAsync("/console/me/requests", "zh");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/console/me/requests")
        {
            Content = new FormUrlEncodedContent([new("__RequestVerificationToken", Token().Match(html).Groups[1].Value), new("kind", "access")]),
        };
        request.Headers.TryAddWithoutValidation("Accept-Language", "zh");
        using var answer = await _browser.SendAsync(request);
        Assert.Contains(_vault.Told, told => told.StartsWith("POST /v1/", StringComparison.Ordinal) && told.Contains("\"language\":\"zh\"", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_customer_sees_what_is_frozen_or_objected_to_and_ends_it_with_one_button()
    {
        var html = await ReadAsync("/console/me/requests", "en");
        Assert.Contains("The use of your data is frozen.", html, StringComparison.Ordinal);
        foreach (var (form, call) in new[] { ("/console/me/limits/restriction", "POST /v1/me/restriction/lift"), ("/console/me/limits/objections/personalisation", "POST /v1/me/objections/personalisation/lift") })
        {
            Assert.Contains($"action=\"{form}\"", html, StringComparison.Ordinal);
            await _browser.PostAsync(form, new FormUrlEncodedContent([new("__RequestVerificationToken", Token().Match(html).Groups[1].Value)]));
            Assert.Contains(_vault.Told, told => told.StartsWith(call, StringComparison.Ordinal));
        }
    }

    [Fact]
    [Requirement("R50", "R60", "R80")]
    public async Task A_customer_sees_who_received_what_where_and_by_what_right_and_who_was_told_of_changes()
    {
        var html = await ReadAsync("/console/me/recipients", "de");
        foreach (var said in new[] { "Payerly Payments Ltd", "arbeitet für uns", "GB", "Decision (EU) 2021/1772", "Geld zurückzahlen", "wir selbst", "href=\"/console/proof/48100\"", "Courrier Clair SAS", "noch zu unterrichten", "Berichtigt" })
            Assert.Contains(said, html, StringComparison.Ordinal);
        Assert.DoesNotContain("MEMBER-7", html, StringComparison.Ordinal);
        _vault.Empty = true;
        Assert.Contains("Niemandem wurde etwas über Sie gegeben.", await ReadAsync("/console/me/recipients", "de"), StringComparison.Ordinal);
    }

    [Fact]
    [Requirement("R22")]
    public async Task A_customer_reads_what_an_officer_asks_and_answers_it_in_place()
    {
        var html = await ReadAsync("/console/me/requests", "fr");
        Assert.Contains("<blockquote>Which <i>year</i>?</blockquote>", html, StringComparison.Ordinal);
        Assert.Contains("Votre réponse", html, StringComparison.Ordinal);
        var form = new Dictionary<string, string> { ["__RequestVerificationToken"] = Token().Match(html).Groups[1].Value, ["cause"] = "clarification", ["note"] = "Celles de 2024." };
        var answer = await _browser.PostAsync("/console/me/requests/0198c3f2-6c1a-7000-8000-0000000000aa/answer", new FormUrlEncodedContent(form));
        Assert.Contains("POST /v1/requests/0198c3f2-6c1a-7000-8000-0000000000aa/answer {\"reason\":\"clarification\",\"note\":\"Celles de 2024.\"}", _vault.Told);
        Assert.Contains("Your answer has arrived", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("restriction", "", "POST /v1/customers/0198c3f2-6c1a-7000-8000-000000000001/restriction/lift {\"reason\":\"person-asked\"}")]
    [InlineData("objection", "marketing", "POST /v1/customers/0198c3f2-6c1a-7000-8000-000000000001/objections/marketing/lift {\"reason\":\"person-asked\"}")]
    public async Task An_officer_ends_a_limit_on_the_page_of_its_request_and_says_why(string kind, string purpose, string call)
    {
        (_vault.Role, _vault.Limit) = ("compliance-officer", kind);
        const string Page = "/console/officer/requests/0198c3f2-6c1a-7000-8000-0000000000aa";
        var html = await ReadAsync(Page, "en");
        Assert.Contains($"action=\"{Page}/lift\"", html, StringComparison.Ordinal);
        var form = new Dictionary<string, string>
        {
            ["__RequestVerificationToken"] = Token().Match(html).Groups[1].Value, ["customer"] = "0198c3f2-6c1a-7000-8000-000000000001", ["purpose"] = purpose, ["reason"] = "person-asked",
        };
        var answer = await _browser.PostAsync(Page + "/lift", new FormUrlEncodedContent(form));
        Assert.Contains(call, _vault.Told);
        Assert.Contains("The person was told before.", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    private async Task<string> ReadAsync(string path, string accepted)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.TryAddWithoutValidation("Accept-Language", accepted);
        using var answer = await _browser.SendAsync(request);
        return System.Net.WebUtility.HtmlDecode(await answer.Content.ReadAsStringAsync());
    }

    private static string Gaps(string sentence) => string.Join(' ', Gap().Matches(sentence).Select(match => match.Value).Distinct().Order(StringComparer.Ordinal));

    // Without what the person said themselves, names of languages, and what is computed.
    private static string Visible(string html) => Tag().Replace(Left().Replace(html, " "), " ");

    [GeneratedRegex("\\{[0-9]\\}")]
    private static partial Regex Gap();

    [GeneratedRegex("<head>.*?</head>|<nav class=\"tongues\".*?</nav>|<pre.*?</pre>|<code.*?</code>|<dl class=\"inline\">.*?</dl>|<dd>.*?</dd>", RegexOptions.Singleline)]
    private static partial Regex Left();

    [GeneratedRegex(">([^<>]+)<")]
    private static partial Regex Between();

    [GeneratedRegex("<[^>]+>")]
    private static partial Regex Tag();

    // SPEC R22: no camelCase or hyphenated keys, no names of entry types.
    [GeneratedRegex("\\b([a-z]+[A-Z][a-z]+|[a-z]+\\.(read|change|write|append|lift)|[a-z]+-(failure|request|rights|delivery|support))\\b")]
    private static partial Regex Code();

    [GeneratedRegex("name=\"__RequestVerificationToken\" value=\"([^\"]+)\"")]
    private static partial Regex Token();
}
