using System.Text.Json;
using System.Text.Json.Nodes;
using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Issuer;
using DataVault.Policy;
using DataVault.Server.Http;

namespace DataVault.Server.Endpoints;

/// <summary>The applications that may ask for tokens: registered, changed, given another secret or other keys, removed. Each act is in the log with who did it.</summary>
internal static class ClientEndpoints
{
    private const string Tag = "administration";
    private static readonly AccessRule Administrators = AccessRule.With("clients.manage");

    // A secret that is taken along from a desk would work for ever.
    private static readonly AccessRule Fresh = Administrators.WithFreshSignIn();

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/clients", ListAsync).Gives<Page<ClientView>>().As(new("listClients", Tag, "The registered applications"), Administrators);
        routes.MapPost("/v1/clients", RegisterAsync).Takes<RegisterClient>().Gives<ClientRegistered>(201).As(
            new("registerClient", Tag, "Register an application; its secret is shown this once")
            {
                Description = "With jwks it signs with keys of its own and gets no secret; with dpopBound its tokens are worth nothing without a proof of its key. With redirectUris it is a web application of somebody else in which people sign in, after they were asked.",
                RequestExample = JsonNode.Parse(
                    """{ "id": "webshop", "name": "Web shop", "roles": ["ingest"], "purposes": ["service-delivery"], "allowedNetworks": ["198.51.100.0/24"], "expiresAt": "2032-01-01T00:00:00Z", "contact": "shop-team@company.example" }"""),
                Problems = ["conflict", "invalid-fields", "unknown-purpose"],
            },
            Fresh);
        routes.MapPut("/v1/clients/{id}", ChangeAsync).Takes<ChangeClient>().Gives<ClientView>().As(
            new("changeClient", Tag, "Change what an application is registered with: all of it is as given")
            {
                Description = "Tokens that it holds stay as they are for the minutes that they live.",
                RequestExample = JsonNode.Parse("""{ "name": "Web shop", "roles": ["ingest"], "purposes": ["service-delivery"], "allowedNetworks": [], "expiresAt": null, "contact": null }"""),
                Problems = ["not-found", "conflict", "invalid-fields", "invalid-state", "unknown-purpose"],
            },
            Fresh);
        routes.MapPost("/v1/clients/{id}/secret", RotateAsync).Gives<ClientSecret>().As(
            new("rotateClientSecret", Tag, "Give an application another secret; the former one works for another day") { Problems = ["not-found", "conflict", "invalid-fields", "invalid-state"] }, Fresh);
        routes.MapPut("/v1/clients/{id}/keys", ReplaceKeysAsync).Takes<ReplaceClientKeys>().Produces(204).As(
            new("replaceClientKeys", Tag, "Give an application that signs with keys of its own other public keys")
            {
                Description = "The old key and the new one stand in the set while the application changes over; one that is left out is refused from now on.",
                RequestExample = JsonNode.Parse("""{ "jwks": { "keys": [ { "kty": "EC", "crv": "P-256", "kid": "2031", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" } ] } }"""),
                Problems = ["not-found", "conflict", "invalid-fields", "invalid-state"],
            },
            Fresh);
        routes.MapDelete("/v1/clients/{id}", RemoveAsync).Produces(204).As(
            new("removeClient", Tag, "Remove an application; its tokens end at once") { Problems = ["not-found", "invalid-state"] }, Fresh);
    }

    private static async Task ListAsync(HttpContext context, ClientRegistry registry)
    {
        var clients = await registry.ListAsync(context.RequestAborted);
        await Answer.JsonAsync(context, new Page<ClientView>([.. clients.Select(c => View(c.Registration, c.CreatedAt))], null));
    }

    private static async Task RegisterAsync(HttpContext context, ClientRegistry registry, PolicySet policy, ServerSettings settings, TimeProvider clock)
    {
        var body = await RequestBody.ReadAsync<RegisterClient>(context, RequestBody.Small);
        if (body.DpopBound != true) RequireUnbound(body.Roles, body.Purposes, policy, settings);
        RequireFuture(body.ExpiresAt, clock);
        var registration = (body.RedirectUris is null ? Application(body, policy) : PartnerOf(body)) with
        {
            AllowedNetworks = body.AllowedNetworks ?? [],
            ExpiresAt = body.ExpiresAt,
            Contact = body.Contact,
            IsKeyBound = body.DpopBound ?? false,
            Resources = body.Resources ?? [],
        };
        if (body.Jwks is { } keys) registration = registration with { AuthenticationMethod = AuthenticationMethods.PrivateKeyJwt, KeySet = keys.GetRawText() };
        var secret = await SecretOfAsync(registry, registration, Caller.PartyOf(context), context.RequestAborted);
        await Answer.JsonAsync(context, new ClientRegistered(View(registration, clock.GetUtcNow()), secret), StatusCodes.Status201Created);
    }

    private static ClientRegistration Application(RegisterClient body, PolicySet policy)
    {
        CheckWords(body.Roles, body.Purposes, policy);
        return ClientRegistration.Application(body.Id, body.Name, body.Roles, body.Purposes);
    }

    // Whoever registers one by the API cannot make the vault's own sign-in of it: people are always asked.
    private static ClientRegistration PartnerOf(RegisterClient body)
    {
        RequireNone(body.Roles, body.Purposes);
        return ClientRegistration.SignIn(body.Id, body.Name, body.RedirectUris ?? [], body.SignOutUris ?? []) with { IsThirdParty = true };
    }

    private static async Task<string?> SecretOfAsync(ClientRegistry registry, ClientRegistration registration, IssuerParty actor, CancellationToken cancellationToken)
    {
        if (registration.KeySet is null) return await registry.RegisterAsync(registration, actor, cancellationToken);
        await registry.RegisterKeyHolderAsync(registration, actor, cancellationToken);
        return null;
    }

    private static async Task ChangeAsync(HttpContext context, string id, ClientRegistry registry, PolicySet policy, ServerSettings settings)
    {
        var body = await RequestBody.ReadAsync<ChangeClient>(context, RequestBody.Small);
        RequireOthers(id);
        await registry.ChangeAsync(id, known => Changed(known, body, policy, settings), Caller.PartyOf(context), context.RequestAborted);
        var changed = (await registry.ListAsync(context.RequestAborted)).First(c => c.Registration.Id == id);
        await Answer.JsonAsync(context, View(changed.Registration, changed.CreatedAt));
    }

    private static ClientRegistration Changed(ClientRegistration known, ChangeClient body, PolicySet policy, ServerSettings settings)
    {
        if (known.RedirectUris.Count > 0) RequireNone(body.Roles, body.Purposes);
        else CheckWords(body.Roles, body.Purposes, policy);
        if (!known.IsKeyBound) RequireUnbound(body.Roles, body.Purposes, policy, settings);
        return known with
        {
            Name = body.Name,
            Roles = body.Roles,
            Purposes = body.Purposes,
            AllowedNetworks = body.AllowedNetworks,
            ExpiresAt = body.ExpiresAt,
            Contact = body.Contact,
        };
    }

    private static async Task RotateAsync(HttpContext context, string id, ClientRegistry registry)
    {
        RequireOthers(id);
        await Answer.JsonAsync(context, new ClientSecret(await registry.RotateSecretAsync(id, Caller.PartyOf(context), context.RequestAborted)));
    }

    private static async Task ReplaceKeysAsync(HttpContext context, string id, ClientRegistry registry)
    {
        var body = await RequestBody.ReadAsync<ReplaceClientKeys>(context, RequestBody.Small);
        RequireOthers(id);
        await registry.ReplaceKeysAsync(id, body.Jwks.GetRawText(), Caller.PartyOf(context), context.RequestAborted);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private static async Task RemoveAsync(HttpContext context, string id, ClientRegistry registry)
    {
        RequireOthers(id);
        await registry.RemoveAsync(id, Caller.PartyOf(context), context.RequestAborted);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private static void CheckWords(IReadOnlyList<string> roles, IReadOnlyList<string> purposes, PolicySet policy)
    {
        if (roles.Count == 0 || roles.Any(role => role == IssuerOptions.CustomerRole || IdentitySettings.ProcessRoles.Contains(role) || policy.Roles.Find(role) is null))
            throw ProblemException.Member("/roles", "unknown-word", "Name at least one role of the policy; customer is for people, and some roles are the vault's own.");
        if (purposes.Any(purpose => policy.Purposes.Find(purpose) is null))
            throw new ProblemException("unknown-purpose");
    }

    private static void RequireNone(IReadOnlyList<string> roles, IReadOnlyList<string> purposes)
    {
        if (roles.Count + purposes.Count > 0)
            throw ProblemException.Member("/roles", "not-allowed", "An application in which people sign in acts for them, and has no roles and purposes of its own.");
    }

    private static void RequireUnbound(IReadOnlyList<string> roles, IReadOnlyList<string> purposes, PolicySet policy, ServerSettings settings)
    {
        if (ReadsOf(roles, purposes, policy, settings.BoundClasses))
            throw ProblemException.Member("/dpopBound", "required", "Its roles read classes of fields that are read with a key of one's own alone: register it with dpopBound.");
    }

    private static bool ReadsOf(IReadOnlyList<string> roles, IReadOnlyList<string> purposes, PolicySet policy, IReadOnlyList<string> classes) =>
        classes.Count > 0 && policy.Questions.WhatCan(roles, purposes).Any(
            grant => grant.Action == AccessAction.Read && grant.Form == Form.Plain
                && (classes.Contains(grant.Item.Class.Name) || (grant.Item.Class.IsSensitive && classes.Contains(ServerSettings.SensitiveClasses))));

    private static void RequireFuture(DateTimeOffset? expiry, TimeProvider clock)
    {
        if (expiry <= clock.GetUtcNow())
            throw ProblemException.Member("/expiresAt", "out-of-range", "The expiry is to come, or absent.");
    }

    // The ways in that the vault brings itself are made anew at its start; without them nobody could sign in to mend anything.
    private static void RequireOthers(string id)
    {
        if (id is Startup.ConsoleClient or CommandLineClient.Id)
            throw new ProblemException("invalid-state", "This client is the vault's own.");
    }

    private static ClientView View(ClientRegistration r, DateTimeOffset createdAt) => new(r.Id, r.Name, r.Roles, r.Purposes, createdAt)
    {
        AllowedNetworks = r.AllowedNetworks, ExpiresAt = r.ExpiresAt, Contact = r.Contact, TokenEndpointAuthMethod = r.AuthenticationMethod, DpopBound = r.IsKeyBound,
        Resources = r.Resources.Count == 0 ? null : r.Resources,
    };
}
