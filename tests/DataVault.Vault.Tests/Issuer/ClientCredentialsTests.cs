using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using DataVault.Issuer;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

public sealed class ClientCredentialsTests(IssuerHost host) : IClassFixture<IssuerHost>
{
    [Fact]
    public async Task Discovery_names_every_endpoint_and_nothing_weak()
    {
        using var http = new HttpClient { BaseAddress = new Uri(host.Address) };

        var document = await http.GetFromJsonAsync<JsonElement>("/.well-known/openid-configuration");

        Assert.Equal(host.Address, document.GetProperty("issuer").GetString());
        Assert.Equal("S256", document.GetProperty("code_challenge_methods_supported").EnumerateArray().Single().GetString());
        Assert.Equal("code", document.GetProperty("response_types_supported").EnumerateArray().Single().GetString());
        Assert.Equal("ES256", document.GetProperty("id_token_signing_alg_values_supported").EnumerateArray().Single().GetString());
        Assert.All(
            document.EnumerateObject().Where(p => p.Name.EndsWith("_endpoint", StringComparison.Ordinal) || p.Name == "jwks_uri"),
            p => Assert.StartsWith(host.Address + "/", p.Value.GetString()));
    }

    [Fact]
    public async Task Published_keys_are_public()
    {
        using var http = new HttpClient { BaseAddress = new Uri(host.Address) };

        var keys = (await http.GetFromJsonAsync<JsonElement>("/.well-known/jwks.json")).GetProperty("keys").EnumerateArray().ToList();

        var key = Assert.Single(keys);
        Assert.Equal("ES256", key.GetProperty("alg").GetString());
        Assert.False(key.TryGetProperty("d", out _));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_application_gets_a_token_that_says_who_it_is_and_for_what(bool basic)
    {
        var (id, secret) = await host.ApplicationAsync();

        var (status, body) = basic
            ? await BasicAsync(id, secret)
            : await host.TokenAsync(("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret));
        var token = await host.Validator.ValidateAsync(body.GetProperty("access_token").GetString()!, default);

        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal("Bearer", body.GetProperty("token_type").GetString());
        Assert.Equal(300, body.GetProperty("expires_in").GetInt32());
        Assert.False(body.TryGetProperty("refresh_token", out _));
        Assert.Equal((id, id, Realm.Application, "Campaigns", 1), (token!.Subject, token.ClientId, token.Realm, token.Name, token.Assurance));
        Assert.Equal(["marketing"], token.Roles);
        Assert.Equal(["marketing", "personalisation"], token.Purposes);
        Assert.Null(token.Customer);
        Assert.Contains(host.SignIns.All, e => e is { Success: true, Kind: SignInKinds.TokenIssued } && e.ActorId == id);
    }

    [Fact]
    public async Task An_unknown_client_and_a_wrong_secret_get_the_same_answer()
    {
        var (id, _) = await host.ApplicationAsync();

        var wrong = await host.TokenAsync(("grant_type", "client_credentials"), ("client_id", id), ("client_secret", "wrong"));
        var unknown = await host.TokenAsync(("grant_type", "client_credentials"), ("client_id", "nobody"), ("client_secret", "wrong"));

        Assert.Equal(HttpStatusCode.Unauthorized, wrong.Status);
        Assert.Equal((wrong.Status, wrong.Body.GetRawText()), (unknown.Status, unknown.Body.GetRawText()));
    }

    [Fact]
    public async Task Showing_the_secret_in_two_places_is_refused()
    {
        var (id, secret) = await host.ApplicationAsync();

        var (status, _) = await BasicAsync(id, secret, ("client_secret", secret));

        Assert.Equal(HttpStatusCode.Unauthorized, status);
    }

    [Theory]
    [InlineData("password", "unsupported_grant_type")]
    [InlineData("authorization_code", "unauthorized_client")]
    [InlineData("refresh_token", "unauthorized_client")]
    public async Task An_application_cannot_use_a_grant_that_it_is_not_registered_for(string grantType, string error)
    {
        var (id, secret) = await host.ApplicationAsync();

        var (status, body) = await host.TokenAsync(("grant_type", grantType), ("client_id", id), ("client_secret", secret));

        Assert.Equal((HttpStatusCode.BadRequest, error), (status, body.GetProperty("error").GetString()));
    }

    [Fact]
    public async Task A_former_secret_works_until_the_overlap_ends()
    {
        var (id, former) = await host.ApplicationAsync();
        var present = await host.Clients.RotateSecretAsync(id, IssuerHost.Administrator);

        Assert.Equal(HttpStatusCode.OK, (await BasicAsync(id, present)).Status);
        Assert.Equal(HttpStatusCode.OK, (await BasicAsync(id, former)).Status);
        host.Clock.Advance(TimeSpan.FromHours(25));
        Assert.Equal(HttpStatusCode.OK, (await BasicAsync(id, present)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await BasicAsync(id, former)).Status);
    }

    [Fact]
    public async Task A_removed_application_loses_the_tokens_it_holds()
    {
        var (id, secret) = await host.ApplicationAsync();
        var token = (await BasicAsync(id, secret)).Body.GetProperty("access_token").GetString()!;
        Assert.NotNull(await host.Validator.ValidateAsync(token, default));

        await host.Clients.RemoveAsync(id, IssuerHost.Administrator);

        Assert.Null(await host.Validator.ValidateAsync(token, default));
        Assert.DoesNotContain(await host.Clients.ListAsync(), c => c.Registration.Id == id);
    }

    [Fact]
    public async Task An_application_ends_its_own_token_and_nobody_elses()
    {
        var (id, secret) = await host.ApplicationAsync();
        var (other, otherSecret) = await host.ApplicationAsync();
        var token = (await BasicAsync(id, secret)).Body.GetProperty("access_token").GetString()!;

        Assert.Equal(HttpStatusCode.OK, await RevokeAsync(other, otherSecret, token));
        Assert.NotNull(await host.Validator.ValidateAsync(token, default));
        Assert.Equal(HttpStatusCode.OK, await RevokeAsync(id, secret, token));
        Assert.Null(await host.Validator.ValidateAsync(token, default));
    }

    [Fact]
    public async Task A_client_id_cannot_be_registered_twice()
    {
        var (id, _) = await host.ApplicationAsync();

        var refused = await Assert.ThrowsAsync<IssuerException>(
            () => host.Clients.RegisterAsync(ClientRegistration.Application(id, "Another", [], []), IssuerHost.Administrator));

        Assert.Equal("conflict", refused.Slug);
    }

    [Theory]
    [InlineData("Upper", "https://a.example/cb")]
    [InlineData("ok-id", "https://a.example/cb#fragment")]
    [InlineData("ok-id", "https://*.example/cb")]
    [InlineData("ok-id", "https://user@a.example/cb")]
    [InlineData("ok-id", "javascript:alert(1)")]
    [InlineData("ok-id", "/relative")]
    public async Task A_careless_registration_is_refused(string id, string redirect)
    {
        var refused = await Assert.ThrowsAsync<IssuerException>(
            () => host.Clients.RegisterAsync(ClientRegistration.SignIn(id, "Careless", [redirect], []), IssuerHost.Administrator));

        Assert.Equal("invalid-fields", refused.Slug);
    }

    [Theory]
    [InlineData("application/json", "{\"grant_type\":\"client_credentials\"}")]
    [InlineData("multipart/form-data; boundary=x", "--x--")]
    [InlineData("application/x-www-form-urlencoded", "grant_type=client_credentials&grant_type=client_credentials")]
    [InlineData("application/x-www-form-urlencoded", "")]
    public async Task A_malformed_token_request_is_refused_politely(string type, string text)
    {
        using var http = new HttpClient();
        using var content = new StringContent(text);
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);

        using var answer = await http.PostAsync(host.Address + "/connect/token", content);

        Assert.InRange((int)answer.StatusCode, 400, 401);
        Assert.Contains("invalid_", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    private async Task<(HttpStatusCode Status, JsonElement Body)> BasicAsync(string id, string secret, params (string, string)[] more)
    {
        using var http = new HttpClient();
        http.DefaultRequestHeaders.Authorization =
            new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{id}:{secret}")));
        (string Name, string Value)[] fields = [("grant_type", "client_credentials"), .. more];
        using var form = new FormUrlEncodedContent(fields.Select(f => KeyValuePair.Create(f.Name, f.Value)));
        using var answer = await http.PostAsync(host.Address + "/connect/token", form);
        return (answer.StatusCode, await answer.Content.ReadFromJsonAsync<JsonElement>());
    }

    private async Task<HttpStatusCode> RevokeAsync(string id, string secret, string token)
    {
        using var browser = new Browser(host.Address);
        using var answer = await browser.PostAsync("/connect/revocation", ("client_id", id), ("client_secret", secret), ("token", token));
        return answer.StatusCode;
    }
}
