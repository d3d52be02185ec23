using System.Globalization;
using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Transparency;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>Versions of the policy: which were in force when, and putting one in force. Looking is logged as a question, changing as what it is.</summary>
internal static class PolicyVersionEndpoints
{
    private const string Tag = "policy";
    private const int StandardPage = 50;
    private const int ProblemsTold = 200;
    private static readonly AccessRule Read = AccessRule.With(Capabilities.PolicyRead);
    private static readonly AccessRule Manage = AccessRule.With(Capabilities.PolicyManage);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/policy/versions", ListAsync).Gives<Page<PolicyVersionView>>().As(
            new("listPolicyVersions", Tag, "Which version of the policy came into force when, newest first") { Query = [QueryParameter.Limit, QueryParameter.Cursor] }, Read);
        routes.MapGet("/v1/policy/versions/{version}", ShowAsync).Gives<PolicyVersionFiles>().As(
            new("getPolicyVersion", Tag, "A version of the policy with all its files") { Problems = ["not-found"] }, Read);
        routes.MapPost("/v1/policy/activations", ActivateAsync).Takes<ActivatePolicy>().Gives<ActivationView>().TakesLong().As(
            new("activatePolicy", Tag, "Put a version of the policy in force, in every process")
            {
                Description = "It must load, pass the lint and all its cases, with every rule covered, and be able to follow the version in force. After the answer no process begins a decision by an earlier one.",
                RequestExample = JsonNode.Parse("""{ "version": "7d3dba45c1e09a52b7f6d0c4a1b2c3d4", "dryRun": true }"""),
                Problems = ["not-found", "invalid-state", "policy-refused"],
            },
            Manage);
    }

    private static async Task ListAsync(HttpContext context, PolicyActivations activations, AuditTrail trail)
    {
        var query = QueryReader.Of(context, "limit", "cursor");
        var limit = query.Limit(StandardPage, PolicyActivations.MaxLimit);
        await PolicyEndpoints.RecordAsync(context, trail);
        var inForce = (await activations.ListAsync(1, null, context.RequestAborted)).Items;
        var page = await activations.ListAsync(limit, query.Text("cursor"), context.RequestAborted);
        await Answer.JsonAsync(context, new Page<PolicyVersionView>([.. page.Items.Select(one => View(one, inForce))], page.Next));
    }

    private static async Task ShowAsync(HttpContext context, PolicyActivations activations, AuditTrail trail)
    {
        var version = (string)context.Request.RouteValues["version"]!;
        await PolicyEndpoints.RecordAsync(context, trail);
        var inForce = (await activations.ListAsync(1, null, context.RequestAborted)).Items;
        var (files, times) = await activations.ShowAsync(version, context.RequestAborted);
        await Answer.JsonAsync(context, new PolicyVersionFiles(version, files, [.. times.Select(one => View(one, inForce))]));
    }

    private static async Task ActivateAsync(HttpContext context, PolicyActivations activations)
    {
        var body = await RequestBody.ReadAsync<ActivatePolicy>(context, RequestBody.Batch);
        if (body.Files is null == body.Version is null) throw ProblemException.Member("", "one-of", "Give either files or a version.");
        var files = body.Files ?? (await activations.ShowAsync(body.Version!, context.RequestAborted)).Files;
        var proposal = new PolicyProposal(files, body.Retire ?? []);
        var outcome = body.DryRun
            ? await activations.TryAsync(proposal, context.RequestAborted)
            : await activations.ActivateAsync(Caller.Of(context), proposal, RequestIdentity.Of(context), context.RequestAborted);
        if (!body.DryRun && outcome.Problems.Count > 0) throw new ProblemException("policy-refused", null, [.. outcome.Problems.Take(ProblemsTold).Select(Problem)]);
        await Answer.JsonAsync(context, new ActivationView(
            outcome.Version, outcome.Previous, outcome.Activation is not null, outcome.Activation?.Sequence, outcome.Activation?.LogIndex, outcome.Processes,
            [.. outcome.Problems.Select(problem => new PolicyProblemView(problem.File, problem.Line, problem.Message))], outcome.Notes));
    }

    private static MemberProblem Problem(PolicyProblem problem) => new(
        "/files/" + problem.File.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal),
        string.Create(CultureInfo.InvariantCulture, $"line-{problem.Line}"), problem.Message);

    private static PolicyVersionView View(PolicyActivation one, IReadOnlyList<PolicyActivation> inForce) =>
        new(one.Sequence, one.Version, one.At, one.By, one.LogIndex, inForce.Count > 0 && inForce[0].Sequence == one.Sequence);
}
