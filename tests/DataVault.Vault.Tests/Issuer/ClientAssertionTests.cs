using System.Net;
using DataVault.Issuer;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>Clients that sign for themselves (RFC 7523, private_key_jwt), and whatever is not quite such a signature.</summary>
public sealed class ClientAssertionTests(IssuerHost host) : IClassFixture<IssuerHost>
{
    private const string Type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_client_that_signs_with_its_key_gets_a_token_without_a_secret(bool elliptic)
    {
        using var key = elliptic ? Signing.Elliptic() : Signing.Rsa();
        var id = await RegisterAsync(key);

        var (status, body) = await AskAsync(key.Assertion(id, host.Address, Now));

        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal(id, (await host.Validator.ValidateAsync(body.GetProperty("access_token").GetString()!, default))!.ClientId);
    }

    [Fact]
    public async Task A_statement_is_taken_once()
    {
        using var key = Signing.Elliptic();
        var statement = key.Assertion(await RegisterAsync(key), host.Address, Now);

        Assert.Equal(HttpStatusCode.OK, (await AskAsync(statement)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(statement)).Status);
        Assert.Contains(host.SignIns.All, e => e is { Kind: SignInKinds.ClientSecret, Reason: "assertion-used-twice" });
    }

    [Fact]
    public async Task Of_many_uses_at_once_one_is_taken()
    {
        using var key = Signing.Elliptic();
        var statement = key.Assertion(await RegisterAsync(key), host.Address, Now);

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => AskAsync(statement)));

        Assert.Single(answers, a => a.Status == HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("aud", "\"https://other.example\"")]
    [InlineData("aud", null)]
    [InlineData("iss", "\"other\"")]
    [InlineData("iss", null)]
    [InlineData("sub", "\"console\"")]
    [InlineData("sub", null)]
    [InlineData("jti", null)]
    [InlineData("jti", "\"\"")]
    [InlineData("exp", null)]
    [InlineData("exp", "1000000000")]
    [InlineData("exp", "9999999999")]
    [InlineData("nbf", "9999999999")]
    [InlineData("iat", "9999999999")]
    [InlineData("header:alg", "\"none\"")]
    [InlineData("header:alg", "\"HS256\"")]
    [InlineData("header:alg", "\"ES384\"")]
    [InlineData("header:alg", "\"PS256\"")]
    [InlineData("header:kid", "\"two\"")]
    [InlineData("header:kid", "\"../../dev/null\"")]
    [InlineData("header:crit", "[\"exp\"]")]
    [InlineData("header:typ", "\"at+jwt\"")]
    [InlineData("header:typ", "\"dpop+jwt\"")]
    public async Task A_statement_that_is_not_quite_right_is_refused(string name, string? value)
    {
        using var key = Signing.Elliptic();
        var id = await RegisterAsync(key);

        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(key.Assertion(id, host.Address, Now, (name, value)))).Status);
    }

    [Fact]
    public async Task A_statement_for_us_and_for_others_is_refused()
    {
        using var key = Signing.Elliptic();
        var id = await RegisterAsync(key);

        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(key.Assertion(id, host.Address, Now, ("aud", $"[\"{host.Address}\",\"https://other.example\"]")))).Status);
    }

    [Fact]
    public async Task A_key_inside_the_statement_or_behind_an_address_in_it_is_not_looked_at()
    {
        using Signing key = Signing.Elliptic(), foreign = Signing.Elliptic();
        var id = await RegisterAsync(key);

        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(foreign.Assertion(id, host.Address, Now, ("header:jwk", foreign.Public)))).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(foreign.Assertion(id, host.Address, Now, ("header:jku", "\"https://evil.example/keys\"")))).Status);
    }

    [Fact]
    public async Task A_client_is_believed_in_the_way_it_is_registered_for_and_in_one_at_a_time()
    {
        using var key = Signing.Elliptic();
        var id = await RegisterAsync(key);
        var (secretive, secret) = await host.ApplicationAsync();
        var posting = "posting-" + Guid.NewGuid().ToString("N")[..8];
        var posted = await host.Clients.RegisterAsync(
            ClientRegistration.Application(posting, "Posting", [], []) with { AuthenticationMethod = AuthenticationMethods.SecretPost }, IssuerHost.Administrator);

        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(key.Assertion(secretive, host.Address, Now))).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(key.Assertion(id, host.Address, Now), ("client_secret", secret))).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(key.Assertion(id, host.Address, Now), ("client_id", secretive))).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await host.TokenAsync(("grant_type", "client_credentials"), ("client_id", id))).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await host.TokenAsync(("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret))).Status);
        Assert.Equal(HttpStatusCode.OK, (await host.TokenAsync(("grant_type", "client_credentials"), ("client_id", posting), ("client_secret", posted))).Status);
        using var basic = new HttpClient();
        basic.DefaultRequestHeaders.Authorization = new("Basic", Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($"{posting}:{posted}")));
        using var answer = await basic.PostAsync(host.Address + "/connect/token", new FormUrlEncodedContent([new("grant_type", "client_credentials")]));
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
    }

    [Fact]
    public async Task Keys_are_changed_with_overlap_and_one_that_is_left_out_is_refused_at_once()
    {
        using Signing first = Signing.Elliptic("first"), second = Signing.Rsa("second");
        var id = await RegisterAsync(first);

        await host.Clients.ReplaceKeysAsync(id, $"{{\"keys\":[{first.Public},{second.Public}]}}", IssuerHost.Administrator);
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(first.Assertion(id, host.Address, Now))).Status);
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(second.Assertion(id, host.Address, Now))).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(second.Assertion(id, host.Address, Now, ("header:kid", null)))).Status);
        await host.Clients.ReplaceKeysAsync(id, second.KeySet, IssuerHost.Administrator);

        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(first.Assertion(id, host.Address, Now))).Status);
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(second.Assertion(id, host.Address, Now, ("header:kid", null)))).Status);
        Assert.Contains(host.SignIns.Intents, change => change.What == "keys-replaced" && change.Object.Id == id);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("not JSON")]
    [InlineData("{\"keys\":[]}")]
    [InlineData("{\"keys\":[1]}")]
    [InlineData("{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}]}")]
    [InlineData("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AA\",\"y\":\"AA\"}]}")]
    [InlineData("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}")]
    [InlineData("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}]}")]
    [InlineData("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"use\":\"enc\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}")]
    public async Task A_key_set_that_will_not_do_is_refused_when_it_is_registered(string keySet)
    {
        var refused = await Assert.ThrowsAsync<IssuerException>(
            () => host.Clients.RegisterKeyHolderAsync(ClientRegistration.KeyHolder("key-holder", "Key holder", [], [], keySet), IssuerHost.Administrator));

        Assert.Equal("invalid-fields", refused.Slug);
    }

    private DateTimeOffset Now => host.Clock.GetUtcNow();

    private async Task<string> RegisterAsync(Signing key)
    {
        var id = "signs-" + Guid.NewGuid().ToString("N")[..8];
        await host.Clients.RegisterKeyHolderAsync(ClientRegistration.KeyHolder(id, "Signs", ["marketing"], ["marketing"], key.KeySet), IssuerHost.Administrator);
        return id;
    }

    private Task<(HttpStatusCode Status, System.Text.Json.JsonElement Body)> AskAsync(string assertion, params (string Name, string Value)[] more) =>
        host.TokenAsync([("grant_type", "client_credentials"), ("client_assertion_type", Type), ("client_assertion", assertion), .. more]);
}
