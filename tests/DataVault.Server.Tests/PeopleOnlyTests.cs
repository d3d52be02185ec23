using System.Net;
using System.Text.Json;

namespace DataVault.Server.Tests;

/// <summary>
/// Applications with the role of an officer or of an administrator, at every operation of the API document that changes something: what somebody has to answer for is
/// refused to them, and what is not stands here, with the reason. An operation that is new is refused, or stands here too.
/// </summary>
public sealed class PeopleOnlyTests(RunningServer server)
{
    private static readonly string[] Applications = ["officer-tools", "operations"];

    // Of each role what its applications are for; all else that they may do reads, tries or asks.
    private static readonly Dictionary<string, string> OpenToApplications = new(StringComparer.Ordinal)
    {
        ["openRequest"] = "a portal passes on what somebody asked for; what becomes of it a person says",
        ["verifyRequest"] = "the same: how they were recognised there; the policy says what that is worth",
        ["acknowledgeRequest"] = "a step of the clock",
        ["askRequest"] = "a step of the clock, in words that a person wrote",
        ["answerRequest"] = "the person's answer, passed on",
        ["extendRequest"] = "a step of the clock, once, with words",
        ["withdrawRequest"] = "the person's own wish, passed on",
        ["wantValues"] = "which values are right in the person's words; a person decides of each",
        ["createCustomer"] = "the policy decides field by field", ["patchCustomer"] = "the policy decides field by field", ["batchCustomers"] = "the policy decides field by field",
        ["searchCustomers"] = "reads, as the policy permits",
        ["appendEvent"] = "the policy decides", ["appendEvents"] = "the policy decides",
        ["recordDecision"] = "the application that decides says what it decided; a person reviews it",
        ["setStanding"] = "where a customer stands comes from other systems",
        ["acknowledgeNotice"] = "a recipient's own application says that it knows",
        ["markLetterPosted"] = "the program of whoever prints says so",
        ["askApproval"] = "asks; a person agrees",
        ["startRetention"] = "what is due goes by itself, a day later at most",
        ["findAccount"] = "reads", ["countEntries"] = "reads", ["getImpact"] = "reads", ["getImpactPeople"] = "reads", ["exportImpactPeople"] = "reads",
        ["explainDecision"] = "reads", ["whoCan"] = "reads", ["whatCan"] = "reads", ["replayPolicy"] = "reads", ["diffPolicies"] = "reads", ["exportEntries"] = "reads",
        ["activatePolicy"] = "tries a version; puts one in force where the settings say so",
        ["setConsent"] = "recorded for the person, with who recorded it",
        ["signOutAccount"] = "takes away and gives nothing: an alarm may do it",
    };

    [Fact]
    public async Task No_application_does_what_a_person_has_to_answer_for_whatever_its_role()
    {
        var open = new List<string>();
        foreach (var (id, method, path) in await OperationsAsync())
        {
            foreach (var application in Applications)
            {
                using var answer = await server.SendAsync(application, method, path, "{}");
                if (answer.StatusCode != HttpStatusCode.Forbidden) open.Add(id);
            }
        }

        Assert.Equal("", string.Join(", ", open.Distinct().Except(OpenToApplications.Keys)));
    }

    [Fact]
    public async Task A_refusal_to_an_application_is_in_the_log()
    {
        using var refused = await server.SendAsync("operations", HttpMethod.Post, "/v1/keys/rotations", new { level = "vault" });

        Assert.Equal("forbidden", await RunningServer.SlugAsync(refused));
        var denied = await server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/audit/entries?actor=operations&type=denied&limit=200");
        Assert.NotEmpty(denied.GetProperty("items").EnumerateArray());
    }

    private async Task<List<(string Id, HttpMethod Method, string Path)>> OperationsAsync()
    {
        using var document = JsonDocument.Parse(await server.Http.GetStringAsync("/openapi/v1.json"));
        var found = new List<(string, HttpMethod, string)>();
        foreach (var path in document.RootElement.GetProperty("paths").EnumerateObject())
        {
            foreach (var operation in path.Value.EnumerateObject().Where(one => one.Name is not ("get" or "head" or "parameters")))
                found.Add((operation.Value.GetProperty("operationId").GetString()!, new HttpMethod(operation.Name.ToUpperInvariant()), Concrete(path.Name)));
        }

        Assert.True(found.Count > 60, $"only {found.Count} operations");
        return found;
    }

    private static string Concrete(string path) => string.Join('/', path.Split('/').Select(part => part.StartsWith('{') ? Guid.Empty.ToString("D") : part));
}
