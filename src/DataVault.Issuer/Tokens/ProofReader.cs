using System.Buffers.Text;
using System.Text;
using System.Text.Json;

namespace DataVault.Issuer.Tokens;

/// <summary>What a proof says (RFC 9449 §4.2).</summary>
internal readonly record struct ProofClaims(string? Id, string? Method, string? Address, long? IssuedAt, string? TokenHash, string? Nonce)
{
    private const int LongestId = 256;

    public bool AreComplete => Id is { Length: > 0 and <= LongestId } && Method is not null && Address is not null && IssuedAt is not null;
}

/// <summary>
/// Reads and verifies a proof: a JWT of the type <c>dpop+jwt</c>, ES256, signed with the key in its own header. Written by hand, since it stands on the way of every
/// call that is bound to a key: keys are kept, and nothing is made that is not needed.
/// </summary>
internal sealed class ProofReader
{
    public const string Type = "dpop+jwt";
    public const string Algorithm = "ES256";
    private const int Longest = 4096;
    private const int SignatureLength = 64;
    private readonly KnownProofKeys keys = new();

    /// <summary>Null unless it is well formed and its signature right.</summary>
    public (ProofKey Key, ProofClaims Claims)? Read(string proof)
    {
        if (proof.Length > Longest || !Ascii.IsValid(proof)) return null;
        var text = proof.AsSpan();
        var (first, last) = (text.IndexOf('.'), text.LastIndexOf('.'));
        if (first < 1 || last <= first + 1 || text[(first + 1)..last].Contains('.')) return null;
        var header = text[..first];
        var known = keys.Find(header);
        if ((known ?? ProofKey.Read(header)) is not { } key || Claims(text[(first + 1)..last]) is not { AreComplete: true } claims) return null;
        if (!IsSigned(key, text[..last], text[(last + 1)..])) return null;
        if (known is null) keys.Add(header.ToString(), key);
        return (key, claims);
    }

    private static bool IsSigned(ProofKey key, ReadOnlySpan<char> signed, ReadOnlySpan<char> encoded)
    {
        Span<byte> signature = stackalloc byte[SignatureLength];
        if (!Base64Url.TryDecodeFromChars(encoded, signature, out var length) || length != SignatureLength) return false;
        Span<byte> bytes = stackalloc byte[Longest];
        return key.Verify(bytes[..Encoding.ASCII.GetBytes(signed, bytes)], signature);
    }

    private static ProofClaims? Claims(ReadOnlySpan<char> encoded)
    {
        Span<byte> json = stackalloc byte[Longest];
        if (!Base64Url.TryDecodeFromChars(encoded, json, out var length)) return null;
        try
        {
            return Claims(new Utf8JsonReader(json[..length], new JsonReaderOptions { MaxDepth = 8 }));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            // Not JSON, or a member of another kind than it should be.
            return null;
        }
    }

    private static ProofClaims? Claims(Utf8JsonReader reader)
    {
        var claims = default(ProofClaims);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var former = claims;
            var name = reader.GetString();
            reader.Read();
            claims = name switch
            {
                "jti" when claims.Id is null => claims with { Id = reader.GetString() },
                "htm" when claims.Method is null => claims with { Method = reader.GetString() },
                "htu" when claims.Address is null => claims with { Address = reader.GetString() },
                "iat" when claims.IssuedAt is null => claims with { IssuedAt = reader.GetInt64() },
                "ath" when claims.TokenHash is null => claims with { TokenHash = reader.GetString() },
                "nonce" when claims.Nonce is null => claims with { Nonce = reader.GetString() },
                _ => claims,
            };
            // A member that is said twice is read in two ways by two readers.
            if (former == claims && name is "jti" or "htm" or "htu" or "iat" or "ath" or "nonce") return null;
            reader.Skip();
        }

        return reader.TokenType == JsonTokenType.EndObject && !reader.Read() ? claims : null;
    }
}
