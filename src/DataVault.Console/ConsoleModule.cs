using System.Security.Cryptography;
using DataVault.Client;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace DataVault.Console;

/// <summary>
/// The web console: pages rendered on the server, without scripts, over the HTTP API. It holds no key and no connection string; what a
/// person sees in it is what their own token releases.
/// </summary>
public static class ConsoleModule
{
    /// <summary>Registers the console.</summary>
    public static IServiceCollection AddConsole(this IServiceCollection services, ConsoleOptions options)
    {
        services.AddRazorComponents();
        services.AddAntiforgery();
        services.AddDataProtection();
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(options).AddSingleton<Backchannel>();
        services.AddSingleton(provider => Issuer(provider, options));
        services.AddSingleton(provider => new SessionKeeper(
            provider.GetRequiredService<AuthorizationCodeClient>(), provider.GetRequiredService<IDataProtectionProvider>(), options,
            provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(provider => new Visits(
            provider.GetRequiredService<SessionKeeper>(), provider.GetRequiredService<Backchannel>(), provider.GetRequiredService<IAntiforgery>(), options,
            provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(provider => new SignIn(
            provider.GetRequiredService<AuthorizationCodeClient>(), provider.GetRequiredService<SessionKeeper>(), provider.GetRequiredService<Backchannel>(),
            provider.GetRequiredService<IDataProtectionProvider>(), options, provider.GetRequiredService<TimeProvider>()));
        return services;
    }

    private static AuthorizationCodeClient Issuer(IServiceProvider services, ConsoleOptions options)
    {
        var (http, callback, time) = (services.GetRequiredService<Backchannel>().Http, options.Address + "/console/callback", services.GetRequiredService<TimeProvider>());
        if (options.Provider is not { } provider) return new AuthorizationCodeClient(http, options.ClientId, options.ClientSecret, callback, null, time);
        var assertion = provider.PrivateKey is null ? null : new ClientAssertion(provider, options, time);
        var server = new SignInServer(provider.Issuer, provider.Scopes) { Resource = provider.Resource, Assertion = assertion is null ? null : assertion.Make };
        return new AuthorizationCodeClient(http, provider.ClientId, provider.Secret, callback, server, time);
    }

    /// <summary>Maps <c>/</c> and everything under <c>/console</c>.</summary>
    public static void MapConsole(this IEndpointRouteBuilder routes)
    {
        var pages = routes.MapGroup("").ExcludeFromDescription().AllowAnonymous();
        var visits = routes.ServiceProvider.GetRequiredService<Visits>();
        var signIn = routes.ServiceProvider.GetRequiredService<SignIn>();
        pages.MapGet("/", () => Results.LocalRedirect("/console"));
        foreach (var asset in new[] { Asset.Style, Asset.Icon }) pages.MapGet(asset.Path, asset.AnswerAsync);
        pages.MapGet("/favicon.ico", Asset.Icon.AnswerAsync);
        var map = new PageMap(pages, visits);
        map.Public("/console", HomePages.HomeAsync);
        map.Public("/console/signed-out", HomePages.SignedOutAsync);
        map.Public("/console/sign-in", signIn.StartAsync);
        map.Public("/console/callback", signIn.FinishAsync);
        map.Post("/console/sign-out", signIn.EndAsync);
        map.Get("/console/proof/{index:long}", HomePages.ProofAsync);
        map.Get("/console/proof/{index:long}/download", HomePages.ProofFileAsync);
        CustomerPages.Map(map);
        OfficerPages.Map(map);
        OfficerIntake.Map(map);
        RectificationPages.Map(map);
        DeskPages.Map(map);
        ConsentPages.Map(map);
        PolicyPages.Map(map);
        PolicyDraftPages.Map(map);
        HoldPages.Map(map);
        RecipientPages.Map(map);
        DecisionPages.Map(map);
        LetterPages.Map(map);
        RetentionPages.Map(map);
        BreachPages.Map(map);
        OversightPages.Map(map);
        KeyPages.Map(map);
        AnalystPages.Map(map);
        AdministratorPages.Map(map);
        map.Public("/console/{**other}", HomePages.NothingHereAsync);
    }
}

/// <summary>The connection to the vault, shared by all visits.</summary>
internal sealed class Backchannel(ConsoleOptions options) : IDisposable
{
    public HttpClient Http { get; } = new(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false, PooledConnectionLifetime = TimeSpan.FromMinutes(5) })
    {
        BaseAddress = new Uri(options.Address),
        Timeout = TimeSpan.FromSeconds(60),
    };

    public void Dispose() => Http.Dispose();
}

/// <summary>A file inside this assembly, served under an address that changes with its content, so that it may be kept for ever.</summary>
internal sealed class Asset
{
    private readonly byte[] _content;
    private readonly string _type;

    private Asset(string path, string resource, string type)
    {
        using var stream = typeof(Asset).Assembly.GetManifestResourceStream(resource)!;
        using var content = new MemoryStream();
        stream.CopyTo(content);
        (_content, _type, Path) = (content.ToArray(), type, path);
        Address = $"{path}?v={Convert.ToHexStringLower(SHA256.HashData(_content))[..16]}";
    }

    public static Asset Style { get; } = new("/console/style.css", "console.css", "text/css; charset=utf-8");

    public static Asset Icon { get; } = new("/console/icon.svg", "icon.svg", "image/svg+xml");

    public string Path { get; }

    public string Address { get; }

    public Task AnswerAsync(HttpContext context)
    {
        context.Response.Headers.CacheControl = "public, max-age=31536000, immutable";
        return Results.Bytes(_content, _type).ExecuteAsync(context);
    }
}
