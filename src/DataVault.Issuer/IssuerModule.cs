using DataVault.Cryptography;
using DataVault.Issuer.Accounts;
using DataVault.Issuer.Clients;
using DataVault.Issuer.Keys;
using DataVault.Issuer.Mailing;
using DataVault.Issuer.Outside;
using DataVault.Issuer.Pages;
using DataVault.Issuer.Protocol;
using DataVault.Issuer.Storage;
using DataVault.Issuer.Tokens;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace DataVault.Issuer;

/// <summary>The issuer's endpoints by what they cost, so that the composition root can limit their rates.</summary>
/// <param name="SignIn">Pages that check a password.</param>
/// <param name="Token">Calls that check a client secret or end tokens.</param>
/// <param name="Browser">Everything else that a browser does.</param>
/// <param name="Metadata">Discovery and keys.</param>
public sealed record IssuerEndpoints(
    IEndpointConventionBuilder SignIn, IEndpointConventionBuilder Token, IEndpointConventionBuilder Browser, IEndpointConventionBuilder Metadata);

/// <summary>Puts the issuer into a host. The host provides <see cref="IServiceKeys"/>, <see cref="ISealingMark"/>, <see cref="IRowMemory"/>, <see cref="IStaffRoles"/>, <see cref="IHeldPeople"/>, and <see cref="ISignInAudit"/> unless logging is enough.</summary>
public static class IssuerModule
{
    private const int LargestForm = 16 * 1024;

    public static IServiceCollection AddIssuer(this IServiceCollection services, IssuerOptions options)
    {
        services.AddSingleton(options);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<IRandomBytes, SystemRandomBytes>();
        services.TryAddSingleton<ISignInAudit, LoggedSignIns>();
        AddStorage(services, options);
        AddAccounts(services, options);
        AddTokens(services);
        AddMail(services, options);
        services.AddScoped<AuthorisationEndpoint>().AddScoped<TokenEndpoint>().AddScoped<SignOutEndpoint>().AddScoped<AccountPages>().AddScoped<FactorPages>().AddScoped<PasskeyPages>().AddScoped<SessionPages>().AddScoped<EmailPages>().AddScoped<MailedLinkPages>().AddScoped<Visits>().AddScoped<ConsentPage>().AddSingleton(p => new ClientConsents(
            p.GetRequiredService<IssuerDatabase>(), p.GetRequiredService<ChangeLedger>(), p.GetRequiredService<IssuerSecrets>(), p.GetRequiredService<Authorisations>(), p.GetRequiredService<TimeProvider>()));
        services.AddSingleton<MetadataEndpoints>().AddSingleton<ClientAuthentication>().AddSingleton<ClientAssertions>().AddSingleton<UsedAssertions>();
        services.AddSingleton<TokenStatusEndpoint>().AddSingleton<TokenProofs>();
        services.AddHostedService<IssuerUpkeep>();
        return services;
    }

    /// <summary>Maps <c>/connect/*</c>, <c>/.well-known/*</c> and <c>/account/*</c>.</summary>
    public static IssuerEndpoints MapIssuer(this IEndpointRouteBuilder routes)
    {
        var endpoints = new IssuerEndpoints(Group(routes), Group(routes), Group(routes), Group(routes));
        MapPages((RouteGroupBuilder)endpoints.SignIn, (RouteGroupBuilder)endpoints.Browser);
        MapProtocol((RouteGroupBuilder)endpoints.Token, (RouteGroupBuilder)endpoints.Browser, (RouteGroupBuilder)endpoints.Metadata);
        return endpoints;
    }

    private static void AddStorage(IServiceCollection services, IssuerOptions options)
    {
        services.AddSingleton(_ => IssuerDatabase.Open(options.Connection));
        services.AddDbContext<IssuerDbContext>((provider, builder) =>
            IssuerDbContext.Configure(builder.UseNpgsql(provider.GetRequiredService<IssuerDatabase>().Source))
                .AddInterceptors(new AccountSealing(provider.GetRequiredService<IssuerSecrets>())));
        services.AddSingleton<IssuerSecrets>().AddSingleton<SigningKeys>();
        services.AddHostedService<FirstSealing>().AddSingleton<ChangeLedger>().AddHostedService<ChangeRelay>();
        services.AddSingleton(p => new IssuerWatch(p.GetRequiredService<IssuerDatabase>(), p.GetRequiredService<LetterQueue>()));
        services.AddSingleton(p => new IssuerCheck(p.GetRequiredService<IssuerDatabase>(), p.GetRequiredService<IssuerSecrets>(), p.GetRequiredService<ISealingMark>(), p.GetRequiredService<OlderSignIns>(), p.GetRequiredService<MailedLinkStore>(), new PasskeyCheck(p.GetRequiredService<IServiceScopeFactory>(), p.GetRequiredService<IssuerSecrets>())));
        services.AddSingleton(p => new OlderSignIns(
            p.GetRequiredService<IssuerDatabase>(), p.GetRequiredService<IssuerSecrets>(), p.GetRequiredService<ISignInAudit>(), p.GetRequiredService<TimeProvider>()));
        services.AddDataProtection().SetApplicationName("DataVault");
        services.AddSingleton<IConfigureOptions<KeyManagementOptions>, KeyRingOptions>();
        services.AddAntiforgery();
        services.AddSingleton<IConfigureOptions<AntiforgeryOptions>, AntiforgeryCookie>();
    }

