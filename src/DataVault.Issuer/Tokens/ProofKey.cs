using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace DataVault.Issuer.Tokens;

/// <summary>The public key in the header of a proof, and its thumbprint (RFC 7638).</summary>
internal sealed class ProofKey
{
    private const int CoordinateLength = 32;
    private readonly ECParameters parameters;

    // One object is for one thread at a time; they are made as threads come.
    private readonly ConcurrentBag<ECDsa> idle;

    private ProofKey(ECParameters parameters, ECDsa first, string thumbprint) => (this.parameters, idle, Thumbprint) = (parameters, [first], thumbprint);

    public string Thumbprint { get; }

    /// <summary>Null unless the header is that of an ES256 proof with a P-256 public key, and nothing is said twice.</summary>
    public static ProofKey? Read(ReadOnlySpan<char> encodedHeader)
    {
        if (!Base64Url.IsValid(encodedHeader)) return null;
        try
        {
            using var header = JsonDocument.Parse(Base64Url.DecodeFromChars(encodedHeader), new JsonDocumentOptions { MaxDepth = 3, AllowDuplicateProperties = false });
            var root = header.RootElement;
            if (root.ValueKind != JsonValueKind.Object || Text(root, "typ") != ProofReader.Type || Text(root, "alg") != ProofReader.Algorithm || root.TryGetProperty("crit", out _)) return null;
            return root.TryGetProperty("jwk", out var jwk) && jwk.ValueKind == JsonValueKind.Object ? Import(jwk) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public bool Verify(ReadOnlySpan<byte> signed, ReadOnlySpan<byte> signature)
    {
        var key = idle.TryTake(out var free) ? free : ECDsa.Create(parameters);
        try
        {
            return key.VerifyData(signed, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        }
        finally
        {
            idle.Add(key);
        }
    }

    private static ProofKey? Import(JsonElement jwk)
    {
        if (Text(jwk, "kty") != "EC" || Text(jwk, "crv") != "P-256" || jwk.TryGetProperty("d", out _)) return null;
        if (Coordinate(jwk, "x") is not { } x || Coordinate(jwk, "y") is not { } y) return null;
        var parameters = new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = x, Y = y } };
        try
        {
            return new ProofKey(parameters, ECDsa.Create(parameters), ThumbprintOf(x, y));
        }
        catch (CryptographicException)
        {
            // Not a point of the curve.
            return null;
        }
    }

    // RFC 7638 §3: the required members in the order of their names.
    private static string ThumbprintOf(byte[] x, byte[] y) => Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(
        $$"""{"crv":"P-256","kty":"EC","x":"{{Base64Url.EncodeToString(x)}}","y":"{{Base64Url.EncodeToString(y)}}"}""")));

    private static byte[]? Coordinate(JsonElement jwk, string name) =>
        Text(jwk, name) is { } text && Base64Url.IsValid(text, out var length) && length == CoordinateLength ? Base64Url.DecodeFromChars(text) : null;

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}

/// <summary>Keys by the header that brought them, once a signature of theirs was right. Two generations, so that memory is bounded and no call sweeps.</summary>
internal sealed class KnownProofKeys
{
    private const int Generation = 5_000;
    private ConcurrentDictionary<string, ProofKey> young = new();
    private ConcurrentDictionary<string, ProofKey> old = new();
    private int added;

    public ProofKey? Find(ReadOnlySpan<char> header) =>
        young.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(header, out var key) || old.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(header, out key) ? key : null;

    public void Add(string header, ProofKey key)
    {
        if (!young.TryAdd(header, key) || Interlocked.Increment(ref added) % Generation != 0) return;
        (old, young) = (young, new ConcurrentDictionary<string, ProofKey>());
    }
}
