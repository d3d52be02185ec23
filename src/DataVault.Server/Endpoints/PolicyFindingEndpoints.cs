using DataVault.Client.Wire;
using DataVault.Issuer;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>The lint of the version in force, and what only the server can find: it knows which credentials there are.</summary>
internal static class PolicyFindingEndpoints
{
    private const string CustomerRole = "customer";

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/v1/policy/findings", ListAsync).Gives<PolicyFindings>().As(
        new("listPolicyFindings", "policy", "What the lint finds of the version in force, roles that nobody has, and roles and purposes of credentials that it does not declare")
        {
            Description = "No account is named.",
        },
        AccessRule.With(Capabilities.PolicyRead));

    private static async Task ListAsync(HttpContext context, PolicySet policy, ClientRegistry clients, AccountRegistry accounts, AuditTrail trail)
    {
        var applications = (await clients.ListAsync(context.RequestAborted)).Select(client => client.Registration).ToList();
        var staff = (await accounts.ListAsync(Realm.Staff, context.RequestAborted)).SelectMany(account => account.Roles).ToList();
        await PolicyEndpoints.RecordAsync(context, trail);
        await Answer.JsonAsync(context, new PolicyFindings(policy.Version, [.. policy.Lint().Concat(OfCredentials(policy, applications, staff))
            .Select(finding => new PolicyProblemView(finding.File, finding.Line, finding.Message))]));
    }

    private static IEnumerable<PolicyProblem> OfCredentials(PolicySet policy, List<ClientRegistration> applications, List<string> staff)
    {
        var had = Lineage(policy, [.. applications.SelectMany(application => application.Roles), .. staff, .. ProcessRoles.All, CustomerRole]);
        foreach (var role in policy.Roles.All.Where(role => !had.Contains(role.Name)))
            yield return new PolicyProblem("roles.yaml", 0, $"nobody has the role {role.Name}: no account, no application");
        foreach (var application in applications)
        {
            foreach (var role in application.Roles.Where(role => policy.Roles.Find(role) is null))
                yield return new PolicyProblem("roles.yaml", 0, $"the application {application.Id} has the role {role}, which is not declared: it may do nothing by it");
            foreach (var purpose in application.Purposes.Where(purpose => policy.Purposes.Find(purpose) is null))
                yield return new PolicyProblem("purposes.yaml", 0, $"the application {application.Id} is bound to the purpose {purpose}, which is not declared");
        }

        foreach (var role in staff.Where(role => policy.Roles.Find(role) is null).GroupBy(role => role))
            yield return new PolicyProblem("roles.yaml", 0, $"{role.Count()} accounts have the role {role.Key}, which is not declared: they may do nothing by it");
    }

    // Whoever has a role has those that it descends from.
    private static HashSet<string> Lineage(PolicySet policy, IEnumerable<string> roles)
    {
        var (had, open) = (new HashSet<string>(StringComparer.Ordinal), new Queue<string>(roles));
        while (open.TryDequeue(out var role))
        {
            if (!had.Add(role)) continue;
            foreach (var parent in policy.Roles.Find(role)?.Parents ?? []) open.Enqueue(parent);
        }

        return had;
    }
}
