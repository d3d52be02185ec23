using System.Security.Claims;
using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Console.Pages;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;

namespace DataVault.Console;

/// <summary>One request of a browser: who it is, their way to the vault, and what pages need to know.</summary>
public sealed class Visit
{
    private readonly IAntiforgery _antiforgery;
    /// <summary>Cookie with the language that was chosen on a page.</summary>
    internal const string ChosenLanguage = "vault-console-language";

    private string? _formToken;

    internal Visit(HttpContext http, SessionTicket? ticket, VaultClient vault, IAntiforgery antiforgery, TimeProvider time)
    {
        (Http, Ticket, Vault, _antiforgery, Now) = (http, ticket, vault, antiforgery, time.GetUtcNow());
    }

    /// <summary>When the request came.</summary>
    public DateTimeOffset Now { get; }

    /// <summary>Path of the request.</summary>
    public string Path => Http.Request.Path.Value ?? "";

    /// <summary>Name of the signed-in person.</summary>
    public string? Name => Ticket?.Name;

    /// <summary>Hidden member of every form.</summary>
    public string FormToken => _formToken ??= _antiforgery.GetAndStoreTokens(Http).RequestToken!;

    /// <summary>What was done before this page, said once at its top.</summary>
    public string? Said => Query("said");

    /// <summary>Whether the person's account is the vault's own, and not an outside provider's.</summary>
    public bool HasAccountPages { get; init; }

    internal HttpContext Http { get; }

    internal SessionTicket? Ticket { get; }

    internal VaultClient Vault { get; }

    internal CancellationToken Cancellation => Http.RequestAborted;

    /// <summary>Whether the person has a role.</summary>
    public bool Is(string role) => Ticket?.Roles.Contains(role) ?? false;

    /// <summary>Whether somebody of the staff is signed in: they read English, and see more of what went wrong.</summary>
    public bool IsOfStaff => Name is not null && !Is("customer");

    /// <summary>The policy in force, which calls everything as the person's language does.</summary>
    internal Task<PolicyView> PolicyAsync() => Vault.PolicyAsync(Tongue.Tag, Cancellation);

    internal string? Query(string name) => Text(Http.Request.Query[name].ToString());

    internal string? Form(string name) => Text(Http.Request.Form[name].ToString());

    internal string[] FormValues(string name) => [.. Http.Request.Form[name].OfType<string>().Where(v => v.Length > 0)];

    /// <summary>What the page says it in: of staff English, of everybody else the first of their languages that the console speaks.</summary>
    public Tongue Tongue => field ??= IsOfStaff ? Tongue.English : Tongue.Of(Languages);

    /// <summary>Languages that the person reads, the dearest first: the one chosen on the page or earlier, then those that their browser names.</summary>
    internal IReadOnlyList<string> Languages =>
    [
        .. new[] { Query("language"), Text(Http.Request.Cookies[ChosenLanguage] ?? "") }.OfType<string>(),
        .. Http.Request.GetTypedHeaders().AcceptLanguage.Where(one => one.Quality != 0).OrderByDescending(one => one.Quality ?? 1).Select(one => one.Value.ToString()),
    ];

    internal string RouteText(string name) => Http.Request.RouteValues[name] as string ?? "";

    internal Guid Id(string name) => Guid.TryParse(Http.Request.RouteValues[name] as string, out var id) ? id : Guid.Empty;

    /// <summary>Renders a page.</summary>
    internal IResult Page<TPage>(params (string Name, object? Value)[] parameters)
        where TPage : IComponent => Page<TPage>(StatusCodes.Status200OK, parameters);

    internal IResult Fail(int status, string title, string? detail, string? again = null, string? trace = null) =>
        Page<ProblemPage>(status, ("Title", title), ("Detail", detail), ("Again", again), ("Trace", trace));

    /// <summary>What went wrong, in the sentences of the console.</summary>
    internal IResult FailAs(int status, string kind, string? again = null, string? trace = null) => Fail(status, Tongue[$"problem.{kind}"], Tongue[$"problem.{kind}.text"], again, trace);

    /// <summary>What the vault answered. Its own words are English and for those who look after it; everybody else reads what it means for them.</summary>
    internal IResult Fail(VaultProblemException problem) => IsOfStaff
        ? Fail((int)problem.StatusCode, Words.Problem(problem.Problem.Slug), Words.Explain(problem.Problem), null, problem.Problem.TraceId)
        : FailAs((int)problem.StatusCode, Kind(problem.Problem), null, problem.Problem.TraceId);

    private string Kind(Problem problem) => problem.Slug switch
    {
        "timeout" => "unavailable",
        "unauthenticated" => "sign-in-again",
        _ when Tongue.Find("problem", problem.Slug) is not null => problem.Slug,
        _ => problem.Status is 400 or 422 ? "invalid-fields" : "other",
    };

    private static string? Text(string value) => string.IsNullOrWhiteSpace(value) ? null : value.Trim();

    internal RazorComponentResult<TPage> Page<TPage>(int status, params (string Name, object? Value)[] parameters)
        where TPage : IComponent
    {
        var all = parameters.ToDictionary(p => p.Name, p => p.Value);
        all["Visit"] = this;
        return new RazorComponentResult<TPage>(all) { StatusCode = status, PreventStreamingRendering = true };
    }
}

