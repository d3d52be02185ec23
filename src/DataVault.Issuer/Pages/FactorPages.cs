using System.Globalization;
using DataVault.Cryptography;
using DataVault.Issuer.Accounts;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace DataVault.Issuer.Pages;

/// <summary>The second factor: shown at a sign-in, set up, and the recovery codes for the day on which it is lost.</summary>
internal sealed class FactorPages(SecondFactors factors, Sessions sessions, SignInFlow flow, AccountRegistry accounts, FactorRecoveries recoveries, Visits visits)
{
    private const string Failed = "This code is not right, was used before, or there were too many attempts. Wait for the next code of the app, or for a while.";
    private const int SecretGroup = 4;

    /// <summary>What changes a sign-in needs one that is younger than this.</summary>
    public static readonly TimeSpan Fresh = TimeSpan.FromMinutes(15);

    public async Task<IResult> ShowAsync(HttpContext context)
    {
        if (await visits.ReturnAsync(context, context.Request.Query["returnUrl"]) is not { } back) return Visits.BadReturn(context);
        var session = await visits.SignedInAsync(context);
        return IsAsked(session) ? Ask(context, back, null) : Elsewhere(session, back);
    }

    public async Task<IResult> CheckAsync(HttpContext context)
    {
        var session = await visits.SignedInAsync(context);
        if (await visits.FormAsync(context) is not { } form) return Visits.Stale(context);
        if (await visits.ReturnAsync(context, form["returnUrl"]) is not { } back) return Visits.BadReturn(context);
        if (!IsAsked(session)) return Elsewhere(session, back);
        if (await factors.CheckAsync(session!, form["code"].ToString(), context.RequestAborted) is not { } proof) return Ask(context, back, Failed);
        await recoveries.ShownAsync(session!.Account.Id, context.RequestAborted);
        await sessions.StartAsync(context, session.Account, proof);
        return Results.LocalRedirect(back.Path);
    }

    public async Task<IResult> ShowNewAsync(HttpContext context)
    {
        if (await visits.ReturnAsync(context, context.Request.Query["returnUrl"]) is not { } back) return Visits.BadReturn(context);
        var session = await visits.SignedInAsync(context);
        return Before(SignInStep.NewFactor, session, back) ?? New(context, factors.Begin(session!), back, null);
    }

    public async Task<IResult> EnrolAsync(HttpContext context)
    {
        var session = await visits.SignedInAsync(context);
        if (await visits.FormAsync(context) is not { } form) return Visits.Stale(context);
        if (await visits.ReturnAsync(context, form["returnUrl"]) is not { } back) return Visits.BadReturn(context);
        if (Before(SignInStep.NewFactor, session, back) is { } earlier) return earlier;
        if (factors.Read(session!, form["enrolment"].ToString()) is not { } enrolment) return Visits.Stale(context);
        if (factors.Confirm(enrolment, form["code"].ToString()) is not { } step)
            return New(context, enrolment, back, "This is not the code that the app shows for this key now. Check the clock of the telephone, and try the next code.");
        var codes = await accounts.EnrolCodesAsync(session!.Account.Id, enrolment, step, context.RequestAborted);
        return await ShowCodesAsync(context, session.Account.Id, SignInProof.PasswordAndCode, codes, back);
    }

    public async Task<IResult> ShowRecoveryAsync(HttpContext context)
    {
        var session = await visits.SignedInAsync(context);
        return Before(null, session, ReturnAddress.SignedIn) ?? Recovery(context, session!);
    }

    public async Task<IResult> RenewRecoveryAsync(HttpContext context)
    {
        var session = await visits.SignedInAsync(context);
        if (await visits.FormAsync(context) is null) return Visits.Stale(context);
        if (Before(null, session, ReturnAddress.SignedIn) is { } earlier) return earlier;
        if (!session!.Account.HasSecondFactor) return Results.LocalRedirect(ReturnAddress.SignedIn.Path);
        return Codes(context, await accounts.RenewRecoveryCodesAsync(session.Account.Id, context.RequestAborted), ReturnAddress.SignedIn);
    }

    // Mail programs look at links before people do, so that the link alone stops nothing.
    public IResult ShowKeep(HttpContext context) => Page.Show(context, "Keep your second factor", Markup.Of($"""
        <p>Your second factor stays, and nobody takes it away without telling you anew.</p>
        <form method="post" action="{FactorRecoveries.StopPath}">
        {visits.Token(context)}
        <input type="hidden" name="value" value="{context.Request.Query["value"].ToString()}">
        <button type="submit">Keep it</button>
        </form>
        """));

    public async Task<IResult> KeepAsync(HttpContext context)
    {
        if (await visits.FormAsync(context) is not { } form) return Visits.Stale(context);
        return await recoveries.StopAsync(form["value"].ToString(), context.RequestAborted)
            ? Page.Show(context, "Your second factor stays", Markup.Of($"<p>If you did not ask for it to be taken away, tell us that somebody did.</p>"))
            : Page.Problem(context, "There is nothing to be stopped: it was stopped before, or the factor is taken away already.");
    }

