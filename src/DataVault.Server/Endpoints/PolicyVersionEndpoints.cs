using System.Globalization;
using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Issuer;
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
    private const int LargestDiff = 5_000;
    private static readonly AccessRule Read = AccessRule.With(Capabilities.PolicyRead);
    // An application tries versions; whether it puts one in force is a setting, looked at below.
    private static readonly AccessRule Manage = AccessRule.With(Capabilities.PolicyManage).WithFreshSignIn() with { Kinds = AccessRule.NotCustomers.Kinds };

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/policy/versions", ListAsync).Gives<Page<PolicyVersionView>>().As(
            new("listPolicyVersions", Tag, "Which version of the policy came into force when, newest first")
            {
                Description = "What is marked as in force is what decides; `damage` says that the database names it no more: its row was `deleted` or changed, and `check` tells of it.",
                Query = [QueryParameter.Limit, QueryParameter.Cursor],
            },
            Read);
        routes.MapGet("/v1/policy/versions/{version}", ShowAsync).Gives<PolicyVersionFiles>().As(
            new("getPolicyVersion", Tag, "A version of the policy with all its files") { Problems = ["not-found"] }, Read);
        routes.MapPost("/v1/policy/activations", ActivateAsync).Takes<ActivatePolicy>().Gives<ActivationView>().TakesLong().As(
            About("activatePolicy", "Put a version of the policy in force, in every process", """{ "version": "7d3dba45c1e09a52b7f6d0c4a1b2c3d4", "dryRun": true }""") with
            {
                Description = "It must load, pass the lint and all its cases, with every rule covered, and be able to follow the version in force; changes to what people were told or agreed to must be acknowledged by name. It is for people; an application may try it (`dryRun`), and does it only where Vault__ApplicationsActivatePolicies says so. After the answer no process begins a decision by an earlier one.",
            },
            Manage);
        routes.MapPost("/v1/policy/diff", DiffAsync).Takes<DiffRequest>().Gives<DiffView>().TakesLong().As(
            About("diffPolicies", "Every combination that one version releases and another does not", """{ "before": "7d3dba45c1e09a52b7f6d0c4a1b2c3d4", "limit": 100 }""") with
            {
                Description = "Role, purpose, action, field, form and conditions, exactly, page by page; masks, generalisations, capabilities and purposes that changed stand on every page.",
            },
            Read);
        routes.MapPost("/v1/policy/replay", ReplayAsync).Takes<ReplayRequest>().Gives<ReplayView>().TakesLong().As(
            About(
                "replayPolicy", "Recorded decisions under a draft: which would come out otherwise, about how many people",
                """{ "since": "2026-10-01T00:00:00Z", "version": "7d3dba45c1e09a52b7f6d0c4a1b2c3d4" }""") with
            {
                Description = "Read from the log alone; no value is opened and no person named. The answer says what the log does not keep.",
            },
            Read);
    }

    /// <summary>An operation about versions, one of which may be a draft that does not load.</summary>
    private static OperationInfo About(string name, string summary, string example) =>
        new(name, Tag, summary) { RequestExample = JsonNode.Parse(example), Problems = ["not-found", "invalid-state", "policy-refused"] };

    private static async Task ListAsync(HttpContext context, PolicyActivations activations, AuditTrail trail)
    {
        var query = QueryReader.Of(context, "limit", "cursor");
        var limit = query.Limit(StandardPage, PolicyActivations.MaxLimit);
        await PolicyEndpoints.RecordAsync(context, trail);
        var page = await activations.ListAsync(limit, query.Text("cursor"), context.RequestAborted);
        await Answer.JsonAsync(context, new Page<PolicyVersionView>([.. page.Items.Select(View)], page.Next));
    }

    private static async Task ShowAsync(HttpContext context, PolicyActivations activations, AuditTrail trail)
    {
        var version = (string)context.Request.RouteValues["version"]!;
        await PolicyEndpoints.RecordAsync(context, trail);
        var (files, times) = await activations.ShowAsync(version, context.RequestAborted);
        await Answer.JsonAsync(context, new PolicyVersionFiles(version, files, [.. times.Select(View)]));
    }

    private static async Task ActivateAsync(HttpContext context, PolicyActivations activations, ServerSettings settings)
    {
        var body = await RequestBody.ReadAsync<ActivatePolicy>(context, RequestBody.Batch);
        if (!body.DryRun && Caller.Of(context) is { Kind: RecipientKind.Application } application && !settings.ApplicationsActivatePolicies)
        {
            await Authorisation.RecordDenialAsync(context, application, null);
            throw new ProblemException("forbidden", "A version comes into force by a person's own sign-in; an application may try it (dryRun). The refusal is in the audit log.");
        }

        if (body.Files is null == body.Version is null) throw ProblemException.Member("", "one-of", "Give either files or a version.");
        var files = body.Files ?? (await activations.ShowAsync(body.Version!, context.RequestAborted)).Files;
        var proposal = new PolicyProposal(files, body.Retire ?? []) { Acknowledge = body.Acknowledge ?? [] };
        var outcome = body.DryRun
            ? await activations.TryAsync(Caller.Of(context), proposal, RequestIdentity.Of(context), context.RequestAborted)
            : await activations.ActivateAsync(Caller.Of(context), proposal, RequestIdentity.Of(context), context.RequestAborted);
        if (!body.DryRun && outcome.Problems.Count > 0) throw new ProblemException("policy-refused", null, [.. outcome.Problems.Take(ProblemsTold).Select(Problem)]);
        await Answer.JsonAsync(context, new ActivationView(
            outcome.Version, outcome.Previous, outcome.Activation is not null, outcome.Activation?.Sequence, outcome.Activation?.LogIndex, outcome.Processes,
            [.. outcome.Problems.Select(problem => new PolicyProblemView(problem.File, problem.Line, problem.Message))], outcome.Notes)
        {
            ToAcknowledge = outcome.ToAcknowledge,
        });
    }

    private static async Task DiffAsync(HttpContext context, PolicySet policy, PolicyActivations activations, AuditTrail trail)
    {
        var body = await RequestBody.ReadAsync<DiffRequest>(context, RequestBody.Batch);
        if (body.Limit is < 1 or > LargestDiff) throw ProblemException.Member("/limit", "out-of-range", $"The limit is between 1 and {LargestDiff}.");
        var skipped = 0;
        if (body.Cursor is not null && !int.TryParse(body.Cursor, NumberStyles.None, CultureInfo.InvariantCulture, out skipped)) throw ProblemException.Member("/cursor", "invalid-cursor", "The cursor is not valid.");
        var before = body.Before is null ? policy : await activations.LoadAsync(body.Before, context.RequestAborted);
        var after = body.Files is null && body.After is null ? policy : await DraftAsync(activations, body.Files, body.After, context.RequestAborted);
        var diff = new PolicyDiff(before, after);
        await PolicyEndpoints.RecordAsync(context, trail);
        var (count, released, page) = (0, 0, new List<DifferenceView>());
        foreach (var difference in diff.Differences())
        {
            released += difference.Released ? 1 : 0;
            if (count++ >= skipped && page.Count < body.Limit) page.Add(new DifferenceView(difference.Released ? "released" : "withdrawn", PolicyEndpoints.View(difference.Grant)));
        }

        var next = skipped + page.Count < count ? (skipped + page.Count).ToString(CultureInfo.InvariantCulture) : null;
        await Answer.JsonAsync(context, new DiffView(
            before.Version, after.Version, released, count - released, [.. diff.Forms.Select(form => new FormChangeView(form.Item, form.What, form.Before, form.After))],
            [.. diff.RoleCapabilities.Select(one => new CapabilityChangeView(one.Given ? "given" : "taken", one.Role, one.Capability))], page, next)
        {
            Recipients = [.. diff.Recipients.Select(one => new RecipientChangeView(one.Recipient, one.What, one.Before, one.After))],
            Purposes = [.. diff.Purposes.Select(one => new PurposeChangeView(one.Purpose, one.What, one.Before, one.After))],
        });
    }

    private static async Task ReplayAsync(HttpContext context, PolicyActivations activations, PolicyReplay replay, ClientRegistry registry, AuditTrail trail)
    {
        var body = await RequestBody.ReadAsync<ReplayRequest>(context, RequestBody.Batch);
        var draft = await DraftAsync(activations, body.Files, body.Version, context.RequestAborted);
        var clients = await registry.ListAsync(context.RequestAborted);
        await PolicyEndpoints.RecordAsync(context, trail);
        var report = await replay.RunAsync(draft, body.Since, [.. clients.Select(client => new KnownApplication(client.Registration.Id, client.Registration.Roles))], context.RequestAborted);
        await Answer.JsonAsync(context, new ReplayView(
            report.Since, report.Until, report.Draft, report.Entries, report.Changed, report.People, report.Unattributed, report.Unversioned,
            [.. report.Fields.Select(field => new ReplayFieldView(field.Item, Word(field.Fate), field.Entries, field.People))],
            [.. report.Lines.Select(line => new ReplayLineView(line.Item, Word(line.Fate), line.Purpose, line.Actor, line.Entries, line.People))], report.Limits));
    }

    private static string Word(ReadFate fate) => fate.ToString().ToLowerInvariant();

    /// <summary>A draft is questioned as it is: what the lint finds of it is for its activation to refuse.</summary>
    private static async Task<PolicySet> DraftAsync(PolicyActivations activations, IReadOnlyDictionary<string, string>? files, string? version, CancellationToken cancellation)
    {
        if (files is null == version is null) throw ProblemException.Member("", "one-of", "Give either files or a version.");
        if (files is null) return await activations.LoadAsync(version!, cancellation);
        try
        {
            return PolicySet.Load(files);
        }
        catch (PolicyException e)
        {
            throw new ProblemException("policy-refused", null, [.. e.Problems.Take(ProblemsTold).Select(Problem)]);
        }
    }

    private static MemberProblem Problem(PolicyProblem problem) => new(
        "/files/" + problem.File.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal),
        string.Create(CultureInfo.InvariantCulture, $"line-{problem.Line}"), problem.Message);

    private static PolicyVersionView View(PolicyActivation one) => new(one.Sequence, one.Version, one.At, one.By, one.LogIndex, one.InForce) { Damage = one.IsGone ? "deleted" : null };
}
