using DataVault.Issuer;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault;

namespace DataVault.Server.Http;

/// <summary>Who may make a call at all. What it then releases or changes is the policy's matter, field by field.</summary>
/// <param name="Kinds">Kinds of credential that the call is for.</param>
/// <param name="Capability">Capability that one of the roles must carry; customers' own calls need none.</param>
internal sealed record AccessRule(IReadOnlyList<RecipientKind> Kinds, string? Capability)
{
    public static readonly AccessRule Anyone = new([RecipientKind.Application, RecipientKind.Staff, RecipientKind.Customer], null);
    public static readonly AccessRule NotCustomers = new([RecipientKind.Application, RecipientKind.Staff], null);
    public static readonly AccessRule Customers = new([RecipientKind.Customer], null);

    public static AccessRule With(string capability) => NotCustomers with { Capability = capability };

    /// <summary>
    /// The same for people alone: what somebody has to answer for is done by nobody's secret, whatever role it was registered with. INVARIANT: here, and nowhere else, it
    /// is said which acts those are; PeopleOnlyTests asks all the others.
    /// </summary>
    public AccessRule OfPeople() => this with { Kinds = [.. Kinds.Where(kind => kind != RecipientKind.Application)] };

    /// <summary>People who signed in with two factors and not long ago: what was left open on a desk does none of it (<see cref="StepUp"/>).</summary>
    public AccessRule WithFreshSignIn() => OfPeople() with { NeedsFreshSignIn = true };

    /// <summary>Of a person.</summary>
    public bool NeedsFreshSignIn { get; private init; }

    /// <summary>Whether an application may make the call, as far as its roles carry the capability.</summary>
    public bool IsForApplications => Kinds.Contains(RecipientKind.Application);

    /// <summary>For customers about themselves, and for whoever holds the capability about anybody.</summary>
    public static AccessRule OwnOr(string capability) => Anyone with { Capability = capability };
}

/// <summary>The caller of a request.</summary>
internal static class Caller
{
    private static readonly object Key = new();
    private static readonly object ShownKey = new();

    public static Recipient Of(HttpContext context) => Find(context) ?? throw new ProblemException("unauthenticated");

    public static Recipient? Find(HttpContext context) => context.Items.TryGetValue(Key, out var recipient) ? (Recipient?)recipient : null;

    public static ValidatedToken? TokenOf(HttpContext context) => context.Features.Get<ValidatedToken>();

    /// <summary>Tells a refused call what to show (RFC 6750 §3, RFC 9449 §7.1).</summary>
    public static void Challenge(HttpContext context)
    {
        if (Find(context) is not null)
            StepUp.Challenge(context);
        else
            (context.Items.TryGetValue(ShownKey, out var shown) ? (Presented)shown! : default).Challenge(context.Response);
    }

    /// <summary>The caller as who makes a change of an account or a client.</summary>
    public static IssuerParty PartyOf(HttpContext context)
    {
        var caller = Of(context);
        var realm = caller.Kind switch { RecipientKind.Staff => Realm.Staff, RecipientKind.Customer => Realm.Customer, _ => Realm.Application };
        return new IssuerParty(realm, caller.Id, caller.DisplayName);
    }

    /// <summary>Turns an access token into a <see cref="Recipient"/>. It refuses nothing: <see cref="Authorisation"/> does.</summary>
    public static async Task RecogniseAsync(HttpContext context, RequestDelegate next)
    {
        if (Authorisation.IsGuarded(context))
        {
            var shown = await context.RequestServices.GetRequiredService<PresentedTokens>().ReadAsync(context);
            if (shown.Token is { } token)
            {
                context.Items[Key] = ToRecipient(token);
                context.Features.Set(token);
            }
            else
            {
                context.Items[ShownKey] = shown;
            }
        }
        await next(context);
    }

    private static Recipient ToRecipient(ValidatedToken token)
    {
        var kind = token.Realm switch
        {
            Realm.Staff => RecipientKind.Staff,
            Realm.Customer => RecipientKind.Customer,
            _ => RecipientKind.Application,
        };
        var subject = token.Customer is { } customer ? new SubjectId(customer) : (SubjectId?)null;
        return new Recipient(kind, token.Subject, token.Name, token.Roles, token.Purposes, subject, token.Assurance);
    }
}

/// <summary>
/// Default deny for everything under /v1: a call without an <see cref="AccessRule"/> is refused. Elsewhere a rule guards what bears one.
/// Refusals of a known caller are log entries.
/// </summary>
internal static class Authorisation
{
    public static async Task CheckAsync(HttpContext context, RequestDelegate next)
    {
        if (IsGuarded(context))
        {
            var caller = Caller.Of(context);
            var endpoint = context.GetEndpoint();
            if (Caller.TokenOf(context) is { } token && !token.IsGoodFrom(context.Connection.RemoteIpAddress))
            {
                await RecordDenialAsync(context, caller, null);
                throw new ProblemException("forbidden", "The application is not registered for the network that it calls from. The refusal is in the audit log.");
            }
            if (endpoint is RouteEndpoint && !IsPermitted(context, endpoint.Metadata.GetMetadata<AccessRule>(), caller))
            {
                await RecordDenialAsync(context, caller, null);
                throw new ProblemException("forbidden");
            }
            await StepUp.CheckAsync(context, endpoint, caller);
        }
        await next(context);
    }

    public static bool IsGuarded(HttpContext context) =>
        ResponseHeaders.IsApi(context.Request.Path) || context.GetEndpoint()?.Metadata.GetMetadata<AccessRule>() is not null;

    /// <summary>Writes the refusal of a known caller to the log; without the entry there is no answer but 503.</summary>
    public static Task RecordDenialAsync(HttpContext context, Recipient caller, SubjectId? subject) =>
        context.RequestServices.GetRequiredService<AuditTrail>().RecordAsync(
            EntryType.Denied, caller, "", EntryResult.Denied, subject, OperationInfo.NameOf(context), context.RequestAborted);

    private static bool IsPermitted(HttpContext context, AccessRule? rule, Recipient caller)
    {
        if (rule is null || !rule.Kinds.Contains(caller.Kind))
            return false;
        return rule.Capability is null || caller.Kind == RecipientKind.Customer
            || context.RequestServices.GetRequiredService<PolicySet>().Decisions.HasCapability(caller.Roles, rule.Capability);
    }
}
