using System.Buffers.Text;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataVault.Issuer.Keys;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.JsonWebTokens;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>What the validator accepts, and every forgery that it must not.</summary>
public sealed class AccessTokenTests(IssuerHost host) : IClassFixture<IssuerHost>
{
    [Fact]
    public async Task A_token_signed_with_our_key_and_rightly_labelled_is_accepted() =>
        Assert.NotNull(await host.Validator.ValidateAsync(await ForgeAsync(), default));

    [Theory]
    [InlineData("aud", "\"other\"")]
    [InlineData("iss", "\"https://evil.example\"")]
    [InlineData("exp", "1000000000")]
    [InlineData("exp", null)]
    [InlineData("nbf", "99999999999")]
    [InlineData("sub", null)]
    [InlineData("client_id", null)]
    [InlineData("realm", "\"emperor\"")]
    [InlineData("realm", "\"customer\"")]
    [InlineData("acr", "\"high\"")]
    public async Task A_wrong_claim_is_refused_even_with_the_right_signature(string claim, string? value) =>
        Assert.Null(await host.Validator.ValidateAsync(await ForgeAsync(payload: (claim, value)), default));

    [Theory]
    [InlineData("typ", "\"JWT\"")]
    [InlineData("typ", null)]
    [InlineData("alg", "\"none\"")]
    [InlineData("alg", "\"HS256\"")]
    [InlineData("alg", "\"ES384\"")]
    [InlineData("kid", "\"other\"")]
    [InlineData("kid", "\"../../dev/null\"")]
    [InlineData("kid", null)]
    [InlineData("crit", "[\"exp\"]")]
    public async Task A_wrong_header_is_refused_even_with_the_right_signature(string name, string? value) =>
        Assert.Null(await host.Validator.ValidateAsync(await ForgeAsync(header: (name, value)), default));

    [Fact]
    public async Task A_token_without_a_signature_is_refused()
    {
        var parts = (await ForgeAsync(header: ("alg", "\"none\""))).Split('.');

        Assert.Null(await host.Validator.ValidateAsync($"{parts[0]}.{parts[1]}.", default));
    }

    [Fact]
    public async Task A_token_signed_with_another_key_under_our_key_id_is_refused()
    {
        using var foreign = ECDsa.Create(ECCurve.NamedCurves.nistP256);

        Assert.Null(await host.Validator.ValidateAsync(await ForgeAsync(key: foreign), default));
    }

    [Fact]
    public async Task A_token_that_brings_its_own_key_is_refused()
    {
        using var foreign = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var point = foreign.ExportParameters(false).Q;
        var jwk = $"{{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"{Base64Url.EncodeToString(point.X)}\",\"y\":\"{Base64Url.EncodeToString(point.Y)}\"}}";

        Assert.Null(await host.Validator.ValidateAsync(await ForgeAsync(header: ("jwk", jwk), key: foreign), default));
    }

    [Fact]
    public async Task The_public_key_used_as_a_shared_secret_is_refused()
    {
        var key = (await host.Services.GetRequiredService<SigningKeys>().PublishedAsync(default))[^1];
        var parts = (await ForgeAsync(header: ("alg", "\"HS256\""))).Split('.');
        var mac = HMACSHA256.HashData(key.PublicKey.ECDsa.ExportSubjectPublicKeyInfo(), Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"));

        Assert.Null(await host.Validator.ValidateAsync($"{parts[0]}.{parts[1]}.{Base64Url.EncodeToString(mac)}", default));
    }

    [Fact]
    public async Task A_changed_payload_is_refused()
    {
        var parts = (await ForgeAsync()).Split('.');
        var payload = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(parts[1])).Replace("marketing", "emergency", StringComparison.Ordinal);

        Assert.Null(await host.Validator.ValidateAsync($"{parts[0]}.{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(payload))}.{parts[2]}", default));
    }

