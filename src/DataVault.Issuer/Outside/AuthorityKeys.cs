using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.Tokens;

namespace DataVault.Issuer.Outside;

/// <summary>
/// The signing keys of an outside provider, by discovery (OpenID Connect Discovery 1.0 §4). They are looked up again beside the calls when they are no longer fresh, and
/// at once when a token names a key that is not among them; whatever comes, never twice within <see cref="Pause"/> and never twice at the same time. A provider that is
/// away takes nothing from those whose keys are known, for <see cref="OutsideAuthority.KeysLongest"/>.
/// </summary>
internal sealed class AuthorityKeys(OutsideAuthority authority, HttpClient http, TimeProvider clock, ILogger logger)
{
    public const int LongestDocument = 256 * 1024;

    /// <summary>Or the time that keys count as fresh, where that is less.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    private const int MostKeys = 100;
    private const int SmallestRsa = 2048;
    private readonly Lock gate = new();
    private Task running = Task.CompletedTask;
    private DateTimeOffset tried = DateTimeOffset.MinValue;
    private volatile KeySet? current;

    /// <summary>Null for a key that the provider does not publish.</summary>
    /// <exception cref="IssuerException">unavailable: the provider cannot be reached, and has not been for long.</exception>
    public async ValueTask<JsonWebKey?> FindAsync(string kid, CancellationToken cancellationToken)
    {
        var known = current;
        if (known is null || Age(known) > authority.KeysLongest) await LoadAsync().WaitAsync(cancellationToken);
        else if (Age(known) > authority.KeysFresh) _ = LoadAsync();
        if (Usable().Keys.GetValueOrDefault(kid) is { } key) return key;
        await LoadAsync().WaitAsync(cancellationToken);
        return Usable().Keys.GetValueOrDefault(kid);
    }

    private KeySet Usable() =>
        current is { } known && Age(known) <= authority.KeysLongest
            ? known
            : throw new IssuerException("unavailable", "The identity provider cannot be reached.");

    private TimeSpan Age(KeySet known) => clock.GetUtcNow() - known.LoadedAt;

    // Detached from the call that asks: the next one needs the answer as well.
    private Task LoadAsync()
    {
        lock (gate)
        {
            if (!running.IsCompleted) return running;
            var now = clock.GetUtcNow();
            if (now - tried < (authority.KeysFresh < Pause ? authority.KeysFresh : Pause)) return Task.CompletedTask;
            tried = now;
            return running = Task.Run(async () => current = await ReadAsync(now) ?? current);
        }
    }

    private async Task<KeySet?> ReadAsync(DateTimeOffset now)
    {
        try
        {
            using var discovery = JsonDocument.Parse(await GetAsync(new Uri(authority.Issuer.TrimEnd('/') + "/.well-known/openid-configuration")));
            // §4.3: what speaks for another issuer speaks for nobody here.
            if (Text(discovery, "issuer") != authority.Issuer) throw new InvalidDataException("it names another issuer");
            if (!Uri.TryCreate(Text(discovery, "jwks_uri"), UriKind.Absolute, out var place)) throw new InvalidDataException("it names no keys");
            return new KeySet(Sound(new JsonWebKeySet(await GetAsync(place))), now);
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or JsonException or InvalidDataException or ArgumentException)
        {
            logger.LogWarning(
                "The keys of the identity provider {Authority} cannot be looked up now ({Kind}: {Reason}).", authority.Name, e.GetType().Name, e is InvalidDataException ? e.Message : "");
            return null;
        }
    }

    private async Task<string> GetAsync(Uri address)
    {
        if (!OutsideAuthority.IsSafe(address)) throw new InvalidDataException("an address of it is neither https nor on this machine");
        using var answer = await http.GetAsync(address);
        // A redirect is no answer either: it could lead anywhere.
        if ((int)answer.StatusCode != 200) throw new InvalidDataException($"it answers {(int)answer.StatusCode}");
        return await answer.Content.ReadAsStringAsync();
    }

    private static string? Text(JsonDocument document, string name) =>
        document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    // A key that two of the set claim to be is nobody's.
    private static Dictionary<string, JsonWebKey> Sound(JsonWebKeySet set) =>
        set.Keys.Take(MostKeys).Where(IsSound).GroupBy(key => key.Kid, StringComparer.Ordinal).Where(same => same.Count() == 1)
            .ToDictionary(same => same.Key, same => same.Single(), StringComparer.Ordinal);

    private static bool IsSound(JsonWebKey key) =>
        !string.IsNullOrEmpty(key.Kid) && key.Use is null or "" or "sig" && !key.HasPrivateKey
        && key.Kty switch { "RSA" => key.KeySize >= SmallestRsa, "EC" => key.Crv is "P-256" or "P-384" or "P-521", _ => false };

    private sealed record KeySet(Dictionary<string, JsonWebKey> Keys, DateTimeOffset LoadedAt);
}

/// <summary>The way to outside providers: no redirect, no cookie, little patience and little memory.</summary>
internal sealed class AuthorityConnection : IDisposable
{
    public HttpClient Http { get; } = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        ConnectTimeout = TimeSpan.FromSeconds(5),
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
    })
    {
        Timeout = TimeSpan.FromSeconds(5),
        MaxResponseContentBufferSize = AuthorityKeys.LongestDocument,
    };

    public void Dispose() => Http.Dispose();
}
