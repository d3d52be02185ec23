using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using DataVault.Issuer;
using DataVault.Testing;
using Microsoft.IdentityModel.JsonWebTokens;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>An issuer that goes by the time of day, as programs that others wrote do.</summary>
public sealed class PresentIssuerHost : IssuerHost
{
    private protected override TimeProvider Time => TimeProvider.System;
}

/// <summary>Relying parties that nobody here wrote (npm's certified openid-client, and oauth4webapi) against the issuer over HTTP: tests/oidc/relying-party.mjs.</summary>
public sealed class RelyingPartyTests(PresentIssuerHost host) : IClassFixture<PresentIssuerHost>
{
    private const string Redirect = "http://127.0.0.1:49152/signed-in";

    [Fact]
    public async Task Openid_client_signs_in_with_code_and_PKCE_refreshes_introspects_revokes_and_signs_out()
    {
        var person = await host.PersonAsync("customer");
        var (id, secret) = host.Console;

        var came = await AskAsync(new { task = "signIn", issuer = host.Address, id, secret, redirect = IssuerHost.Callback, signedOut = IssuerHost.SignOutAddress, person = new { email = person.Email, password = person.Password } });

        Assert.Equal(person.Id.ToString("D"), came.GetProperty("claims").GetProperty("sub").GetString());
        Assert.Equal("pwd", came.GetProperty("claims").GetProperty("amr")[0].GetString());
        Assert.Equal(person.Id.ToString("D"), came.GetProperty("user").GetProperty("sub").GetString());
        Assert.True(came.GetProperty("before").GetBoolean() && came.GetProperty("renewed").GetBoolean());
        Assert.False(came.GetProperty("after").GetBoolean());
        Assert.Equal(IssuerHost.SignOutAddress + "?state=bye", came.GetProperty("signedOut").GetString());
        Assert.Equal("invalid_grant", came.GetProperty("late").GetString());
    }

    [Fact]
    public async Task Openid_client_gets_tokens_for_an_application_by_private_key_jwt_bound_to_a_key_and_for_another_resource()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var (jwk, keySet) = Jwk(key);
        await host.Clients.RegisterKeyHolderAsync(
            ClientRegistration.KeyHolder("signs-itself", "Signs itself", ["marketing"], ["marketing"], keySet) with { Resources = ["https://reports.example/api"] }, IssuerHost.Administrator);

        var came = await AskAsync(new { task = "signingClient", issuer = host.Address, id = "signs-itself", key = jwk, kid = "k1", resource = "https://reports.example/api" });

        Assert.Equal(("bearer", "dpop"), (came.GetProperty("bearer").GetString(), came.GetProperty("bound").GetString()));
        Assert.Equal("signs-itself", (await host.Validator.ValidateAsync(came.GetProperty("token").GetString()!, default))!.ClientId);
        Assert.NotNull((await host.Validator.ValidateAsync(came.GetProperty("boundToken").GetString()!, default))!.KeyThumbprint);
        Assert.Equal("https://reports.example/api", new JsonWebToken(came.GetProperty("elsewhere").GetString()).Audiences.Single());
        Assert.Null(await host.Validator.ValidateAsync(came.GetProperty("elsewhere").GetString()!, default));
    }

    [Fact]
    public async Task Oauth4webapi_signs_in_for_a_program_bound_to_a_key_and_a_refresh_token_without_the_key_is_worth_nothing()
    {
        await host.Clients.EnsureAsync(ClientRegistration.Program("program", "Program", "/signed-in"), null);
        var person = await host.PersonAsync("customer");

        var came = await AskAsync(new { task = "boundProgram", issuer = host.Address, id = "program", redirect = Redirect, person = new { email = person.Email, password = person.Password } });

        Assert.Equal(("dpop", "dpop"), (came.GetProperty("type").GetString(), came.GetProperty("renewed").GetString()));
        Assert.Equal(person.Id.ToString("D"), came.GetProperty("user").GetProperty("sub").GetString());
        Assert.Equal(("invalid_grant", "invalid_grant"), (came.GetProperty("stolen").GetString(), came.GetProperty("late").GetString()));
    }

    [Fact]
    public async Task Oauth4webapi_tells_the_answer_of_another_issuer_apart_and_one_that_does_not_say_whose_it_is()
    {
        var came = await AskAsync(new { task = "mixUp", issuer = host.Address, id = "console", redirect = Redirect });

        Assert.Equal("taken", came.GetProperty("ours").GetString());
        Assert.Matches(new Regex("iss"), came.GetProperty("foreign").GetString()!);
        Assert.Matches(new Regex("iss"), came.GetProperty("missing").GetString()!);
    }

    private static async Task<JsonElement> AskAsync(object task)
    {
        if (await NodeProgram.WhyNotAsync() is { } reason) Assert.Skip(reason);
        var (program, answer) = await NodeProgram.StartAsync("relying-party.mjs", task);
        await using (program)
        {
            Assert.False(answer.TryGetProperty("error", out _), answer.GetRawText());
            return answer;
        }
    }

    private static (object Private, string KeySet) Jwk(ECDsa key)
    {
        var p = key.ExportParameters(true);
        string Text(byte[]? bytes) => System.Buffers.Text.Base64Url.EncodeToString(bytes);
        return (
            new { kty = "EC", crv = "P-256", x = Text(p.Q.X), y = Text(p.Q.Y), d = Text(p.D) },
            JsonSerializer.Serialize(new { keys = new[] { new { kty = "EC", crv = "P-256", kid = "k1", x = Text(p.Q.X), y = Text(p.Q.Y) } } }));
    }
}