    [Fact]
    public async Task An_ID_token_is_not_an_access_token()
    {
        var attempt = SignInAttempt.New();
        using var browser = new Browser(host.Address);
        var back = await browser.AuthorizeAsync(attempt.Address(), await host.PersonAsync("customer"));
        var (_, body) = await host.ExchangeAsync(attempt, back["code"]);

        Assert.Null(await host.Validator.ValidateAsync(body.GetProperty("id_token").GetString()!, default));
        Assert.NotNull(await host.Validator.ValidateAsync(body.GetProperty("access_token").GetString()!, default));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a.b.c")]
    [InlineData("....")]
    [InlineData("eyJhbGciOiJFUzI1NiJ9..")]
    [InlineData("\u2028\u0000")]
    public async Task Nonsense_is_refused(string token) => Assert.Null(await host.Validator.ValidateAsync(token, default));

    [Fact]
    public async Task A_huge_token_is_refused_unread() =>
        Assert.Null(await host.Validator.ValidateAsync(await ForgeAsync(payload: ("padding", $"\"{new string('x', 5000)}\"")), default));

    [Fact]
    public async Task A_remembered_token_still_expires()
    {
        var token = await ForgeAsync();
        Assert.NotNull(await host.Validator.ValidateAsync(token, default));

        host.Clock.Advance(TimeSpan.FromMinutes(5) + TimeSpan.FromSeconds(6));

        Assert.Null(await host.Validator.ValidateAsync(token, default));
    }

    [Fact]
    public async Task Keys_are_published_before_they_sign_and_after_they_stopped()
    {
        var before = await KeyIdsAsync();
        host.Clock.Advance(TimeSpan.FromDays(29.5));
        var overlap = await KeyIdsAsync();
        var signedBefore = await KeyOfNewTokenAsync();
        host.Clock.Advance(TimeSpan.FromDays(1));
        var signedAfter = await KeyOfNewTokenAsync();
        var after = await KeyIdsAsync();
        host.Clock.Advance(TimeSpan.FromDays(1));
        var later = await KeyIdsAsync();

        Assert.Single(before);
        Assert.Equal(2, overlap.Count);
        Assert.Equal(before.Single(), signedBefore);
        Assert.Equal(overlap.Except(before).Single(), signedAfter);
        Assert.Contains(signedBefore, after);
        Assert.DoesNotContain(signedBefore, later);
    }

    private async Task<IReadOnlyList<string>> KeyIdsAsync()
    {
        using var http = new HttpClient { BaseAddress = new Uri(host.Address) };
        var set = await http.GetFromJsonAsync<JsonElement>("/.well-known/jwks.json");
        return [.. set.GetProperty("keys").EnumerateArray().Select(k => k.GetProperty("kid").GetString()!)];
    }

    private async Task<string> KeyOfNewTokenAsync()
    {
        var (id, secret) = await host.ApplicationAsync();
        var (_, body) = await host.TokenAsync(("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret));
        var token = body.GetProperty("access_token").GetString()!;
        Assert.NotNull(await host.Validator.ValidateAsync(token, default));
        return new JsonWebToken(token).Kid;
    }

    /// <summary>A token signed by our own key (or another), with one member of the header or the payload changed.</summary>
    private async Task<string> ForgeAsync((string Name, string? Value)? header = null, (string Name, string? Value)? payload = null, ECDsa? key = null)
    {
        var credentials = await host.Services.GetRequiredService<SigningKeys>().SignerAsync(default);
        var now = host.Clock.GetUtcNow().ToUnixTimeSeconds();
        var head = new Dictionary<string, string> { ["alg"] = "\"ES256\"", ["typ"] = "\"at+jwt\"", ["kid"] = $"\"{credentials.Key.KeyId}\"" };
        var body = new Dictionary<string, string>
        {
            ["iss"] = $"\"{host.Address}\"", ["aud"] = "\"datavault\"", ["sub"] = "\"campaigns\"", ["client_id"] = "\"campaigns\"",
            ["realm"] = "\"application\"", ["name"] = "\"Campaigns\"", ["acr"] = "\"1\"", ["jti"] = $"\"{Guid.NewGuid():N}\"",
            ["roles"] = "[\"marketing\"]", ["purposes"] = "[\"marketing\"]", ["iat"] = $"{now}", ["exp"] = $"{now + 300}",
        };
        Change(head, header);
        Change(body, payload);
        var text = $"{Encode(head)}.{Encode(body)}";
        key ??= ((Microsoft.IdentityModel.Tokens.ECDsaSecurityKey)credentials.Key).ECDsa;
        return $"{text}.{Base64Url.EncodeToString(key.SignData(Encoding.ASCII.GetBytes(text), HashAlgorithmName.SHA256))}";
    }

    private static void Change(Dictionary<string, string> members, (string Name, string? Value)? change)
    {
        if (change is not var (name, value)) return;
        if (value is null) members.Remove(name);
        else members[name] = value;
    }

    private static string Encode(Dictionary<string, string> members) =>
        Base64Url.EncodeToString(Encoding.UTF8.GetBytes("{" + string.Join(',', members.Select(m => $"\"{m.Key}\":{m.Value}")) + "}"));
}
