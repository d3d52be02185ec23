using System.Net;
using DataVault.Client.Wire;
using Xunit;

namespace DataVault.Server.Tests.Console;

public sealed partial class ConsoleTests
{
    private const string Request = "/console/officer/requests/0198c3f2-6c1a-7000-8000-0000000000aa";
    private const string Intake = "/console/officer/requests/open";
    private const string Customer = "0198c3f2-6c1a-7000-8000-000000000001";

    [Fact]
    public async Task An_officer_opens_a_request_for_somebody_named_by_id()
    {
        _vault.Role = "compliance-officer";
        var html = await _browser.GetStringAsync(Intake + "?customer=" + Customer);
        Assert.Contains($"value=\"{Customer}\"", html, StringComparison.Ordinal);
        Assert.DoesNotContain("name=\"term\"", html, StringComparison.Ordinal);
        Assert.Contains("lets your role look nobody up", html, StringComparison.Ordinal);

        var opened = await _browser.PostAsync(Intake, Form(html, ("customer", Customer), ("kind", "access"), ("note", "By letter of Monday"), ("jurisdiction", "eu")));

        Assert.Equal(Request, opened.RequestMessage!.RequestUri!.AbsolutePath);
        Assert.Contains("The request is open.", await opened.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Contains($$"""POST /v1/requests {"kind":"access","customer":"{{Customer}}","note":"By letter of Monday","jurisdiction":"eu"}""", _vault.Told);
    }

    [Fact]
    public async Task Where_the_policy_lets_officers_look_people_up_for_requests_they_do_with_that_purpose_and_read_nothing_else()
    {
        (_vault.Role, _vault.LooksUp, _vault.Correcting) = ("compliance-officer", true, "received");
        var html = await _browser.GetStringAsync(Intake);

        var opened = await _browser.PostAsync(Intake, Form(html, ("by", "email"), ("term", "ada@example.com"), ("kind", "rectification")));

        Assert.Equal(Request + "/rectification", opened.RequestMessage!.RequestUri!.AbsolutePath);
        Assert.Contains("""POST /v1/customers/search {"purpose":"data-subject-rights","where":{"email":"ada@example.com"},"fields":["email"]}""", _vault.Told);
        Assert.Contains($$"""POST /v1/requests {"kind":"rectification","customer":"{{Customer}}"}""", _vault.Told);
    }

    [Theory]
    [InlineData("", "", "access", 1, "whom the request is about")]
    [InlineData("K-1001", "", "access", 1, "named by their id")]
    [InlineData(Customer, "ada@example.com", "access", 1, "not both")]
    [InlineData("", "ada@example.com", "access", 0, "Nobody is found")]
    [InlineData("", "ada@example.com", "access", 2, "Several people have this")]
    [InlineData(Customer, "", "", 1, "Choose what is asked for")]
    public async Task A_request_that_is_not_clear_is_not_opened_and_nothing_typed_is_lost(string customer, string term, string kind, int matches, string said)
    {
        (_vault.Role, _vault.LooksUp, _vault.Matches) = ("compliance-officer", true, matches);
        var html = await _browser.GetStringAsync(Intake);

        var answer = await _browser.PostAsync(Intake, Form(html, ("customer", customer), ("by", "email"), ("term", term), ("kind", kind), ("note", "She called")));

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var again = await answer.Content.ReadAsStringAsync();
        Assert.Contains(said, again, StringComparison.Ordinal);
        Assert.Contains(">She called</textarea>", again, StringComparison.Ordinal);
        Assert.DoesNotContain(_vault.Told, told => told.StartsWith("POST /v1/requests", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("not-found", 404, "Nothing was opened")]
    [InlineData("forbidden", 403, "does not allow it")]
    [InlineData("invalid-fields", 400, "knows no such jurisdiction")]
    public async Task What_the_vault_refuses_of_an_intake_is_said_beside_what_was_typed(string slug, int status, string said)
    {
        _vault.Role = "compliance-officer";
        var html = await _browser.GetStringAsync(Intake);
        _vault.Refusal = new Problem("/problems/" + slug, slug, status, Errors: slug == "invalid-fields" ? [new("/jurisdiction", "unknown", "The policy knows no such jurisdiction.")] : null);

        var answer = await _browser.PostAsync(Intake, Form(html, ("customer", Customer), ("kind", "erasure"), ("jurisdiction", "atlantis")));

        Assert.Equal(status, (int)answer.StatusCode);
        var again = await answer.Content.ReadAsStringAsync();
        Assert.Contains(said, again, StringComparison.Ordinal);
        Assert.Contains("value=\"atlantis\"", again, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_officer_decides_a_rectification_value_by_value()
    {
        (_vault.Role, _vault.Correcting) = ("compliance-officer", "approved");
        Assert.Contains($"href=\"{Request}/rectification\"", await _browser.GetStringAsync(Request), StringComparison.Ordinal);
        var html = await _browser.GetStringAsync(Request + "/rectification");
        Assert.Contains("&lt;b&gt;Solberg&lt;/b&gt;", html, StringComparison.Ordinal);
        Assert.Contains("to be removed", html, StringComparison.Ordinal);

        var answer = await _browser.PostAsync(Request + "/rectification", Decision(html));

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Contains(
            """
            POST /v1/requests/0198c3f2-6c1a-7000-8000-0000000000aa/rectification {"accept":{"familyName":null,"creditLimit":{"amount":"90","currency":"EUR"}},"refuse":{"email":"legal-obligation"},"note":"As in the passport","seen":48000}
            """, _vault.Told);
    }

    [Theory]
    [InlineData("decision-familyName", "", "Decide about every value: Family name")]
    [InlineData("reason-email", "", "Say why it stays as it is: Email")]
    [InlineData("value-creditLimit", "", "Say the other value: Credit limit")]
    [InlineData("value-creditLimit", "90 EUR", "Write it as JSON: Credit limit")]
    [InlineData("value-familyName", "Berg", "goes with a change alone")]
    [InlineData("seen", "47999", "changed meanwhile")]
    public async Task A_decision_that_is_not_clear_or_about_other_values_is_not_taken_and_nothing_typed_is_lost(string name, string value, string said)
    {
        (_vault.Role, _vault.Correcting) = ("compliance-officer", "approved");
        var html = await _browser.GetStringAsync(Request + "/rectification");

        var answer = await _browser.PostAsync(Request + "/rectification", Decision(html, name, value));

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var again = await answer.Content.ReadAsStringAsync();
        Assert.Contains(said, again, StringComparison.Ordinal);
        Assert.Contains(">As in the passport</textarea>", again, StringComparison.Ordinal);
        Assert.Contains("<option value=\"refuse\" selected", again, StringComparison.Ordinal);
        Assert.DoesNotContain(_vault.Told, told => told.Contains("/rectification {", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_decision_that_the_vault_refuses_is_shown_again_and_one_that_wants_a_fresh_sign_in_comes_back_to_its_page()
    {
        (_vault.Role, _vault.Correcting) = ("compliance-officer", "approved");
        var html = await _browser.GetStringAsync(Request + "/rectification");
        _vault.Refusal = new Problem("/problems/invalid-state", "invalid-state", 409, "A request that is completed does not allow this.");
        var refused = await _browser.PostAsync(Request + "/rectification", Decision(html));
        Assert.Equal(HttpStatusCode.Conflict, refused.StatusCode);
        Assert.Contains("does not allow this", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);

        (_vault.Refusal, _vault.WantsSignIn) = (null, true);
        var back = await _browser.PostAsync(Request + "/rectification", Decision(html));
        Assert.Equal(Request + "/rectification", back.RequestMessage!.RequestUri!.AbsolutePath);
        Assert.Equal(HttpStatusCode.OK, back.StatusCode);
        Assert.False(_vault.WantsSignIn);
    }

    [Theory]
    [InlineData("email", "solberg@example.com", "", "\"email\":\"solberg@example.com\"")]
    [InlineData("interests", "[\"chess\"]", "", "\"interests\":[\"chess\"]")]
    [InlineData("givenName", "", "yes", "\"givenName\":null")]
    public async Task An_officer_says_a_right_value_for_the_person_beside_those_said_before(string field, string value, string remove, string sent)
    {
        (_vault.Role, _vault.Correcting) = ("compliance-officer", "received");
        var html = await _browser.GetStringAsync(Request + "/rectification");
        Assert.DoesNotContain("Decide, and close", html, StringComparison.Ordinal);

        await _browser.PostAsync(Request + "/rectification/wanted", Form(html, ("field", field), ("value", value), ("remove", remove)));

        var told = Assert.Single(_vault.Told, one => one.StartsWith("POST /v1/requests/0198c3f2-6c1a-7000-8000-0000000000aa/wanted ", StringComparison.Ordinal));
        Assert.Contains(sent, told, StringComparison.Ordinal);
        Assert.Contains("\"familyName\":", told, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "Berg", "", "Choose the field")]
    [InlineData("familyName", "", "", "or that it is to be removed")]
    [InlineData("familyName", "Berg", "yes", "or that it is to be removed")]
    [InlineData("interests", "chess", "", "Write it as JSON")]
    public async Task A_right_value_that_is_not_clear_is_not_said(string field, string value, string remove, string said)
    {
        (_vault.Role, _vault.Correcting) = ("compliance-officer", "received");
        var html = await _browser.GetStringAsync(Request + "/rectification");

        var answer = await _browser.PostAsync(Request + "/rectification/wanted", Form(html, ("field", field), ("value", value), ("remove", remove)));

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(said, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.DoesNotContain(_vault.Told, told => told.Contains("/wanted", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_was_decided_of_a_rectification_is_shown_and_nothing_more_can_be_said()
    {
        (_vault.Role, _vault.Correcting) = ("compliance-officer", "completed");

        var html = await _browser.GetStringAsync(Request + "/rectification");

        Assert.Contains("refused: Legal obligation", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<form method=\"post\" action=\"/console/officer", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_officer_reads_what_was_shown_of_the_identity_on_a_page_of_its_own()
    {
        _vault.Role = "compliance-officer";
        Assert.Contains($"href=\"{Request}/evidence\"", await _browser.GetStringAsync(Request), StringComparison.Ordinal);
        Assert.Contains("Called back: &lt;i&gt;knew&lt;/i&gt; the order.", await _browser.GetStringAsync(Request + "/evidence"), StringComparison.Ordinal);
        _vault.Empty = true;
        Assert.Contains("or it is gone", await _browser.GetStringAsync(Request + "/evidence"), StringComparison.Ordinal);
    }

    private static FormUrlEncodedContent Decision(string html, string? name = null, string value = "")
    {
        Dictionary<string, string> members = new()
        {
            ["seen"] = "48000", ["decision-familyName"] = "accept", ["decision-email"] = "refuse", ["reason-email"] = "legal-obligation", ["decision-creditLimit"] = "change",
            ["value-creditLimit"] = """{"amount":"90","currency":"EUR"}""", ["note"] = "As in the passport",
        };
        if (name is not null) members[name] = value;
        return Form(html, [("fields", "familyName"), ("fields", "email"), ("fields", "creditLimit"), .. members.Select(member => (member.Key, member.Value))]);
    }
}
