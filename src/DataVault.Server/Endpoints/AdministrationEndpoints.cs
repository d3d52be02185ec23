using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Issuer;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Server.Operations;
using DataVault.Transparency;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>What administrators do: register applications and people, watch the vault. None of it reads a customer.</summary>
internal static class AdministrationEndpoints
{
    private const string Tag = "administration";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/clients", ListClientsAsync).Gives<Page<ClientView>>().As(
            new("listClients", Tag, "The registered applications"), AccessRule.With("clients.manage"));
        routes.MapPost("/v1/clients", RegisterClientAsync).Takes<RegisterClient>().Gives<ClientRegistered>(201).As(
            new("registerClient", Tag, "Register an application; its secret is shown this once")
            {
                RequestExample = JsonNode.Parse("""{ "id": "webshop", "name": "Web shop", "roles": ["ingest"], "purposes": ["service-delivery"] }"""),
                Problems = ["conflict", "invalid-fields", "unknown-purpose"],
            },
            AccessRule.With("clients.manage"));
        routes.MapPost("/v1/accounts", CreateAccountAsync).Takes<CreateAccount>().Gives<AccountCreated>(201).As(
            new("createAccount", Tag, "Make an account for a person; its one-time password is shown this once")
            {
                RequestExample = JsonNode.Parse("""{ "email": "officer.two@vault.example", "role": "compliance-officer" }"""),
                Problems = ["conflict", "invalid-fields"],
            },
            AccessRule.With("accounts.manage"));
        routes.MapGet("/v1/status", StatusAsync).Gives<VaultStatus>().As(
            new("getStatus", Tag, "How the vault does, without personal data"), AccessRule.With("status.read"));
    }

    private static async Task ListClientsAsync(HttpContext context, ClientRegistry registry)
    {
        var clients = await registry.ListAsync(context.RequestAborted);
        await Answer.JsonAsync(context, new Page<ClientView>([.. clients.Select(c => View(c.Registration, c.CreatedAt))], null));
    }

    private static async Task RegisterClientAsync(HttpContext context, ClientRegistry registry, PolicySet policy, TimeProvider clock)
    {
        var body = await RequestBody.ReadAsync<RegisterClient>(context, RequestBody.Small);
        if (body.Roles.Count == 0 || body.Roles.Any(role => role == IssuerOptions.CustomerRole || IdentitySettings.ProcessRoles.Contains(role) || policy.Roles.Find(role) is null))
            throw ProblemException.Member("/roles", "unknown-word", "Name at least one role of the policy; customer is for people, and some roles are the vault's own.");
        if (body.Purposes.Any(purpose => policy.Purposes.Find(purpose) is null))
            throw new ProblemException("unknown-purpose");
        var registration = ClientRegistration.Application(body.Id, body.Name, body.Roles, body.Purposes);
        var secret = await registry.RegisterAsync(registration, Caller.PartyOf(context), context.RequestAborted);
        await Answer.JsonAsync(context, new ClientRegistered(View(registration, clock.GetUtcNow()), secret), StatusCodes.Status201Created);
    }

    private static ClientView View(ClientRegistration registration, DateTimeOffset createdAt) =>
        new(registration.Id, registration.Name, registration.Roles, registration.Purposes, createdAt);

    private static async Task CreateAccountAsync(HttpContext context, AccountRegistry registry)
    {
        var body = await RequestBody.ReadAsync<CreateAccount>(context, RequestBody.Small);
        var issued = await registry.CreateAsync(body.Email, body.Role, Caller.PartyOf(context), body.Customer, lasting: false, context.RequestAborted);
        await Answer.JsonAsync(context, new AccountCreated(issued.Id, body.Role, issued.OneTimePassword), StatusCodes.Status201Created);
    }

    private static async Task StatusAsync(HttpContext context, StatusReport report, AuditTrail trail)
    {
        await trail.RecordAsync(EntryType.StatusRead, Caller.Of(context), "", EntryResult.Ok, null, null, context.RequestAborted);
        await Answer.JsonAsync(context, await report.MakeAsync(context.RequestAborted));
    }
}