/// <summary>Makes a <see cref="Visit"/> of a request and an answer of whatever goes wrong.</summary>
internal sealed class Visits(SessionKeeper sessions, Backchannel backchannel, IAntiforgery antiforgery, ConsoleOptions options, TimeProvider time)
{
    private readonly string _contentPolicy =
        $"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {options.Address}{Elsewhere(options)}; base-uri 'none'; frame-ancestors 'none'";

    /// <param name="context">The request.</param>
    /// <param name="needsPerson">Nobody sees the page without signing in.</param>
    /// <param name="page">Answers.</param>
    /// <param name="way">The page to come back to when the vault wants the person to sign in again for this (RFC 9470); where they are, by default.</param>
    public async Task ReceiveAsync(HttpContext context, bool needsPerson, Func<Visit, Task<IResult>> page, Func<Visit, string>? way = null)
    {
        Protect(context);
        await (await AnswerAsync(context, needsPerson, page, way ?? (visit => visit.Path + visit.Http.Request.QueryString))).ExecuteAsync(context);
    }

    private async Task<IResult> AnswerAsync(HttpContext context, bool needsPerson, Func<Visit, Task<IResult>> page, Func<Visit, string> way)
    {
        var ticket = await FindAsync(context);
        if (ticket is null && needsPerson)
            return HttpMethods.IsGet(context.Request.Method) ? ToSignIn(context) : Results.LocalRedirect("/console");
        // Antiforgery binds its tokens to this name: a token of one person is none for the next.
        if (ticket is not null) context.User = new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.Name, $"{ticket.Realm}/{ticket.Name}/{ticket.Customer}")], "console"));
        var visit = new Visit(context, ticket, Client(ticket, context.Request.Headers["Sec-GPC"].ToString()), antiforgery, time) { HasAccountPages = options.Provider is null };
        Remember(visit);
        if (!HttpMethods.IsGet(context.Request.Method) && !await antiforgery.IsRequestValidAsync(context))
            return visit.FailAs(400, "form-expired");
        return await GuardAsync(visit, page, way);
    }

    private async Task<SessionTicket?> FindAsync(HttpContext context)
    {
        try
        {
            return await sessions.FindAsync(context);
        }
        catch (VaultProblemException)
        {
            return null;
        }
    }

    private async Task<IResult> GuardAsync(Visit visit, Func<Visit, Task<IResult>> page, Func<Visit, string> way)
    {
        try
        {
            return await page(visit);
        }
        catch (VaultProblemException e) when (e.Problem.Slug == "sign-in-again" && visit.Ticket is not null)
        {
            return Results.LocalRedirect("/console/sign-in?again=true&returnTo=" + Uri.EscapeDataString(way(visit)));
        }
        catch (VaultProblemException e) when (e.StatusCode == System.Net.HttpStatusCode.Unauthorized && visit.Ticket is not null)
        {
            sessions.Forget(visit.Http);
            return ToSignIn(visit.Http);
        }
        catch (VaultProblemException e)
        {
            return visit.Fail(e);
        }
    }

    // Nothing but one of the console's own languages is kept.
    private static void Remember(Visit visit)
    {
        if (visit.Query("language") is { } chosen && Tongue.All.Any(one => one.Tag == chosen))
            visit.Http.Response.Cookies.Append(Visit.ChosenLanguage, chosen, new CookieOptions { HttpOnly = true, IsEssential = true, SameSite = SameSiteMode.Lax, Secure = visit.Http.Request.IsHttps, Path = "/console", MaxAge = TimeSpan.FromDays(365) });
    }

    // What the browser signals is said to the vault with each call, word for word: it is the vault that knows what it means.
    private VaultClient Client(SessionTicket? ticket, string signal) => new(
        backchannel.Http, ticket is null ? null : TokenSource.Fixed(ticket.AccessToken),
        new VaultClientOptions { Time = time, Patience = TimeSpan.FromSeconds(3), PrivacySignal = signal });

    private void Protect(HttpContext context)
    {
        var headers = context.Response.Headers;
        headers.ContentSecurityPolicy = _contentPolicy;
        headers.CacheControl = "no-store";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
    }

    // The sign-out form ends at the provider, and browsers look at where a form's answer leads.
    private static string Elsewhere(ConsoleOptions options) => options.Provider is { } provider ? " " + new Uri(provider.Issuer).GetLeftPart(UriPartial.Authority) : "";

    private static IResult ToSignIn(HttpContext context)
    {
        var wanted = HttpMethods.IsGet(context.Request.Method) ? context.Request.Path + context.Request.QueryString : "/console";
        return Results.LocalRedirect("/console/sign-in?returnTo=" + Uri.EscapeDataString(wanted));
    }
}

/// <summary>Maps pages: each handler gets a visit.</summary>
internal sealed class PageMap(IEndpointRouteBuilder routes, Visits visits)
{
    public void Public(string path, Func<Visit, Task<IResult>> page) => routes.MapGet(path, (HttpContext c) => visits.ReceiveAsync(c, needsPerson: false, page));

    public void Get(string path, Func<Visit, Task<IResult>> page) => routes.MapGet(path, (HttpContext c) => visits.ReceiveAsync(c, needsPerson: true, page));

    /// <param name="path">Where the form is sent.</param>
    /// <param name="act">Does what it asks for.</param>
    /// <param name="way">The page of the form, where that is another address.</param>
    public void Post(string path, Func<Visit, Task<IResult>> act, Func<Visit, string>? way = null) =>
        routes.MapPost(path, (HttpContext c) => visits.ReceiveAsync(c, needsPerson: true, act, way));
}
