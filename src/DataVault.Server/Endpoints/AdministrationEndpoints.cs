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
                Description = "With jwks it signs with keys of its own and gets no secret; with dpopBound its tokens are worth nothing without a proof of its key. With redirectUris it is a web application of somebody else in which people sign in, after they were asked.",
                Problems = ["conflict", "invalid-fields", "unknown-purpose"],
            },
            AccessRule.With("clients.manage"));
        routes.MapPut("/v1/clients/{id}/keys", ReplaceKeysAsync).Takes<ReplaceClientKeys>().As(
            new("replaceClientKeys", Tag, "Give an application that signs with keys of its own other public keys")
            {
                Description = "The old key and the new one stand in the set while the application changes over; one that is left out is refused from now on.",
                RequestExample = JsonNode.Parse("""{ "jwks": { "keys": [{ "kty": "EC", "crv": "P-256", "kid": "2027", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }] } }"""),
                Problems = ["not-found", "conflict", "invalid-fields"],
            },
            AccessRule.With("clients.manage"));
        routes.MapGet("/v1/status", StatusAsync).Gives<VaultStatus>().As(
            new("getStatus", Tag, "How the vault does, without personal data"), AccessRule.With("status.read"));
    }

    private static async Task ListClientsAsync(HttpContext context, ClientRegistry registry)
    {
        var clients = await registry.ListAsync(context.RequestAborted);
        await Answer.JsonAsync(context, new Page<ClientView>([.. clients.Select(c => View(c.Registration, c.CreatedAt))], null));
    }

    private static async Task RegisterClientAsync(HttpContext context, ClientRegistry registry, PolicySet policy, ServerSettings settings, TimeProvider clock)
    {
        var body = await RequestBody.ReadAsync<RegisterClient>(context, RequestBody.Small);
        if (body.DpopBound != true && ReadsOf(body, policy, settings.BoundClasses))
            throw ProblemException.Member("/dpopBound", "required", "Its roles read classes of fields that are read with a key of one's own alone: register it with dpopBound.");
        var registration = (body.RedirectUris is null ? Application(body, policy) : PartnerOf(body)) with { IsKeyBound = body.DpopBound ?? false, Resources = body.Resources ?? [] };
        if (body.Jwks is { } keys) registration = registration with { AuthenticationMethod = AuthenticationMethods.PrivateKeyJwt, KeySet = keys.GetRawText() };
        var secret = await RegisterAsync(registry, registration, Caller.PartyOf(context), context.RequestAborted);
        await Answer.JsonAsync(context, new ClientRegistered(View(registration, clock.GetUtcNow()), secret), StatusCodes.Status201Created);
    }

    private static bool ReadsOf(RegisterClient body, PolicySet policy, IReadOnlyList<string> classes) =>
        classes.Count > 0 && policy.Questions.WhatCan(body.Roles, body.Purposes).Any(
            grant => grant.Action == AccessAction.Read && grant.Form == Form.Plain
                && (classes.Contains(grant.Item.Class.Name) || (grant.Item.Class.IsSensitive && classes.Contains(ServerSettings.SensitiveClasses))));

    private static ClientRegistration Application(RegisterClient body, PolicySet policy)
    {
        if (body.Roles.Count == 0 || body.Roles.Any(role => role == IssuerOptions.CustomerRole || IdentitySettings.ProcessRoles.Contains(role) || policy.Roles.Find(role) is null))
            throw ProblemException.Member("/roles", "unknown-word", "Name at least one role of the policy; customer is for people, and some roles are the vault's own.");
        if (body.Purposes.Any(purpose => policy.Purposes.Find(purpose) is null))
            throw new ProblemException("unknown-purpose");
        return ClientRegistration.Application(body.Id, body.Name, body.Roles, body.Purposes);
    }

    // Whoever registers one by the API cannot make the vault's own sign-in of it: people are always asked.
    private static ClientRegistration PartnerOf(RegisterClient body)
    {
        if (body.Roles.Count + body.Purposes.Count > 0)
            throw ProblemException.Member("/roles", "not-allowed", "An application in which people sign in acts for them, and has no roles and purposes of its own.");
        return ClientRegistration.SignIn(body.Id, body.Name, body.RedirectUris ?? [], body.SignOutUris ?? []) with { IsThirdParty = true };
    }

    private static async Task<string?> RegisterAsync(ClientRegistry registry, ClientRegistration registration, IssuerParty actor, CancellationToken cancellationToken)
    {
        if (registration.KeySet is null) return await registry.RegisterAsync(registration, actor, cancellationToken);
        await registry.RegisterKeyHolderAsync(registration, actor, cancellationToken);
        return null;
    }

    private static async Task ReplaceKeysAsync(HttpContext context, string id, ClientRegistry registry)
    {
        var body = await RequestBody.ReadAsync<ReplaceClientKeys>(context, RequestBody.Small);
        await registry.ReplaceKeysAsync(id, body.Jwks.GetRawText(), Caller.PartyOf(context), context.RequestAborted);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private static ClientView View(ClientRegistration registration, DateTimeOffset createdAt) =>
        new(registration.Id, registration.Name, registration.Roles, registration.Purposes, createdAt)
        {
            TokenEndpointAuthMethod = registration.AuthenticationMethod,
            DpopBound = registration.IsKeyBound,
            Resources = registration.Resources.Count == 0 ? null : registration.Resources,
        };

    private static async Task StatusAsync(HttpContext context, StatusReport report, AuditTrail trail)
    {
        await trail.RecordAsync(EntryType.StatusRead, Caller.Of(context), "", EntryResult.Ok, null, null, context.RequestAborted);
        await Answer.JsonAsync(context, await report.MakeAsync(context.RequestAborted));
    }
}
