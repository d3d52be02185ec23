using System.Net;
using System.Text.RegularExpressions;
using Xunit;

namespace DataVault.Server.Tests.Console;

public sealed partial class ConsoleTests : IAsyncLifetime
{
    private PaperVault _vault = null!;
    private HttpClient _browser = null!;

    public async ValueTask InitializeAsync()
    {
        _vault = await PaperVault.StartAsync();
        _browser = Browser();
    }

    public async ValueTask DisposeAsync()
    {
        _browser.Dispose();
        await _vault.DisposeAsync();
    }

    [Fact]
    public async Task A_sign_in_goes_through_the_issuer_and_comes_back_to_the_page_that_was_wanted()
    {
        var page = await _browser.GetAsync("/console/me/accesses");

        Assert.Equal("/console/me/accesses", page.RequestMessage!.RequestUri!.PathAndQuery);
        Assert.Contains("Who looked at your data", await page.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("//evil.example")]
    [InlineData("https://evil.example/console")]
    [InlineData("/console\\evil")]
    [InlineData("/consolevil")]
    [InlineData("/account/password")]
    public async Task A_sign_in_leads_nowhere_but_into_the_console(string wanted)
    {
        var page = await _browser.GetAsync("/console/sign-in?returnTo=" + Uri.EscapeDataString(wanted));

        Assert.Equal("/console/me", page.RequestMessage!.RequestUri!.AbsolutePath);
        Assert.Equal("localhost", page.RequestMessage.RequestUri.Host);
    }

    [Theory]
    [InlineData("/console/callback?code=code-0&state=guessed")]
    [InlineData("/console/callback?code=code-0")]
    public async Task A_callback_that_this_browser_did_not_begin_is_refused(string callback)
    {
        var page = await _browser.GetAsync(callback);

        Assert.Equal(HttpStatusCode.BadRequest, page.StatusCode);
        Assert.DoesNotContain(_vault.Told, t => t.StartsWith("token", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Tokens_never_stand_in_a_page_or_a_readable_cookie()
    {
        using var browser = Browser(follow: false);
        var hops = new List<HttpResponseMessage>();
        for (var next = "/console/sign-in"; next is not null; next = hops[^1].Headers.Location?.ToString())
        {
            hops.Add(await browser.GetAsync(next));
            if (hops.Count > 8) break;
        }

        Assert.Equal(HttpStatusCode.OK, hops[^1].StatusCode);
        var cookies = hops.SelectMany(h => h.Headers.TryGetValues("Set-Cookie", out var set) ? set : []).ToList();
        Assert.All(cookies.Where(c => c.StartsWith("vault-console", StringComparison.Ordinal)), c =>
        {
            Assert.Contains("httponly", c, StringComparison.OrdinalIgnoreCase);
            Assert.Contains("samesite=lax", c, StringComparison.OrdinalIgnoreCase);
        });
        Assert.DoesNotContain(cookies, c => c.Contains("customer-1", StringComparison.Ordinal));
        Assert.DoesNotContain("customer-1", await hops[^1].Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_expired_token_is_renewed_once_even_when_many_pages_come_at_once()
    {
        _vault.TokenLifetime = 1;
        await _browser.GetAsync("/console/me");
        _vault.TokenLifetime = 300;

        var pages = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => _browser.GetAsync("/console/me/consents")));

        Assert.All(pages, p => Assert.Equal(HttpStatusCode.OK, p.StatusCode));
        Assert.InRange(_vault.Told.Count(t => t == "token refresh_token"), 1, 2);
    }

    [Fact]
    public async Task Every_page_forbids_scripts_and_inline_styles_and_has_none()
    {
        foreach (var (path, html, response) in await WalkAsync("customer"))
        {
            var policy = string.Join(' ', response.Headers.GetValues("Content-Security-Policy"));
            Assert.Contains("default-src 'none'", policy, StringComparison.Ordinal);
            Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
            Assert.DoesNotContain("<script", html, StringComparison.OrdinalIgnoreCase);
            Assert.False(InlineStyle().IsMatch(html), path);
            Assert.True(response.Headers.CacheControl?.NoStore);
        }
    }

    [Theory]
    [InlineData("customer")]
    [InlineData("compliance-officer")]
    [InlineData("analyst")]
    [InlineData("administrator")]
    public async Task No_link_of_any_page_is_dead_and_every_field_has_its_label(string role)
    {
        var pages = await WalkAsync(role);

        Assert.True(pages.Count > (role == "analyst" ? 0 : 3), $"{pages.Count} pages");
        Assert.All(pages, p => Assert.Equal(HttpStatusCode.OK, p.Response.StatusCode));
        foreach (var (path, html, _) in pages)
        {
            foreach (Match field in Fields().Matches(html))
                Assert.True(html.Contains($"for=\"{field.Groups[1].Value}\"", StringComparison.Ordinal), $"{path}: {field.Value}");
            Assert.Single(Headings().Matches(html));
        }
    }

    [Theory]
    [InlineData("customer")]
    [InlineData("compliance-officer")]
    public async Task Empty_lists_are_said_in_words(string role)
    {
        _vault.Empty = true;

        foreach (var (path, html, response) in await WalkAsync(role))
        {
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            Assert.False(html.Contains("<tbody></tbody>", StringComparison.Ordinal), path);
        }
    }

    [Fact]
    public async Task Values_are_encoded()
    {
        var html = await _browser.GetStringAsync("/console/me");

        Assert.Contains("Example &lt;script&gt;", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<script>alert", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_officer_reads_what_was_written_down_with_a_request()
    {
        _vault.Role = "compliance-officer";

        var html = await _browser.GetStringAsync("/console/officer/requests/0198c3f2-6c1a-7000-8000-0000000000aa");

        Assert.Contains("Please, &lt;b&gt;all&lt;/b&gt; of it.", html, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("customer=K-1001")]
    [InlineData("from=yesterday")]
    public async Task A_filter_of_the_log_that_is_not_understood_is_refused(string filter)
    {
        _vault.Role = "compliance-officer";

        var page = await _browser.GetAsync("/console/officer/log?" + filter);

        Assert.Equal(HttpStatusCode.BadRequest, page.StatusCode);
    }

    [Fact]
    [Requirement("R11")]
    public async Task Withdrawing_takes_no_more_than_giving()
    {
        var html = await _browser.GetStringAsync("/console/me/consents");
        var (given, open) = (ConsentForm(html, "marketing"), ConsentForm(html, "analytics"));
        Assert.Contains("""<button name="state" value="withdrawn">""", given, StringComparison.Ordinal);
        Assert.Contains("""<button name="state" value="given">""", open, StringComparison.Ordinal);
        Assert.Equal(Inputs(open), Inputs(given));
        Assert.DoesNotContain("class=\"quiet\"", given + open, StringComparison.Ordinal);
        Assert.DoesNotContain(Inputs(given), input => !input.StartsWith("hidden", StringComparison.Ordinal));

        // One click each, and each is done when it is answered: no page between asks again.
        foreach (var state in new[] { "given", "withdrawn" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/console/me/consents/marketing") { Content = Form(html, ("state", state)) };
            using var answer = await _browser.SendAsync(request);
            Assert.Equal("/console/me/consents", answer.RequestMessage!.RequestUri!.AbsolutePath);
            Assert.Contains(_vault.Told, told => told.StartsWith("PUT /v1/me/consents/marketing {\"state\":\"" + state, StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData("de-CH, en;q=0.5", "", "de", "Wir zählen nur.")]
    [InlineData("en;q=0.2, de;q=0.8", "", "de", "Wir zählen nur.")]
    [InlineData("ja, de;q=0", "", "en", "We count how many people buy what. Nobody is looked at alone.")]
    [InlineData("de", "?language=en", "en", "We count how many people buy what. Nobody is looked at alone.")]
    [InlineData("en", "?language=de", "de", "Wir zählen nur.")]
    public async Task A_notice_is_shown_in_the_language_that_the_person_reads_and_agreed_to_in_that(string browser, string chosen, string language, string text)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/console/me/consents" + chosen) { Headers = { { "Accept-Language", browser } } };
        using var answer = await _browser.SendAsync(request);
        var html = await answer.Content.ReadAsStringAsync();
        Assert.Contains($"<p lang=\"{language}\">{text}</p>", WebUtility.HtmlDecode(html), StringComparison.Ordinal);
        Assert.Contains($"name=\"language\" value=\"{language}\"", ConsentForm(html, "analytics"), StringComparison.Ordinal);
        Assert.Contains(language == "de" ? "English</a>" : "Deutsch</a>", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_objects_by_signal_is_told_and_may_consent_all_the_same()
    {
        var html = await _browser.GetStringAsync("/console/me/consents");
        Assert.Contains("Global Privacy Control", html, StringComparison.Ordinal);
        var form = ConsentForm(html, "personalisation");
        Assert.Contains("Consent all the same", form, StringComparison.Ordinal);
        await _browser.PostAsync("/console/me/consents/personalisation", Form(html, ("state", "given"), ("lifts", "yes"), ("language", "en")));
        Assert.Contains(_vault.Told, told => told == """PUT /v1/me/consents/personalisation {"state":"given","channel":"console","language":"en","liftsObjection":true}""");
    }

    [Fact]
    public async Task The_browsers_signal_reaches_the_vault_word_for_word()
    {
        await _browser.GetStringAsync("/console/me");
        Assert.DoesNotContain(_vault.Told, told => told.StartsWith("signal", StringComparison.Ordinal));
        using var request = new HttpRequestMessage(HttpMethod.Get, "/console/me/consents") { Headers = { { "Sec-GPC", "1" } } };
        using var answer = await _browser.SendAsync(request);
        Assert.Contains("signal 1 /v1/me/consents", _vault.Told);
    }

    [Fact]
    public async Task A_person_takes_receipts_along_and_an_officer_the_proof()
    {
        var html = await _browser.GetStringAsync("/console/me/consents");
        var receipt = await _browser.GetAsync("/console/me/consents/marketing/receipt?entry=12");
        Assert.Contains("/console/me/consents/marketing/receipt?entry=12", html, StringComparison.Ordinal);
        Assert.Equal(("application/ld+json", "attachment"), (receipt.Content.Headers.ContentType!.MediaType, receipt.Content.Headers.ContentDisposition!.DispositionType));

        using var officer = Browser();
        _vault.Role = "compliance-officer";
        var page = await officer.GetStringAsync("/console/officer/consents?customer=0198c3f2-6c1a-7000-8000-000000000001&purpose=marketing&at=2025-03-04T00:00");
        Assert.Contains("We &lt;b&gt;write&lt;/b&gt; to you.", page, StringComparison.Ordinal);
        Assert.Contains("not provable", page, StringComparison.Ordinal);
        var proof = await officer.GetAsync("/console/officer/consents/proof?customer=0198c3f2-6c1a-7000-8000-000000000001&purpose=marketing");
        Assert.Equal("application/json", proof.Content.Headers.ContentType!.MediaType);
        Assert.Equal(HttpStatusCode.BadRequest, (await officer.GetAsync("/console/officer/consents?customer=ada&purpose=marketing")).StatusCode);
    }

    [GeneratedRegex("<form method=\"post\" action=\"/console/me/consents/([a-z]+)\".*?</form>", RegexOptions.Singleline)]
    private static partial Regex ConsentForms();

    [GeneratedRegex("<input type=\"([a-z]+)\" name=\"([A-Za-z_]+)\"")]
    private static partial Regex Input();

    private static string ConsentForm(string html, string purpose) => ConsentForms().Matches(html).Single(form => form.Groups[1].Value == purpose).Value;

    private static string[] Inputs(string form) => [.. Input().Matches(form).Select(input => $"{input.Groups[1].Value} {input.Groups[2].Value}")];

    [Fact]
    [Requirement("R11")]
    public async Task A_consent_is_withdrawn_with_one_button()
    {
        var html = await _browser.GetStringAsync("/console/me/consents");

        var answer = await _browser.PostAsync("/console/me/consents/marketing", Form(html, ("state", "withdrawn"), ("notice", "2025-01")));

        Assert.Contains("in force everywhere", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        const string Call = "PUT /v1/me/consents/marketing ";
        using var told = System.Text.Json.JsonDocument.Parse(_vault.Told.Single(t => t.StartsWith(Call, StringComparison.Ordinal))[Call.Length..]);
        Assert.Equal(["withdrawn", "2025-01", "console"], new[] { "state", "notice", "channel" }.Select(name => told.RootElement.GetProperty(name).GetString()!));
    }

    [Fact]
    public async Task Officers_say_whom_they_told_and_whom_nobody_tells()
    {
        _vault.Role = "compliance-officer";
        var html = await _browser.GetStringAsync("/console/officer/recipients");
        Assert.Contains("MEMBER-7", html, StringComparison.Ordinal);
        Assert.Contains("nothing: no agreement is named", html, StringComparison.Ordinal);
        const string Notice = "/console/officer/recipients/0198c3f2-6c1a-7000-8000-0000000000cc/";
        await _browser.PostAsync(Notice + "done", Form(html));
        await _browser.PostAsync(Notice + "waive", Form(html, ("reason", "disproportionate-effort")));
        Assert.Equal(
            ["POST /v1/notices/0198c3f2-6c1a-7000-8000-0000000000cc/done {}", "POST /v1/notices/0198c3f2-6c1a-7000-8000-0000000000cc/waive {\"reason\":\"disproportionate-effort\"}"],
            _vault.Told.Where(told => told.Contains("/v1/notices", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("/console/me/consents/marketing")]
    [InlineData("/console/me/requests")]
    [InlineData("/console/me/erase")]
    [InlineData("/console/sign-out")]
    [InlineData("/console/officer/requests/0198c3f2-6c1a-7000-8000-0000000000aa")]
    [InlineData("/console/officer/impact")]
    [InlineData("/console/officer/impact/people")]
    [InlineData("/console/officer/holds/place")]
    [InlineData("/console/officer/holds/0198c3f2-6c1a-7000-8000-0000000000cc/release")]
    [InlineData("/console/officer/reviews/0198c3f2-6c1a-7000-8000-0000000000cc")]
    [InlineData("/console/officer/approvals/0198c3f2-6c1a-7000-8000-0000000000cc")]
    [InlineData("/console/officer/alerts/0198c3f2-6c1a-7000-8000-0000000000cc")]
    [InlineData("/console/keys/rotate/vault")]
    [InlineData("/console/keys/rotations/0198c3f2-6c1a-7000-8000-0000000000dd/pause")]
    [InlineData("/console/admin/clients")]
    [InlineData("/console/admin/accounts")]
    [InlineData("/console/admin/accounts/act")]
    public async Task A_form_without_its_token_changes_nothing(string path)
    {
        await _browser.GetAsync("/console/me");
        _vault.Told.Clear();

        var answer = await _browser.PostAsync(path, new FormUrlEncodedContent([new("state", "withdrawn"), new("kind", "erasure"), new("understood", "yes")]));

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Empty(_vault.Told);
    }

    [Fact]
    public async Task No_form_of_the_console_whichever_there_will_be_is_taken_without_its_token_or_from_another_site()
    {
        Assert.True(_vault.Forms.Count >= 20, $"{_vault.Forms.Count} forms");
        await _browser.GetAsync("/console/me");
        _vault.Told.Clear();
        foreach (var path in _vault.Forms)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new FormUrlEncodedContent([new("__RequestVerificationToken", "CfDJ8Made-up"), new("understood", "yes")]) };
            request.Headers.Add("Origin", "https://evil.example");
            using var answer = await _browser.SendAsync(request);
            Assert.True(answer.StatusCode == HttpStatusCode.BadRequest, $"{path}: {answer.StatusCode}");
        }

        Assert.Empty(_vault.Told);
    }

    [Fact]
    public async Task An_erasure_needs_the_confirmation()
    {
        var html = await _browser.GetStringAsync("/console/me/erase");

        var unconfirmed = await _browser.PostAsync("/console/me/erase", Form(html));
        var confirmed = await _browser.PostAsync("/console/me/erase", Form(html, ("understood", "yes")));

        Assert.Contains("Please confirm", await unconfirmed.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Contains("has come in", await confirmed.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Single(_vault.Told, t => t.StartsWith("POST /v1/requests", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("count", "The count begins within a minute", """{"dry":true}""")]
    [InlineData("sweep", "The sweep begins within a minute", """{"dry":false}""")]
    public async Task An_officer_sees_how_long_what_is_kept_and_counts_or_deletes_what_is_due(string act, string said, string body)
    {
        _vault.Role = "compliance-officer";
        var html = await _browser.GetStringAsync("/console/officer/retention");
        foreach (var shown in new[] { "Visits and clicks", "14 months", "from when it happened", "1,200 events", "only counted", "under way" }) Assert.Contains(shown, html, StringComparison.Ordinal);
        Assert.DoesNotContain(_vault.Told, t => t.StartsWith("POST /v1/retention", StringComparison.Ordinal));

        var answer = await _browser.PostAsync($"/console/officer/retention/{act}", Form(html));

        Assert.Contains(said, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Contains("POST /v1/retention/runs " + body, _vault.Told);
    }

    [Fact]
    public async Task The_record_of_processing_marks_what_is_not_declared_and_what_is_not_used()
    {
        _vault.Role = "compliance-officer";
        var html = await _browser.GetStringAsync("/console/officer/processing");
        foreach (var shown in new[] { "Helping when you call or write", "pd:EmailAddress", "support-desk (412)", "declared by no rule in force", "Prize draw (3)" }) Assert.Contains(shown, html, StringComparison.Ordinal);
        _vault.Empty = true;
        Assert.Contains("declared, not used", await _browser.GetStringAsync("/console/officer/processing"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("root", "The vault key is wrapped under the root key that is configured now")]
    [InlineData("subjects", "Afterwards back up data and keys both")]
    [InlineData("index", "<option value=\"family-name-start\">")]
    public async Task A_rotation_says_what_it_does_before_it_begins(string level, string effect)
    {
        _vault.Role = "administrator";
        var html = await _browser.GetStringAsync($"/console/keys/rotate/{level}");
        Assert.Contains(effect, html, StringComparison.Ordinal);
        Assert.DoesNotContain(_vault.Told, t => t.StartsWith("POST /v1/keys", StringComparison.Ordinal));

        var answer = await _browser.PostAsync($"/console/keys/rotate/{level}", Form(html, ("index", level == "index" ? "family-name-start" : "")));

        Assert.Contains("The rotation has begun", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        var body = level == "index" ? """{"level":"index","index":"family-name-start"}""" : $$"""{"level":"{{level}}"}""";
        Assert.Contains("POST /v1/keys/rotations " + body, _vault.Told);
    }

    [Theory]
    [InlineData("pause", "The rotation is paused")]
    [InlineData("resume", "The rotation goes on")]
    public async Task A_rotation_is_paused_and_goes_on_after_a_question(string act, string said)
    {
        _vault.Role = "administrator";
        var place = $"/console/keys/rotations/0198c3f2-6c1a-7000-8000-0000000000dd/{act}";
        var html = await _browser.GetStringAsync(place);

        var answer = await _browser.PostAsync(place, Form(html));

        Assert.Contains(said, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Contains(_vault.Told, t => t.StartsWith($"POST /v1/keys/rotations/0198c3f2-6c1a-7000-8000-0000000000dd/{act}", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("administrator", "/console/keys/rotate/root", "/console/keys/rotate/root", "/console/keys/rotate/root")]
    [InlineData("compliance-officer", "/console/officer/reviews", "/console/officer/approvals/0198c3f2-6c1a-7000-8000-0000000000ee", "/console/officer/reviews")]
    public async Task Who_must_sign_in_again_for_an_act_does_and_is_back_at_its_form(string role, string page, string act, string back)
    {
        _vault.Role = role;
        var html = await _browser.GetStringAsync(page);
        _vault.WantsSignIn = true;

        var answer = await _browser.PostAsync(act, Form(html, ("step", "approve")));

        Assert.Equal(back, answer.RequestMessage!.RequestUri!.AbsolutePath);
        Assert.False(_vault.WantsSignIn);
        Assert.Equal(2, _vault.Told.Count(told => told == "token authorization_code"));
    }

    [Fact]
    public async Task The_keys_page_says_what_is_due_what_failed_and_what_opens_no_more()
    {
        _vault.Role = "compliance-officer";

        var html = await _browser.GetStringAsync("/console/keys");

        Assert.Contains("<span class=\"chip alert\">due</span>", html, StringComparison.Ordinal);
        Assert.Contains("It stopped: The root key pkcs11/vault/root cannot be used.", html, StringComparison.Ordinal);
        Assert.Contains("opens no more</span>", html, StringComparison.Ordinal);
        Assert.Contains("back up both databases now, the data first", html, StringComparison.Ordinal);
        Assert.Contains("<progress max=\"4372\" value=\"1200\"", html, StringComparison.Ordinal);
        Assert.DoesNotContain("/console/keys/rotate/", html, StringComparison.Ordinal);
        _vault.Empty = true;
        Assert.Contains("<span class=\"chip alert\">none</span>", await _browser.GetStringAsync("/console/keys"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_hold_is_placed_field_by_field_and_released_with_a_reason()
    {
        _vault.Role = "compliance-officer";
        var html = await _browser.GetStringAsync("/console/officer/holds/place?customer=0198c3f2-6c1a-7000-8000-000000000001");
        Assert.Contains(">0198c3f2-6c1a-7000-8000-000000000001</textarea>", html, StringComparison.Ordinal);

        var placed = await _browser.PostAsync("/console/officer/holds/place", Form(
            html, ("customers", "0198c3f2-6c1a-7000-8000-000000000001\r\n0198c3f2-6c1a-7000-8000-000000000002"), ("authority", "legal-claim"), ("case", "File 12"), ("review", "2031-03-01"),
            ("scope", "ticked"), ("items", "email"), ("items", "class:identity"), ("purposes", "service-delivery")));
        var list = await placed.Content.ReadAsStringAsync();
        Assert.Contains("in force from now on", list, StringComparison.Ordinal);
        Assert.Contains(
            """
            POST /v1/holds {"customers":["0198c3f2-6c1a-7000-8000-000000000001","0198c3f2-6c1a-7000-8000-000000000002"],"authority":"legal-claim","caseReference":"File 12","reviewAt":"2031-03-01T00:00:00+00:00","items":["email","class:identity"],"purposes":["service-delivery"]}
            """, _vault.Told);
        Assert.Contains("File &lt;b&gt;12&lt;/b&gt;", list, StringComparison.Ordinal);
        Assert.Contains("/console/officer/requests/0198c3f2-6c1a-7000-8000-0000000000aa", list, StringComparison.Ordinal);

        var released = await _browser.PostAsync("/console/officer/holds/0198c3f2-6c1a-7000-8000-0000000000cc/release", Form(list, ("reason", "Settled")));
        Assert.Contains("The hold is released", await released.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Contains("""POST /v1/holds/0198c3f2-6c1a-7000-8000-0000000000cc/release {"reason":"Settled"}""", _vault.Told);
    }

    [Theory]
    [InlineData("scope", "", "Tick what is to be held")]
    [InlineData("scope", "everything", "not both")]
    [InlineData("customers", "K-1001", "named by their id")]
    [InlineData("review", "soon", "A day is written as")]
    [InlineData("review", "", "looked at again")]
    public async Task A_hold_that_is_not_clear_is_not_placed_and_nothing_typed_is_lost(string name, string value, string said)
    {
        _vault.Role = "compliance-officer";
        var html = await _browser.GetStringAsync("/console/officer/holds/place");
        Dictionary<string, string> members = new()
        {
            ["customers"] = "0198c3f2-6c1a-7000-8000-000000000001", ["authority"] = "court-order", ["case"] = "File 99", ["review"] = "2031-03-01", ["scope"] = "ticked", ["items"] = name == "scope" && value.Length == 0 ? "" : "email",
        };
        members[name] = value;

        var answer = await _browser.PostAsync("/console/officer/holds/place", Form(html, [.. members.Select(m => (m.Key, m.Value))]));

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var again = await answer.Content.ReadAsStringAsync();
        Assert.Contains(said, again, StringComparison.Ordinal);
        Assert.Contains("value=\"File 99\"", again, StringComparison.Ordinal);
        Assert.Contains("<option value=\"court-order\" selected", again, StringComparison.Ordinal);
        Assert.DoesNotContain(_vault.Told, t => t.StartsWith("POST /v1/holds", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_new_secret_is_shown_once_and_not_kept()
    {
        _vault.Role = "administrator";
        var html = await _browser.GetStringAsync("/console/admin/clients");

        var answer = await _browser.PostAsync("/console/admin/clients", Form(html, ("id", "shop"), ("name", "Shop"), ("roles", "ingest"), ("purposes", "service-delivery")));

        Assert.Contains("the-secret-shown-once", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.DoesNotContain("the-secret-shown-once", await _browser.GetStringAsync("/console/admin/clients"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_vault_that_is_away_is_said_kindly()
    {
        await _browser.GetAsync("/console/me");
        _vault.Broken = 503;

        var page = await _browser.GetAsync("/console/me");

        Assert.Equal(HttpStatusCode.ServiceUnavailable, page.StatusCode);
        Assert.Contains("We are busy", await page.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sign_out_ends_the_session_here_and_at_the_issuer()
    {
        var html = await _browser.GetStringAsync("/console/me");

        var answer = await _browser.PostAsync("/console/sign-out", Form(html));

        Assert.Equal("/console/signed-out", answer.RequestMessage!.RequestUri!.AbsolutePath);
        using var still = Browser(follow: false);
        Assert.Contains("Sign in", await _browser.GetStringAsync("/console"), StringComparison.Ordinal);
    }

    private HttpClient Browser(bool follow = true) =>
        new(new HttpClientHandler { CookieContainer = new CookieContainer(), AllowAutoRedirect = follow }) { BaseAddress = new Uri(_vault.Address) };

    private static FormUrlEncodedContent Form(string html, params (string Name, string Value)[] members) =>
        new([new("__RequestVerificationToken", Token().Match(html).Groups[1].Value), .. members.Select(m => KeyValuePair.Create(m.Name, m.Value))]);

    // Follows every link inside the console from the start page. The pages of an account are the issuer's, which is not here.
    private async Task<List<(string Path, string Html, HttpResponseMessage Response)>> WalkAsync(string role)
    {
        _vault.Role = role;
        await _browser.GetAsync("/console/sign-in");
        var found = new List<(string, string, HttpResponseMessage)>();
        var seen = new HashSet<string> { "/console" };
        var queue = new Queue<string>(seen);
        while (queue.TryDequeue(out var path))
        {
            var response = await _browser.GetAsync(path);
            if (response.Content.Headers.ContentType?.MediaType != "text/html")
            {
                Assert.Equal(HttpStatusCode.OK, response.StatusCode);
                continue;
            }
            var html = await response.Content.ReadAsStringAsync();
            found.Add((path, html, response));
            foreach (Match link in Links().Matches(html))
            {
                var address = WebUtility.HtmlDecode(link.Groups[1].Value);
                if (address.StartsWith('/') && !address.Contains("sign-in", StringComparison.Ordinal) && address != "/account" && seen.Add(address)) queue.Enqueue(address);
            }
        }
        return found;
    }

    [GeneratedRegex("href=\"([^\"#]+)\"")]
    private static partial Regex Links();

    [GeneratedRegex("name=\"__RequestVerificationToken\" value=\"([^\"]+)\"")]
    private static partial Regex Token();

    [GeneratedRegex("<[^>]+\\s(style|onclick|onload)=")]
    private static partial Regex InlineStyle();

    [GeneratedRegex("<(?:input|select|textarea)(?![^>]*type=\"(?:hidden|checkbox)\")[^>]*\\sid=\"([^\"]+)\"")]
    private static partial Regex Fields();

    [GeneratedRegex("<h1[ >]")]
    private static partial Regex Headings();
}
