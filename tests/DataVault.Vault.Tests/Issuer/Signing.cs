using System.Buffers.Text;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.IdentityModel.Tokens;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>A key pair of a client, and what it signs: statements and proofs, right ones and wrong ones.</summary>
internal sealed class Signing : IDisposable
{
    private readonly AsymmetricAlgorithm key;

    private Signing(AsymmetricAlgorithm key, string kid) => (this.key, Kid) = (key, kid);

    public string Kid { get; }

    public string Algorithm => key is ECDsa ? "ES256" : "PS256";

    public string Thumbprint => Base64Url.EncodeToString(new JsonWebKey(Public).ComputeJwkThumbprint());

    /// <summary>The public key as a JWK.</summary>
    public string Public => JsonSerializer.Serialize(Members());

    public string KeySet => $"{{\"keys\":[{Public}]}}";

    public static Signing Elliptic(string kid = "one") => new(ECDsa.Create(ECCurve.NamedCurves.nistP256), kid);

    public static Signing Rsa(string kid = "one") => new(RSA.Create(2048), kid);

    /// <summary>A JWT of these members, values in JSON; null leaves one out.</summary>
    public string Sign(Dictionary<string, string> header, Dictionary<string, string> payload, params (string Name, string? Value)[] changes)
    {
        foreach (var (name, value) in changes)
        {
            var members = name.StartsWith("header:", StringComparison.Ordinal) ? header : payload;
            var member = name[(name.IndexOf(':', StringComparison.Ordinal) + 1)..];
            if (value is null) members.Remove(member);
            else members[member] = value;
        }

        var text = $"{Encode(header)}.{Encode(payload)}";
        var bytes = Encoding.ASCII.GetBytes(text);
        var signature = key switch
        {
            ECDsa ec => ec.SignData(bytes, HashAlgorithmName.SHA256),
            RSA rsa => rsa.SignData(bytes, HashAlgorithmName.SHA256, RSASignaturePadding.Pss),
            _ => throw new InvalidOperationException("Another key."),
        };
        return $"{text}.{Base64Url.EncodeToString(signature)}";
    }

    /// <summary>A statement of a client that it is itself.</summary>
    public string Assertion(string client, string audience, DateTimeOffset now, params (string Name, string? Value)[] changes) => Sign(
        new() { ["alg"] = $"\"{Algorithm}\"", ["kid"] = $"\"{Kid}\"" },
        new()
        {
            ["iss"] = $"\"{client}\"", ["sub"] = $"\"{client}\"", ["aud"] = $"\"{audience}\"", ["jti"] = $"\"{Guid.NewGuid():N}\"",
            ["iat"] = $"{now.ToUnixTimeSeconds()}", ["exp"] = $"{now.ToUnixTimeSeconds() + 60}",
        },
        changes);

    /// <summary>A proof of possession for a call.</summary>
    public string Proof(string method, string address, DateTimeOffset now, string? nonce = null, string? token = null, params (string Name, string? Value)[] changes)
    {
        var payload = new Dictionary<string, string>
        {
            ["jti"] = $"\"{Guid.NewGuid():N}\"", ["htm"] = $"\"{method}\"", ["htu"] = $"\"{address}\"", ["iat"] = $"{now.ToUnixTimeSeconds()}",
        };
        if (nonce is not null) payload["nonce"] = $"\"{nonce}\"";
        if (token is not null) payload["ath"] = $"\"{Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(token)))}\"";
        var jwk = JsonSerializer.Serialize(Members().Where(m => m.Key is "kty" or "crv" or "x" or "y").ToDictionary(m => m.Key, m => m.Value));
        return Sign(new() { ["typ"] = "\"dpop+jwt\"", ["alg"] = $"\"{Algorithm}\"", ["jwk"] = jwk }, payload, changes);
    }

    public void Dispose() => key.Dispose();

    private Dictionary<string, string> Members() => key switch
    {
        ECDsa ec when ec.ExportParameters(false).Q is var point =>
            new() { ["kty"] = "EC", ["crv"] = "P-256", ["x"] = Base64Url.EncodeToString(point.X), ["y"] = Base64Url.EncodeToString(point.Y), ["kid"] = Kid },
        RSA rsa when rsa.ExportParameters(false) is var parameters =>
            new() { ["kty"] = "RSA", ["n"] = Base64Url.EncodeToString(parameters.Modulus), ["e"] = Base64Url.EncodeToString(parameters.Exponent), ["kid"] = Kid },
        _ => throw new InvalidOperationException("Another key."),
    };

    private static string Encode(Dictionary<string, string> members) =>
        Base64Url.EncodeToString(Encoding.UTF8.GetBytes("{" + string.Join(',', members.Select(m => $"\"{m.Key}\":{m.Value}")) + "}"));
}

/// <summary>Calls with a proof, as a client makes them: once without the nonce, once with the one that the answer gave.</summary>
internal static class ProvenCalls
{
    public static async Task<(HttpStatusCode Status, JsonElement Body, HttpResponseHeaders Headers)> TokenAsync(
        this IssuerHost host, Signing key, Func<string?, string> proof, params (string Name, string Value)[] form)
    {
        var first = await PostAsync(host, "/connect/token", proof(null), form);
        return Nonce(first.Headers) is { } nonce && first.Status == HttpStatusCode.BadRequest ? await PostAsync(host, "/connect/token", proof(nonce), form) : first;
    }

    public static Task<(HttpStatusCode Status, JsonElement Body, HttpResponseHeaders Headers)> TokenAsync(
        this IssuerHost host, Signing key, params (string Name, string Value)[] form) =>
        host.TokenAsync(key, nonce => key.Proof("POST", host.Address + "/connect/token", host.Clock.GetUtcNow(), nonce), form);

    /// <summary>A nonce as the token endpoint gives it.</summary>
    public static async Task<string> NonceAsync(this IssuerHost host, Signing key)
    {
        var (id, secret) = await host.ApplicationAsync();
        var proof = key.Proof("POST", host.Address + "/connect/token", host.Clock.GetUtcNow());
        return Nonce((await PostAsync(host, "/connect/token", proof, ("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret))).Headers)!;
    }

    public static string? Nonce(HttpResponseHeaders headers) => headers.TryGetValues("DPoP-Nonce", out var values) ? values.Single() : null;

    public static async Task<(HttpStatusCode Status, JsonElement Body, HttpResponseHeaders Headers)> PostAsync(
        this IssuerHost host, string path, string? proof, params (string Name, string Value)[] form)
    {
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, host.Address + path);
        request.Content = new FormUrlEncodedContent(form.Select(f => KeyValuePair.Create(f.Name, f.Value)));
        if (proof is not null) request.Headers.Add("DPoP", proof);
        using var answer = await http.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        return (answer.StatusCode, text.Length == 0 ? default : JsonDocument.Parse(text).RootElement, answer.Headers);
    }

    public static async Task<HttpResponseMessage> GetAsync(this IssuerHost host, string path, string scheme, string token, string? proof)
    {
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, host.Address + path);
        request.Headers.TryAddWithoutValidation("Authorization", $"{scheme} {token}");
        if (proof is not null) request.Headers.Add("DPoP", proof);
        return await http.SendAsync(request);
    }
}
