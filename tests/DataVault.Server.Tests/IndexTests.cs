using System.Net;

namespace DataVault.Server.Tests;

/// <summary>Search by what indexes hold, and the planner's report, over HTTP.</summary>
public sealed class IndexTests(RunningServer server)
{
    [Fact]
    public async Task A_customer_is_found_by_the_beginning_of_a_name_and_by_name_and_date_of_birth()
    {
        var created = await server.JsonAsync(
            "crm-ingest", HttpMethod.Post, "/v1/customers",
            new { fields = new { familyName = "Quisthoudt", birthDate = "1961-02-03", email = "index.search@example.com" }, source = "tests" }, HttpStatusCode.Created);
        var id = created.GetProperty("id").GetGuid();
        foreach (var where in new object[] { new { familyName = new { prefix = "quist" } }, new { familyName = "QUISTHOUDT", birthDate = "1961-02-03" } })
        {
            var found = await server.JsonAsync("support-desk", HttpMethod.Post, "/v1/customers/search", new { purpose = "customer-support", where, fields = new[] { "familyName" } });
            Assert.Equal(id, Assert.Single(found.GetProperty("results").EnumerateArray()).GetProperty("id").GetGuid());
        }
    }

    [Theory]
    [InlineData("""{ "birthDate": "1961-02-03" }""", "no-index")]
    [InlineData("""{ "familyName": { "prefix": "qu" } }""", "no-index")]
    [InlineData("""{ "familyName": { "year": "1961" } }""", "wrong-comparison")]
    [InlineData("""{ "familyName": { "prefix": "qui", "year": "1961" } }""", "one-of")]
    [InlineData("""{ "familyName": {} }""", "one-of")]
    public async Task A_question_that_no_index_answers_is_refused_with_what_would(string where, string code)
    {
        using var answer = await server.SendAsync("support-desk", HttpMethod.Post, "/v1/customers/search", $$"""{ "purpose": "customer-support", "where": {{where}} }""");
        Assert.Equal(code == "one-of" ? "invalid-request" : "invalid-fields", await RunningServer.SlugAsync(answer));
        var body = await answer.Content.ReadAsStringAsync();
        Assert.Contains($"\"{code}\"", body, StringComparison.Ordinal);
        Assert.DoesNotContain("1961", body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_report_of_the_planner_is_for_officers_and_administrators_and_says_where_each_index_stands()
    {
        foreach (var who in new[] { "compliance-officer", "administrator" })
        {
            var report = await server.JsonAsync(who, HttpMethod.Get, "/v1/indexes");
            var names = report.GetProperty("indexes").EnumerateArray().Select(index => index.GetProperty("name").GetString()).ToList();
            Assert.Equal(["email", "phone", "customerNumber", "family-name-start", "family-name-and-birth"], names);
            Assert.All(report.GetProperty("indexes").EnumerateArray(), index => Assert.True(index.GetProperty("searchable").GetBoolean()));
        }

        using var refused = await server.SendAsync("support-desk", HttpMethod.Get, "/v1/indexes");
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
    }
}
