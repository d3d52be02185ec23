using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>An OpenID provider of somebody else, in this process, that says and signs whatever a test wants.</summary>
internal sealed class StandInProvider : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Dictionary<string, (ECDsa Key, JsonObject Jwk)> _keys = [];
    private int _asked;

    private StandInProvider(WebApplication app) => _app = app;

    public string Issuer => _app.Urls.Single();

    /// <summary>Documents that were fetched.</summary>
    public int Asked => _asked;

    /// <summary>Changes its discovery document.</summary>
    public Action<JsonObject> Discovery { get; set; } = static _ => { };

    /// <summary>Changes its key set.</summary>
    public Action<JsonArray> Published { get; set; } = static _ => { };

    /// <summary>Answers in its place, when set.</summary>
    public Func<HttpContext, Task>? Instead { get; set; }

    public static async Task<StandInProvider> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        var provider = new StandInProvider(app);
        app.Run(provider.AnswerAsync);
        await app.StartAsync();
        provider.AddKey("first");
        return provider;
    }

    public void AddKey(string kid)
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var point = key.ExportParameters(false).Q;
        _keys[kid] = (key, new JsonObject { ["kty"] = "EC", ["crv"] = "P-256", ["kid"] = kid, ["use"] = "sig", ["x"] = Base64Url.EncodeToString(point.X), ["y"] = Base64Url.EncodeToString(point.Y) });
    }

    public void RemoveKey(string kid) => _keys.Remove(kid);

    /// <summary>A token as it should be, with members of header and payload changed; a null takes one away.</summary>
    public string Token(DateTimeOffset now, JsonObject? header = null, JsonObject? payload = null, string kid = "first", ECDsa? key = null)
    {
        var head = Changed(new JsonObject { ["alg"] = "ES256", ["typ"] = "at+jwt", ["kid"] = kid }, header);
        var body = Changed(
            new JsonObject
            {
                ["iss"] = Issuer, ["aud"] = "datavault", ["sub"] = "anna.keller@corp.example", ["client_id"] = "portal", ["roles"] = new JsonArray("Vault Officers"),
                ["iat"] = now.ToUnixTimeSeconds(), ["exp"] = now.AddMinutes(5).ToUnixTimeSeconds(), ["jti"] = Guid.NewGuid().ToString("N"),
            },
            payload);
        return Signed(head.ToJsonString(), body.ToJsonString(), key ?? _keys.GetValueOrDefault(kid).Key);
    }

    public static string Signed(string header, string payload, ECDsa key)
    {
        var content = Encode(header) + "." + Encode(payload);
        return content + "." + Base64Url.EncodeToString(key.SignData(Encoding.ASCII.GetBytes(content), HashAlgorithmName.SHA256));
    }

    public ECDsa KeyOf(string kid) => _keys[kid].Key;

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
        foreach (var (key, _) in _keys.Values) key.Dispose();
    }

    private static string Encode(string json) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json));

    private static JsonObject Changed(JsonObject whole, JsonObject? changes)
    {
        foreach (var (name, value) in changes ?? [])
        {
            if (value is null) whole.Remove(name);
            else whole[name] = value.DeepClone();
        }

        return whole;
    }

    private Task AnswerAsync(HttpContext context)
    {
        Interlocked.Increment(ref _asked);
        if (Instead is { } answer) return answer(context);
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(context.Request.Path == "/keys" ? Keys() : Document());
    }

    private string Document()
    {
        var document = new JsonObject { ["issuer"] = Issuer, ["jwks_uri"] = Issuer + "/keys" };
        Discovery(document);
        return document.ToJsonString();
    }

    private string Keys()
    {
        var keys = new JsonArray([.. _keys.Values.Select(one => one.Jwk.DeepClone())]);
        Published(keys);
        return JsonSerializer.Serialize(new { keys });
    }
}
