using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.IdentityModel.Tokens;

namespace DataVault.Server.Tests.Identity;

/// <summary>Applications, registered, changed and removed by an administrator over the API; what comes of it at the door and at the API.</summary>
public sealed class ClientAdministrationTests(RunningServer server)
{
    private const string Administrator = "administrator";

    [Fact]
    public async Task An_application_is_registered_with_its_terms_changed_given_another_secret_and_removed()
    {
        var made = await server.JsonAsync(Administrator, HttpMethod.Post, "/v1/clients", new
        {
            id = "terms-app", name = "Terms", roles = new[] { "customer-support" }, purposes = new[] { "customer-support" }, allowedNetworks = new[] { "127.0.0.0/8" },
            expiresAt = DateTimeOffset.UtcNow.AddYears(1), contact = "team@company.example",
        }, HttpStatusCode.Created);
        var first = made.GetProperty("secret").GetString()!;
        Assert.Equal(HttpStatusCode.OK, (await TokenAsync("terms-app", first)).Status);

        var second = (await server.JsonAsync(Administrator, HttpMethod.Post, "/v1/clients/terms-app/secret")).GetProperty("secret").GetString()!;
        Assert.Equal(HttpStatusCode.OK, (await TokenAsync("terms-app", second)).Status);
        Assert.Equal(HttpStatusCode.OK, (await TokenAsync("terms-app", first)).Status);

        var changed = await server.JsonAsync(
            Administrator, HttpMethod.Put, "/v1/clients/terms-app",
            new { name = "Terms 2", roles = new[] { "marketing" }, purposes = Array.Empty<string>(), allowedNetworks = new[] { "198.51.100.0/24" } });
        Assert.Equal(("Terms 2", JsonValueKind.Null), (changed.GetProperty("name").GetString(), changed.TryGetProperty("contact", out var contact) ? contact.ValueKind : JsonValueKind.Null));
        var refused = await TokenAsync("terms-app", second);
        Assert.Equal(HttpStatusCode.Unauthorized, refused.Status);
        Assert.Contains("network", refused.Body.GetProperty("error_description").GetString(), StringComparison.Ordinal);

        using var removed = await server.SendAsync(Administrator, HttpMethod.Delete, "/v1/clients/terms-app");
        Assert.Equal(HttpStatusCode.NoContent, removed.StatusCode);
        Assert.False((await TokenAsync("terms-app", second)).Body.TryGetProperty("error_description", out _));
    }

    [Fact]
    public async Task A_token_taken_to_another_network_is_refused_at_the_api_and_the_refusal_is_in_the_log()
    {
        var made = await server.JsonAsync(Administrator, HttpMethod.Post, "/v1/clients", new
        {
            id = "bound-app", name = "Bound", roles = new[] { "customer-support" }, purposes = new[] { "customer-support" }, allowedNetworks = new[] { "127.0.0.2/32" },
        }, HttpStatusCode.Created);
        using var inside = From("127.0.0.2");
        var (_, body) = await TokenAsync("bound-app", made.GetProperty("secret").GetString()!, inside);
        var token = body.GetProperty("access_token").GetString()!;

        Assert.Equal(HttpStatusCode.OK, await MeAsync(inside, token));
        Assert.Equal(HttpStatusCode.Forbidden, await MeAsync(server.Http, token));
        var entries = await server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/audit/entries?actor=bound-app&limit=50");
        Assert.Contains(entries.GetProperty("items").EnumerateArray(), e => e.GetProperty("type").GetString() == "denied");
    }

    [Fact]
    public async Task An_application_with_keys_has_no_secret_and_gets_other_keys()
    {
        object Keys(string kid)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var jwk = JsonWebKeyConverter.ConvertFromECDsaSecurityKey(new ECDsaSecurityKey(key));
            return new { keys = new[] { new { kty = "EC", crv = jwk.Crv, x = jwk.X, y = jwk.Y, kid } } };
        }
        var made = await server.JsonAsync(
            Administrator, HttpMethod.Post, "/v1/clients", new { id = "key-app", name = "Keys", roles = new[] { "ingest" }, purposes = Array.Empty<string>(), jwks = Keys("one") }, HttpStatusCode.Created);
        using var replaced = await server.SendAsync(Administrator, HttpMethod.Put, "/v1/clients/key-app/keys", JsonSerializer.Serialize(new { jwks = Keys("two") }));
        using var secret = await server.SendAsync(Administrator, HttpMethod.Post, "/v1/clients/key-app/secret");

        Assert.False(made.TryGetProperty("secret", out var shown) && shown.ValueKind == JsonValueKind.String);
        Assert.Equal(HttpStatusCode.NoContent, replaced.StatusCode);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, secret.StatusCode);
    }

    [Theory]
    [InlineData("DELETE", "/v1/clients/console")]
    [InlineData("DELETE", "/v1/clients/command-line")]
    [InlineData("POST", "/v1/clients/console/secret")]
    public async Task The_vaults_own_ways_in_are_nobodys_to_take_away(string method, string path)
    {
        using var answer = await server.SendAsync(Administrator, new HttpMethod(method), path);

        Assert.Equal("invalid-state", await RunningServer.SlugAsync(answer));
    }

    [Fact]
    public async Task The_status_says_which_registrations_end_soon()
    {
        var id = "soon-app";
        await server.JsonAsync(
            Administrator, HttpMethod.Post, "/v1/clients",
            new { id, name = "Soon", roles = new[] { "ingest" }, purposes = Array.Empty<string>(), expiresAt = DateTimeOffset.UtcNow.AddDays(3) }, HttpStatusCode.Created);

        var status = await server.JsonAsync(Administrator, HttpMethod.Get, "/v1/status");

        Assert.Contains("expire within 30 days", status.GetProperty("health").GetProperty("clients").GetString(), StringComparison.Ordinal);
        (await server.SendAsync(Administrator, HttpMethod.Delete, "/v1/clients/" + id)).Dispose();
    }

    private async Task<(HttpStatusCode Status, JsonElement Body)> TokenAsync(string id, string secret, HttpClient? from = null)
    {
        using var answer = await (from ?? server.Http).PostAsync(
            "/connect/token", new FormUrlEncodedContent([new("grant_type", "client_credentials"), new("client_id", id), new("client_secret", secret)]));
        return (answer.StatusCode, JsonSerializer.Deserialize<JsonElement>(await answer.Content.ReadAsStringAsync()));
    }

    private static async Task<HttpStatusCode> MeAsync(HttpClient from, string token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/me");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var answer = await from.SendAsync(request);
        return answer.StatusCode;
    }

    // Every address of 127.0.0.0/8 is this machine's.
    private HttpClient From(string address) => new(new SocketsHttpHandler
    {
        ConnectCallback = async (connection, cancellation) =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(IPAddress.Parse(address), 0));
            await socket.ConnectAsync(connection.DnsEndPoint, cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        },
    })
    { BaseAddress = server.Http.BaseAddress };
}