    // INVARIANT: a code is taken for the second factor of a sign-in only whose first was shown just now.
    private static bool IsAsked(Session? session) => session is { Assurance: < SignInProof.TwoFactors, Account.HasSecondFactor: true };

    private static IResult Elsewhere(Session? session, ReturnAddress back) => Results.LocalRedirect(session is null ? SignInStep.SignIn(null).Address(back.Path) : back.Path);

    // Whoever came by a link, and not on the way of a sign-in, comes back to this page after a fresh one.
    private IResult? Before(SignInStep? page, Session? session, ReturnAddress back)
    {
        var step = flow.Missing(session, new SignInDemand(Oldest: Fresh));
        if (step is null || step == page) return null;
        var here = page?.Page ?? "/account/factor/recovery";
        return Results.LocalRedirect(
            (step == SignInStep.Factor || step == SignInStep.Password ? step : SignInStep.SignIn(session?.Account.Realm)).Address(back == ReturnAddress.SignedIn ? here : back.Path));
    }

    // The sessions of before ended with the change, so this browser gets a new one.
    private async Task<IResult> ShowCodesAsync(HttpContext context, Guid id, SignInProof proof, IReadOnlyList<string> codes, ReturnAddress back)
    {
        if (await accounts.FactsAsync(id, context.RequestAborted) is not { } account) return Results.LocalRedirect("/account/login");
        await sessions.StartAsync(context, account, proof);
        return Codes(context, codes, back);
    }

    private IResult Ask(HttpContext context, ReturnAddress back, string? problem) =>
        Page.Show(context, "Second factor", Markup.Of($"""
            {Visits.Problem(problem)}
            <form method="post" action="/account/factor">
            {visits.Token(context)}
            <input type="hidden" name="returnUrl" value="{back.Path}">
            <label for="code">Code of your authenticator app</label>
            <input id="code" name="code" autocomplete="one-time-code" autocapitalize="off" spellcheck="false" maxlength="40" required autofocus aria-describedby="lost">
            <p class="hint" id="lost">Or one of your recovery codes. Without either, ask us: we establish who you are, and you can set up another.</p>
            <button type="submit">Go on</button>
            </form>
            <p><a href="{QueryHelpers.AddQueryString("/account/passkey", "returnUrl", back.Path)}">Use a passkey</a></p>
            """), formTarget: back.FormTarget);

    private IResult New(HttpContext context, CodeEnrolment enrolment, ReturnAddress back, string? problem)
    {
        var address = $"otpauth://totp/DataVault?secret={enrolment.Secret}&issuer=DataVault&digits={TimeCodes.Digits.ToString(CultureInfo.InvariantCulture)}";
        var groups = string.Join(' ', enrolment.Secret.Chunk(SecretGroup).Select(letters => new string(letters)));
        return Page.Show(context, "Set up a second factor", Markup.Of($"""
            <p>From now on you sign in with your password and a code of an authenticator app on your telephone.</p>
            {Visits.Problem(problem)}
            <ol>
            <li>Add an account in the app with this key: <code id="secret">{groups}</code> or, on the telephone itself, <a href="{address}">open it in the app</a>.</li>
            <li>Type the code that the app shows.</li>
            </ol>
            <form method="post" action="/account/factor/new">
            {visits.Token(context)}
            <input type="hidden" name="returnUrl" value="{back.Path}">
            <input type="hidden" name="enrolment" value="{enrolment.Sealed}">
            <label for="code">Code</label>
            <input id="code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="10" required autofocus>
            <button type="submit">Set up</button>
            </form>
            <p><a href="{QueryHelpers.AddQueryString(PasskeyPages.Own, "returnUrl", back.Path)}">Use a passkey instead</a>, with your finger, face or PIN.</p>
            """), formTarget: back.FormTarget);
    }

    private IResult Recovery(HttpContext context, Session session) =>
        Page.Show(context, "Recovery codes", Markup.Of($"""
            <p>{session.Account.RecoveryCodes} recovery codes are left. New ones take the place of all of them.</p>
            <form method="post" action="/account/factor/recovery">
            {visits.Token(context)}
            <button type="submit">Make new recovery codes</button>
            </form>
            <p><a href="/account">Back</a></p>
            """));

    public static IResult Codes(HttpContext context, IReadOnlyList<string> codes, ReturnAddress back)
    {
        var items = new Markup(string.Concat(codes.Select(code => Markup.Of($"<li><code>{code}</code></li>").Text)));
        return Page.Show(context, "Recovery codes", Markup.Of($"""
            <p>Each of these codes takes the place of the app once. Print them or write them down, and keep them apart from your telephone: they are shown this once.</p>
            <ul class="codes">{items}</ul>
            <p><a class="button" href="{back.Path}">I have kept them: go on</a></p>
            """));
    }
}