    private static void AddAccounts(IServiceCollection services, IssuerOptions options)
    {
        services.AddIdentityCore<Account>(identity =>
        {
            identity.Stores.SchemaVersion = IdentitySchemaVersions.Version3;
            // NIST SP 800-63B-4 §3.1.1.2: length counts, composition rules do harm.
            identity.Password.RequiredLength = 12;
            identity.Password.RequiredUniqueChars = 5;
            identity.Password.RequireDigit = identity.Password.RequireLowercase = false;
            identity.Password.RequireUppercase = identity.Password.RequireNonAlphanumeric = false;
        }).AddEntityFrameworkStores<IssuerDbContext>().AddPasswordValidator<CommonPasswords>();
        services.Configure<PasswordHasherOptions>(hasher => hasher.IterationCount = options.PasswordIterations);
        services.AddSingleton<PasswordWork>(p => new PasswordWork(
            new PasswordHasher<Account>(p.GetRequiredService<IOptions<PasswordHasherOptions>>()), options, p.GetRequiredService<IRandomBytes>()));
        services.AddSingleton<RolePurposes>().AddSingleton<SignInAttempts>().AddScoped<PasswordSignIn>().AddSingleton<Sessions>().AddSingleton<SignInFlow>().AddSingleton<SecondFactors>();
        services.AddScoped<IPasskeyHandler<Account>, PasskeyHandler<Account>>().AddScoped<Passkeys>().AddSingleton<PasskeyCeremonies>();
        services.AddSingleton<IConfigureOptions<IdentityPasskeyOptions>, PasskeyRules>();
        services.AddSingleton(p => new KnownBrowsers(p.GetRequiredService<IDataProtectionProvider>(), options));
        services.AddSingleton(p => new AccountRegistry(
            p.GetRequiredService<IServiceScopeFactory>(), p.GetRequiredService<IssuerSecrets>(), p.GetRequiredService<ChangeLedger>(), options,
            p.GetRequiredService<TimeProvider>(), p.GetRequiredService<IRandomBytes>()));
    }

    private static void AddTokens(IServiceCollection services)
    {
        services.AddSingleton<Revocations>().AddSingleton<TokenWriter>().AddSingleton<Authorisations>();
        services.AddSingleton(p => new ClientRegistry(
            p.GetRequiredService<IssuerDatabase>(), p.GetRequiredService<Revocations>(), p.GetRequiredService<ChangeLedger>(),
            p.GetRequiredService<IssuerOptions>(), p.GetRequiredService<TimeProvider>(), p.GetRequiredService<IssuerSecrets>()));
        services.AddSingleton(p => new AccessTokenValidator(
            p.GetRequiredService<SigningKeys>(), p.GetRequiredService<Revocations>(), p.GetRequiredService<IssuerOptions>(),
            p.GetRequiredService<TimeProvider>()));
        services.AddSingleton(p => new DpopProofs(p.GetRequiredService<IssuerSecrets>(), p.GetRequiredService<IssuerOptions>(), p.GetRequiredService<TimeProvider>()));
        services.AddSingleton<PresentedTokens>();
        services.AddSingleton(p => new OutsideLinks(
            p.GetRequiredService<IssuerDatabase>(), p.GetRequiredService<Revocations>(), p.GetRequiredService<ChangeLedger>(), p.GetRequiredService<IssuerSecrets>(),
            p.GetRequiredService<IssuerOptions>(), p.GetRequiredService<TimeProvider>()));
        services.AddSingleton<AuthorityConnection>();
        services.TryAddSingleton<IAccessTokenValidator>(p => p.GetRequiredService<IssuerOptions>() is { OwnTokens: true, Authorities.Count: 0 }
            ? p.GetRequiredService<AccessTokenValidator>()
            : AnyIssuer(p));
    }

