using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Testing;

namespace DataVault.Server.Tests;

/// <summary>Applications with keys of their own at the API, driven by a client library that nobody here wrote.</summary>
public sealed class BoundTokenTests(RunningServer server)
{
    [Fact]
    public async Task An_application_that_is_registered_with_its_key_reads_with_proofs_and_with_nothing_less()
    {
        if (await NodeProgram.WhyNotAsync() is { } reason) Assert.Skip(reason);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var (mine, jwks) = Jwk(key);
        var made = await server.JsonAsync(
            "administrator", HttpMethod.Post, "/v1/clients", new { id = "bound-reader", name = "Bound", roles = new[] { "customer-support" }, purposes = new[] { "customer-support" }, jwks },
            HttpStatusCode.Created);
        Assert.False(made.TryGetProperty("secret", out var secret) && secret.ValueKind == JsonValueKind.String);
        Assert.Equal("private_key_jwt", made.GetProperty("client").GetProperty("tokenEndpointAuthMethod").GetString());

        var (program, came) = await NodeProgram.StartAsync(
            "relying-party.mjs", new { task = "signingClient", issuer = server.Secrets.Address, id = "bound-reader", key = mine, kid = "k1", call = server.Secrets.Address + "/v1/policy" });
        await using (program)
        {
            Assert.True(came.TryGetProperty("status", out var status), came.GetRawText());
            Assert.Equal(200, status.GetInt32());
        }

        using var stolen = new HttpRequestMessage(HttpMethod.Get, "/v1/policy");
        stolen.Headers.Authorization = new AuthenticationHeaderValue("Bearer", came.GetProperty("boundToken").GetString());
        using var refused = await server.Http.SendAsync(stolen);
        Assert.Equal("unauthenticated", await RunningServer.SlugAsync(refused));
        Assert.Contains(refused.Headers.WwwAuthenticate, challenge => challenge.ToString() == "DPoP algs=\"ES256\"");

        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        await server.JsonAsync("administrator", HttpMethod.Get, "/v1/clients");
        using var replaced = await server.SendAsync("administrator", HttpMethod.Put, "/v1/clients/bound-reader/keys", new { jwks = Jwk(other).Public });
        Assert.Equal(HttpStatusCode.NoContent, replaced.StatusCode);
        var (late, answer) = await NodeProgram.StartAsync("relying-party.mjs", new { task = "signingClient", issuer = server.Secrets.Address, id = "bound-reader", key = mine, kid = "k1" });
        await using (late)
            Assert.Equal("invalid_client", answer.GetProperty("error").GetString());
    }

    [Fact]
    public async Task An_application_of_somebody_else_is_registered_with_its_addresses_and_has_no_roles()
    {
        object Body(string[] roles) => new { id = "partner-shop", name = "Partner shop", roles, purposes = Array.Empty<string>(), redirectUris = new[] { "https://partner.example/cb" } };

        using var powerful = await server.SendAsync("administrator", HttpMethod.Post, "/v1/clients", Body(["customer-support"]));
        Assert.Equal("invalid-request", await RunningServer.SlugAsync(powerful));
        var made = await server.JsonAsync("administrator", HttpMethod.Post, "/v1/clients", Body([]), HttpStatusCode.Created);
        Assert.Equal(43, made.GetProperty("secret").GetString()!.Length);
    }

    private static (object Private, object Public) Jwk(ECDsa key)
    {
        var p = key.ExportParameters(true);
        string Text(byte[]? bytes) => System.Buffers.Text.Base64Url.EncodeToString(bytes);
        return (
            new { kty = "EC", crv = "P-256", x = Text(p.Q.X), y = Text(p.Q.Y), d = Text(p.D) },
            new { keys = new[] { new { kty = "EC", crv = "P-256", kid = "k1", x = Text(p.Q.X), y = Text(p.Q.Y) } } });
    }
}
