using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using DataVault.Issuer.Keys;
using DataVault.Issuer.Tokens;

namespace DataVault.Issuer;

/// <summary>What is wrong with a proof.</summary>
public enum ProofFault
{
    None,

    /// <summary>Not a proof, or not for this call.</summary>
    Invalid,

    /// <summary>It must repeat what <see cref="DpopProofs.Nonce"/> gives.</summary>
    NonceNeeded,
}

/// <summary>What came of looking at a proof.</summary>
/// <param name="Fault">What is wrong with it.</param>
/// <param name="Thumbprint">Of the key that signed it, when nothing is.</param>
public readonly record struct ProofCheck(ProofFault Fault, string? Thumbprint)
{
    internal static ProofCheck Invalid { get; } = new(ProofFault.Invalid, null);

    /// <summary>Its <c>jti</c>, for whoever must know across processes whether it was shown before.</summary>
    internal string Id { get; init; } = "";

    /// <summary>The nonce that it repeats is about to be too old.</summary>
    internal bool IsNonceAged { get; init; }
}

/// <summary>
/// Proofs of possession (RFC 9449): a signature over method, address, moment, nonce and token by the key that the token is bound to. Addresses are compared with the
/// public one of the settings, never with what a call says its host is.
/// </summary>
public sealed class DpopProofs
{
    private const int SecondsBack = 60;
    private const int SecondsAhead = 10;
    private const int LongestToken = 8 * 1024;
    private readonly ProofReader reader = new();
    private readonly ProofNonces nonces;
    private readonly ShownProofs shown;
    private readonly IssuerOptions options;
    private readonly TimeProvider clock;

    internal DpopProofs(IssuerSecrets secrets, IssuerOptions options, TimeProvider clock) =>
        (nonces, shown, this.options, this.clock) = (new ProofNonces(secrets, clock), new ShownProofs(clock), options, clock);

    /// <summary>Algorithms of proofs.</summary>
    public static IReadOnlyList<string> Algorithms { get; } = [ProofReader.Algorithm];

    /// <summary>What the next proof is to repeat.</summary>
    public string Nonce => nonces.Current;

    internal static TimeSpan Life { get; } = TimeSpan.FromSeconds(SecondsBack + SecondsAhead);

    /// <summary>Looks at the proof of a call. A proof that is right is taken once by this process.</summary>
    /// <param name="proof">Value of the header <c>DPoP</c>.</param>
    /// <param name="method">HTTP method of the call.</param>
    /// <param name="path">Its path, as in an address.</param>
    /// <param name="accessToken">The token that the call brings; null where it gets one.</param>
    public ProofCheck Check(string proof, string method, string path, string? accessToken)
    {
        if (reader.Read(proof) is not var (key, claims) || claims.Method != method || !IsHere(claims.Address!, path) || !IsNow(claims.IssuedAt!.Value)) return ProofCheck.Invalid;
        if (accessToken is not null && !IsFor(accessToken, claims.TokenHash)) return ProofCheck.Invalid;
        if (claims.Nonce is null || !nonces.IsFresh(claims.Nonce)) return new ProofCheck(ProofFault.NonceNeeded, null);
        return shown.TryAdd(key.Thumbprint, claims.Id!)
            ? new ProofCheck(ProofFault.None, key.Thumbprint) { Id = claims.Id!, IsNonceAged = claims.Nonce != nonces.Current }
            : ProofCheck.Invalid;
    }

    private bool IsNow(long issuedAt)
    {
        var now = clock.GetUtcNow().ToUnixTimeSeconds();
        return issuedAt >= now - SecondsBack && issuedAt <= now + SecondsAhead;
    }

    // RFC 9449 §4.3: without query and fragment, after normalisation.
    private bool IsHere(string address, string path)
    {
        var here = options.Issuer;
        if (address.Length == here.Length + path.Length && address.StartsWith(here, StringComparison.Ordinal) && address.EndsWith(path, StringComparison.Ordinal)) return true;
        return Uri.TryCreate(address, UriKind.Absolute, out var given) && given.UserInfo.Length == 0 && Uri.TryCreate(here + path, UriKind.Absolute, out var expected)
            && Uri.Compare(given, expected, UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped, StringComparison.Ordinal) == 0;
    }

    private static bool IsFor(string accessToken, string? hash)
    {
        Span<byte> expected = stackalloc byte[SHA256.HashSizeInBytes];
        Span<byte> given = stackalloc byte[SHA256.HashSizeInBytes];
        if (hash is null || accessToken.Length > LongestToken || !Base64Url.TryDecodeFromChars(hash, given, out var length) || length != given.Length) return false;
        Span<byte> token = stackalloc byte[LongestToken];
        SHA256.HashData(token[..Encoding.ASCII.GetBytes(accessToken, token)], expected);
        return CryptographicOperations.FixedTimeEquals(expected, given);
    }

    /// <summary>
    /// Proofs that were taken, for as long as they could be taken again. When there are more than memory is given for, proofs are refused rather than forgotten.
    /// </summary>
    private sealed class ShownProofs(TimeProvider clock)
    {
        private const int Most = 1_000_000;
        private readonly Lock turn = new();
        private HashSet<UInt128> young = [];
        private HashSet<UInt128> old = [];
        private DateTimeOffset begun = clock.GetUtcNow();

        public bool TryAdd(string thumbprint, string id)
        {
            var key = Key(thumbprint, id);
            lock (turn)
            {
                var now = clock.GetUtcNow();
                if (now - begun > Life) (old, young, begun) = (now - begun > 2 * Life ? [] : young, [], now);
                return !old.Contains(key) && young.Count < Most && young.Add(key);
            }
        }

        private static UInt128 Key(string thumbprint, string id)
        {
            Span<byte> text = stackalloc byte[2048];
            Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
            var length = Encoding.UTF8.GetBytes(thumbprint, text);
            length += Encoding.UTF8.GetBytes(id, text[length..]);
            SHA256.HashData(text[..length], hash);
            return new UInt128(BitConverter.ToUInt64(hash), BitConverter.ToUInt64(hash[8..]));
        }
    }
}
