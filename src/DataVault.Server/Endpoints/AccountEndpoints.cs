using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Issuer;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>What administrators do with the accounts of people: invite, switch off, sign out, give another chance. Every act is an entry that names who did it.</summary>
internal static class AccountEndpoints
{
    private const string Tag = "administration";
    private const string Capability = "accounts.manage";

    public static void Map(IEndpointRouteBuilder routes)
    {
        var manage = AccessRule.With(Capability);
        // Whoever lets somebody in, anew or again, shows that it is they who sit there.
        var fresh = manage.WithFreshSignIn();
        routes.MapPost("/v1/accounts", CreateAsync).Takes<CreateAccount>().Gives<AccountCreated>(201).As(
            new("createAccount", Tag, "Make an account for a person; its one-time password is shown this once")
            {
                RequestExample = JsonNode.Parse("""{ "email": "officer.two@vault.example", "role": "compliance-officer" }"""),
                Problems = ["conflict", "forbidden", "invalid-fields"],
            },
            fresh);
        routes.MapPost("/v1/accounts/invitations", InviteAsync).Takes<InviteCustomer>().Gives<CustomerInvited>(201).As(
            new("inviteCustomer", Tag, "Send a customer the way to an account of their own, to the e-mail address that is held of them")
            {
                Description = "Nobody but the reader of that mailbox chooses the password; the address is the one to sign in with.",
                RequestExample = JsonNode.Parse("""{ "customer": "01a20120-1ce2-7ae1-9322-e92c76de7769" }"""),
                Problems = ["conflict", "forbidden", "invalid-fields"],
            },
            fresh);
        routes.MapGet("/v1/accounts", ListAsync).Gives<Page<StaffAccount>>().As(
            new("listAccounts", Tag, "The accounts of the staff, without addresses: those are sealed, and looked up one by one"), manage);
        routes.MapPost("/v1/accounts/find", FindAsync).Takes<FindAccount>().Gives<StaffAccount>().As(
            new("findAccount", Tag, "The account of the staff that has this address")
            {
                RequestExample = JsonNode.Parse("""{ "email": "officer.two@vault.example" }"""),
                Problems = ["not-found"],
            },
            manage);
        MapAct(routes, fresh, "password-reset", "resetPassword", "Give somebody another one-time password, shown this once; the second factor stays, every session ends", ResetPasswordAsync);
        MapAct(routes, fresh, "second-factor-reset", "resetSecondFactor", "Take a lost second factor away: by another person's own sign-in, never by an application", ResetSecondFactorAsync);
        MapAct(routes, fresh, "disable", "disableAccount", "Switch an account off; its sessions and tokens end", (accounts, id, actor, stop) => SwitchAsync(accounts, id, true, actor, stop));
        MapAct(routes, fresh, "enable", "enableAccount", "Switch an account on again", (accounts, id, actor, stop) => SwitchAsync(accounts, id, false, actor, stop));
        MapAct(routes, manage, "sign-out", "signOutAccount", "Sign somebody out everywhere", SignOutAsync);
    }

    private static void MapAct(
        IEndpointRouteBuilder routes, AccessRule rule, string act, string name, string what, Func<AccountRegistry, Guid, IssuerParty, CancellationToken, Task<string?>> make) =>
        routes.MapPost(
            "/v1/accounts/{id}/" + act,
            async (HttpContext context, AccountRegistry accounts) =>
            {
                var id = Guid.TryParseExact((string?)context.Request.RouteValues["id"], "D", out var given) ? given : throw new ProblemException("not-found");
                await Answer.JsonAsync(context, new AccountActed(id, act, await MakeAsync(context, actor => make(accounts, id, actor, context.RequestAborted))));
            }).Gives<AccountActed>().As(new(name, Tag, what) { Problems = ["not-found", "forbidden"] }, rule);