    private static void AddMail(IServiceCollection services, IssuerOptions options)
    {
        switch (options.Mail)
        {
            case MailServer server:
                services.TryAddSingleton<ILetterCarrier>(new MailServerCarrier(server));
                break;
            case MailFolder folder:
                services.TryAddSingleton<ILetterCarrier>(p => new MailFolderCarrier(folder, p.GetRequiredService<TimeProvider>()));
                break;
        }

        services.AddSingleton(p => new MailDoor(p.GetService<ILetterCarrier>()));
        services.AddSingleton(p => new LetterQueue(
            p.GetRequiredService<IssuerDatabase>(), p.GetRequiredService<IssuerSecrets>(), options, p.GetService<ILetterCarrier>(),
            p.GetRequiredService<TimeProvider>(), p.GetRequiredService<ILogger<LetterQueue>>()));
        services.AddSingleton<MailedLinkStore>().AddSingleton(p => new MailedLinks(
            p.GetRequiredService<MailedLinkStore>(), p.GetRequiredService<AccountRegistry>(), p.GetRequiredService<LetterQueue>(), p.GetRequiredService<SignInAttempts>(),
            p.GetRequiredService<IHeldPeople>(), p.GetRequiredService<ChangeLedger>()));
        services.AddSingleton(p => new FactorRecoveries(
            p.GetRequiredService<IssuerDatabase>(), p.GetRequiredService<AccountRegistry>(), p.GetRequiredService<LetterQueue>(), p.GetRequiredService<IssuerSecrets>(),
            p.GetRequiredService<TimeProvider>()));
        services.AddSingleton<AddressChanges>().AddHostedService<LetterRelay>();
    }

    private static AnyAccessToken AnyIssuer(IServiceProvider p)
    {
        var (options, clock) = (p.GetRequiredService<IssuerOptions>(), p.GetRequiredService<TimeProvider>());
        var (http, logger) = (p.GetRequiredService<AuthorityConnection>().Http, p.GetRequiredService<ILogger<AuthorityKeys>>());
        var outside = options.Authorities.Select(authority => new OutsideTokens(
            authority, new AuthorityKeys(authority, http, clock, logger), p.GetRequiredService<OutsideLinks>(), p.GetRequiredService<IssuerSecrets>(), p.GetRequiredService<RolePurposes>(), clock));
        return new AnyAccessToken(p.GetRequiredService<AccessTokenValidator>(), [.. outside], p.GetRequiredService<Revocations>(), options, clock);
    }

