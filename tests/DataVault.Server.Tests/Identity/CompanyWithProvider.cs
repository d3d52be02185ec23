using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataVault.Testing;
using Microsoft.IdentityModel.Tokens;

namespace DataVault.Server.Tests.Identity;

/// <summary>
/// A company whose own OpenID provider (npm's certified oidc-provider) signs people and applications in, and a vault that is told of it by settings alone: the vault's
/// own issuer is off. Both start once for the class; where node is missing the tests are skipped.
/// </summary>
public sealed class CompanyWithProvider : IAsyncLifetime
{
    private const string Audience = "https://vault.company.example";
    private const string DeskSecret = "the desk's own secret, long enough for anybody";

    private readonly string _folder = Directory.CreateTempSubdirectory("datavault-console-key-").FullName;
    private NodeProgram? _provider;
    private ServerProcess? _vault;

    public ServerProcess Vault => _vault!;

    public Uri Address => _vault!.Address;

    public string Issuer { get; private set; } = "";

    public HttpClient Http { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        if (await NodeProgram.WhyNotAsync() is not null) return;
        var port = ServerProcess.FreePort();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var pem = Path.Combine(_folder, "console.pem");
        await File.WriteAllTextAsync(pem, key.ExportPkcs8PrivateKeyPem());
        (_provider, var answer) = await NodeProgram.StartAsync("provider.mjs", World(port, JsonWebKeyConverter.ConvertFromECDsaSecurityKey(new ECDsaSecurityKey(key))));
        Issuer = answer.GetProperty("issuer").GetString()!;
        _vault = await ServerProcess.StartAsync(Settings(pem), port);
        Http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = _vault.Address };
    }

    public async ValueTask DisposeAsync()
    {
        Http?.Dispose();
        if (_vault is not null) await _vault.DisposeAsync();
        if (_provider is not null) await _provider.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    public static async Task NeedNodeAsync() => Assert.SkipWhen(await NodeProgram.WhyNotAsync() is not null, await NodeProgram.WhyNotAsync() ?? "");

    public Task<JsonElement> TellAsync(string act) => _provider!.AskAsync(new { @do = act });

    /// <summary>A token of the application <c>desk</c>, by client credentials.</summary>
    public async Task<string> DeskTokenAsync()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Issuer + "/token");
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"desk:{Uri.EscapeDataString(DeskSecret)}")));
        request.Content = new FormUrlEncodedContent([new("grant_type", "client_credentials"), new("scope", "vault")]);
        using var answer = await Http.SendAsync(request);
        using var json = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        return json.RootElement.GetProperty("access_token").GetString()!;
    }

    public async Task<(HttpStatusCode Status, JsonElement Body)> AskAsync(string token, string path, object? body = null)
    {
        using var request = new HttpRequestMessage(body is null ? HttpMethod.Get : HttpMethod.Post, path);
        if (body is not null) request.Content = new StringContent(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var answer = await Http.SendAsync(request);
        return (answer.StatusCode, JsonSerializer.Deserialize<JsonElement>(await answer.Content.ReadAsStringAsync()));
    }

    private static object World(int port, JsonWebKey key) => new
    {
        resource = Audience,
        audience = Audience,
        clients = new object[]
        {
            new { client_id = "desk", client_secret = DeskSecret, grant_types = new[] { "client_credentials" }, redirect_uris = Array.Empty<string>(), response_types = Array.Empty<string>() },
            new
            {
                client_id = "vault-console",
                token_endpoint_auth_method = "private_key_jwt",
                token_endpoint_auth_signing_alg = "ES256",
                grant_types = new[] { "authorization_code", "refresh_token" },
                redirect_uris = new[] { $"http://127.0.0.1:{port}/console/callback" },
                post_logout_redirect_uris = new[] { $"http://127.0.0.1:{port}/console/signed-out" },
                jwks = new { keys = new[] { new { kty = key.Kty, crv = key.Crv, x = key.X, y = key.Y, kid = Base64UrlEncoder.Encode(key.ComputeJwkThumbprint()), use = "sig", alg = "ES256" } } },
            },
        },
        people = new Dictionary<string, object>
        {
            ["desk"] = new { groups = new[] { "Vault Desk" }, vault_purposes = new[] { "support" } },
            ["olga"] = new { groups = new[] { "Vault Officers", "Canteen" }, vault_purposes = new[] { "rights" }, amr = new[] { "pwd", "mfa" } },
            ["anton"] = new { vault_purposes = Array.Empty<string>(), groups = new[] { "Vault Administrators" }, amr = new[] { "pwd", "mfa" } },
            ["carla"] = new { groups = new[] { "Vault Customers" }, vault_purposes = new[] { "rights" } },
            ["stranger"] = new { groups = new[] { "Canteen" } },
        },
    };

    private Dictionary<string, string> Settings(string pem) => new()
    {
        ["Vault__SampleCustomers"] = "3",
        ["Identity__OwnIssuer"] = "false",
        ["Identity__Authorities__company__Issuer"] = Issuer,
        ["Identity__Authorities__company__Audience"] = Audience,
        ["Identity__Authorities__company__Realms"] = "staff application customer",
        ["Identity__Authorities__company__KeysFresh"] = "00:00:00.2",
        ["Identity__Authorities__company__Roles__Claim"] = "groups",
        ["Identity__Authorities__company__Roles__Words"] =
            "Vault Officers=compliance-officer; Vault Administrators=administrator; Vault Desk=customer-support; Vault Customers=customer",
        ["Identity__Authorities__company__Purposes__Claim"] = "vault_purposes",
        ["Identity__Authorities__company__Purposes__Words"] = "support=customer-support; rights=data-subject-rights",
        ["Console__Authority"] = "company",
        ["Console__ClientId"] = "vault-console",
        ["Console__ClientKeyFile"] = pem,
        ["Console__Scopes"] = "openid vault",
        ["Console__Resource"] = Audience,
    };
}