    // What one person alone may not do is in the log even so.
    private static async Task<string?> MakeAsync(HttpContext context, Func<IssuerParty, Task<string?>> make)
    {
        try
        {
            return await make(Caller.PartyOf(context));
        }
        catch (IssuerException e) when (e.Slug == "forbidden")
        {
            await Authorisation.RecordDenialAsync(context, Caller.Of(context), null);
            throw;
        }
    }

    private static async Task CreateAsync(HttpContext context, AccountRegistry registry, KnownSubjects subjects)
    {
        var body = await RequestBody.ReadAsync<CreateAccount>(context, RequestBody.Small);
        if (body.Customer is { } customer) await RequireAccountableAsync(context, subjects, new SubjectId(customer));
        var issued = await registry.CreateAsync(body.Email, body.Role, Caller.PartyOf(context), body.Customer, lasting: false, context.RequestAborted);
        await Answer.JsonAsync(context, new AccountCreated(issued.Id, body.Role, issued.OneTimePassword), StatusCodes.Status201Created);
    }

    private static async Task InviteAsync(HttpContext context, MailedLinks links, KnownSubjects subjects)
    {
        var body = await RequestBody.ReadAsync<InviteCustomer>(context, RequestBody.Small);
        await RequireAccountableAsync(context, subjects, new SubjectId(body.Customer));
        var until = await links.InviteAsync(body.Customer, Caller.PartyOf(context), context.RequestAborted);
        await Answer.JsonAsync(context, new CustomerInvited(body.Customer, until), StatusCodes.Status201Created);
    }

    // Who belongs to an account is said by somebody with a name. Whoever asks about ids learns no more of one that is nobody's than of one with an account.
    private static async Task RequireAccountableAsync(HttpContext context, KnownSubjects subjects, SubjectId customer)
    {
        var caller = Caller.Of(context);
        if (caller.Kind != RecipientKind.Staff)
        {
            await Authorisation.RecordDenialAsync(context, caller, null);
            throw new ProblemException("forbidden", "The account of a customer is made by a member of staff, by their own sign-in. The refusal is in the audit log.");
        }

        if (!await subjects.IsKnownAsync(customer, context.RequestAborted)) throw new ProblemException("conflict", AccountRegistry.NoAccountToMake);
    }

    private static async Task ListAsync(HttpContext context, AccountRegistry registry) =>
        await Answer.JsonAsync(context, new Page<StaffAccount>([.. (await registry.ListAsync(Realm.Staff, context.RequestAborted)).Select(View)], null));

    private static async Task FindAsync(HttpContext context, AccountRegistry registry)
    {
        var body = await RequestBody.ReadAsync<FindAccount>(context, RequestBody.Small);
        var found = await registry.FindAsync(Realm.Staff, body.Email, context.RequestAborted) ?? throw new ProblemException("not-found");
        await Answer.JsonAsync(context, View(found));
    }

    private static async Task<string?> ResetPasswordAsync(AccountRegistry accounts, Guid id, IssuerParty actor, CancellationToken cancellation) =>
        (await accounts.ResetPasswordAsync(id, actor, cancellation)).OneTimePassword;

    private static async Task<string?> ResetSecondFactorAsync(AccountRegistry accounts, Guid id, IssuerParty actor, CancellationToken cancellation)
    {
        await accounts.ResetSecondFactorAsync(id, actor, cancellation);
        return null;
    }

    private static async Task<string?> SwitchAsync(AccountRegistry accounts, Guid id, bool disabled, IssuerParty actor, CancellationToken cancellation)
    {
        await accounts.SetDisabledAsync(id, disabled, actor, cancellation);
        return null;
    }

    private static async Task<string?> SignOutAsync(AccountRegistry accounts, Guid id, IssuerParty actor, CancellationToken cancellation)
    {
        await accounts.EndSessionsAsync(id, actor, cancellation);
        return null;
    }

    private static StaffAccount View(AccountView account) =>
        new(account.Id, account.Roles, account.Disabled, account.MustChangePassword, account.HasSecondFactor, account.CreatedAt);
}