    private static void MapPages(RouteGroupBuilder signIn, RouteGroupBuilder browser)
    {
        signIn.MapGet("/account/login", (HttpContext c, AccountPages p) => p.ShowLoginAsync(c));
        signIn.MapPost("/account/login", (HttpContext c, AccountPages p) => p.LoginAsync(c));
        signIn.MapGet(ConsentPage.Path, (HttpContext c, ConsentPage p) => p.ShowAsync(c));
        signIn.MapPost(ConsentPage.Path, (HttpContext c, ConsentPage p) => p.DecideAsync(c));
        signIn.MapGet("/account/password", (HttpContext c, AccountPages p) => p.ShowPasswordAsync(c));
        signIn.MapPost("/account/password", (HttpContext c, AccountPages p) => p.ChangePasswordAsync(c));
        signIn.MapGet("/account/factor", (HttpContext c, FactorPages p) => p.ShowAsync(c));
        signIn.MapPost("/account/factor", (HttpContext c, FactorPages p) => p.CheckAsync(c));
        signIn.MapGet("/account/factor/new", (HttpContext c, FactorPages p) => p.ShowNewAsync(c));
        signIn.MapPost("/account/factor/new", (HttpContext c, FactorPages p) => p.EnrolAsync(c));
        signIn.MapGet("/account/factor/recovery", (HttpContext c, FactorPages p) => p.ShowRecoveryAsync(c));
        signIn.MapPost("/account/factor/recovery", (HttpContext c, FactorPages p) => p.RenewRecoveryAsync(c));
        signIn.MapGet("/account/passkey", (HttpContext c, PasskeyPages p) => p.ShowSignInAsync(c));
        signIn.MapPost("/account/passkey", (HttpContext c, PasskeyPages p) => p.CheckAsync(c));
        signIn.MapGet(PasskeyPages.Own, (HttpContext c, PasskeyPages p) => p.ShowOwnAsync(c));
        signIn.MapPost(PasskeyPages.Own, (HttpContext c, PasskeyPages p) => p.AddAsync(c));
        signIn.MapPost("/account/passkeys/remove", (HttpContext c, PasskeyPages p) => p.RemoveAsync(c));
        signIn.MapGet(EmailPages.Own, (HttpContext c, EmailPages p) => p.ShowAsync(c));
        signIn.MapPost(EmailPages.Own, (HttpContext c, EmailPages p) => p.AskAsync(c));
        signIn.MapGet(EmailPages.Code, (HttpContext c, EmailPages p) => p.ShowCodeAsync(c));
        signIn.MapPost(EmailPages.Code, (HttpContext c, EmailPages p) => p.ConfirmAsync(c));
        signIn.MapGet(AddressChanges.StopPath, (HttpContext c, EmailPages p) => p.ShowStop(c));
        signIn.MapPost(AddressChanges.StopPath, (HttpContext c, EmailPages p) => p.StopAsync(c));
        signIn.MapGet(FactorRecoveries.StopPath, (HttpContext c, FactorPages p) => p.ShowKeep(c));
        signIn.MapPost(FactorRecoveries.StopPath, (HttpContext c, FactorPages p) => p.KeepAsync(c));
        signIn.MapGet(MailedLinks.JoinPath, (HttpContext c, MailedLinkPages p) => p.ShowJoin(c));
        signIn.MapPost(MailedLinks.JoinPath, (HttpContext c, MailedLinkPages p) => p.JoinAsync(c));
        signIn.MapGet(MailedLinks.ForgottenPath, (HttpContext c, MailedLinkPages p) => p.ShowForgotten(c));
        signIn.MapPost(MailedLinks.ForgottenPath, (HttpContext c, MailedLinkPages p) => p.ForgottenAsync(c));
        signIn.MapGet(MailedLinks.Path, (HttpContext c, MailedLinkPages p) => p.ShowAsync(c));
        signIn.MapPost(MailedLinks.Path, (HttpContext c, MailedLinkPages p) => p.UseAsync(c));
        signIn.MapGet(AccountPages.Close, (HttpContext c, AccountPages p) => p.ShowCloseAsync(c));
        signIn.MapPost(AccountPages.Close, (HttpContext c, AccountPages p) => p.CloseAsync(c));
        browser.MapGet(PasskeyScript.Path, () => PasskeyScript.Result);
        browser.MapGet(SessionPages.Own, (HttpContext c, SessionPages p) => p.ShowAsync(c));
        browser.MapPost(SessionPages.Own, (HttpContext c, SessionPages p) => p.EndAsync(c));
        browser.MapGet("/account", (HttpContext c, AccountPages p) => p.ShowSignedInAsync(c));
        browser.MapGet("/account/logout", (HttpContext c, AccountPages p) => p.ShowLogoutAsync(c));
        browser.MapPost("/account/logout", (HttpContext c, AccountPages p) => p.LogoutAsync(c));
        browser.MapGet("/account/signed-out", (HttpContext c) => AccountPages.SignedOut(c));
        browser.MapGet("/account/style.css", () => Stylesheet.Result);
    }

    private static void MapProtocol(RouteGroupBuilder token, RouteGroupBuilder browser, RouteGroupBuilder metadata)
    {
        browser.MapMethods("/connect/authorize", ["GET", "POST"], (HttpContext c, AuthorisationEndpoint e) => e.HandleAsync(c));
        browser.MapMethods("/connect/endsession", ["GET", "POST"], (HttpContext c, SignOutEndpoint e) => e.HandleAsync(c));
        token.MapPost(TokenEndpoint.Path, (HttpContext c, TokenEndpoint e) => e.HandleAsync(c));
        token.MapPost(TokenStatusEndpoint.Revocation, (HttpContext c, TokenStatusEndpoint e) => e.RevokeAsync(c));
        token.MapPost(TokenStatusEndpoint.Introspection, (HttpContext c, TokenStatusEndpoint e) => e.IntrospectAsync(c));
        token.MapMethods("/connect/userinfo", ["GET", "POST"], (HttpContext c, MetadataEndpoints e) => e.UserInfoAsync(c));
        metadata.MapGet("/.well-known/openid-configuration", (MetadataEndpoints e) => e.Discovery());
        metadata.MapGet("/.well-known/jwks.json", (HttpContext c, MetadataEndpoints e) => e.KeysAsync(c));
    }

    private static RouteGroupBuilder Group(IEndpointRouteBuilder routes)
    {
        var group = routes.MapGroup("").AllowAnonymous().ExcludeFromDescription();
        return group.WithMetadata(new RequestSizeLimitAttribute(LargestForm));
    }
}
