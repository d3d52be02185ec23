using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DataVault.Cryptography;
using Microsoft.Extensions.Logging;

namespace DataVault.Issuer.Keys;

/// <summary>
/// The keys that the issuer gets from the vault's root: one to find accounts by address, one to seal what it must be able to read again, one to vouch for rows
/// (<see cref="RowSeals"/>), one for what proofs of possession must repeat.
/// They are derived on first use, because the vault opens its key registry after the services are built.
/// </summary>
internal sealed class IssuerSecrets : IDisposable
{
    private const uint KeyVersion = 1;

    private readonly Lazy<SecretBytes> index;
    private readonly Lazy<SecretBytes> seal;
    private readonly Lazy<SecretBytes> rows;
    private readonly Lazy<SecretBytes> nonces;

    public IssuerSecrets(IServiceKeys keys, IRandomBytes random, IRowMemory memory, ILogger<RowSeals> logger)
    {
        index = new(() => keys.Derive("issuer/account-index"));
        seal = new(() => keys.Derive("issuer/seal"));
        rows = new(() => keys.Derive("issuer/rows"));
        nonces = new(() => keys.Derive("issuer/proof-nonces"));
        (Random, Rows) = (random, new RowSeals(rows, memory, logger));
    }

    /// <summary>For ids and bearer values.</summary>
    public IRandomBytes Random { get; }

    public RowSeals Rows { get; }

    /// <summary>For what proofs of possession must repeat (<see cref="Tokens.ProofNonces"/>).</summary>
    public ReadOnlySpan<byte> ProofNonces => nonces.Value.Span;

    /// <summary>Base32 of HMAC-SHA-256(index key, realm ‖ 0 ‖ normalised address).</summary>
    public string Handle(Realm realm, string email)
    {
        var input = Encoding.UTF8.GetBytes(RealmNames.Of(realm) + "\0" + Normalise(email));
        return Base32.Encode(HMACSHA256.HashData(index.Value.Span, input));
    }

    /// <summary>
    /// What a person of an outside provider is called here, the same at every sign-in: HMAC-SHA-256(index key, "outside" ‖ 0 ‖ issuer ‖ 0 ‖ subject), its first half as
    /// a UUID of version 8. Subjects are names of people with some providers, and names do not stand in a log.
    /// </summary>
    public Guid OutsideId(string issuer, string subject)
    {
        var mac = HMACSHA256.HashData(index.Value.Span, Encoding.UTF8.GetBytes($"outside\0{issuer}\0{subject}"));
        mac[6] = (byte)((mac[6] & 0x0F) | 0x80);
        mac[8] = (byte)((mac[8] & 0x3F) | 0x80);
        return new Guid(mac.AsSpan(0, 16), bigEndian: true);
    }

    /// <summary>Seals under a context (AAD), so that a value moved to another row or column does not open.</summary>
    public byte[] Seal(string context, ReadOnlySpan<byte> plaintext)
    {
        var aad = new AssociatedData(stackalloc byte[AssociatedData.Limit], "issuer").Add(Encoding.UTF8.GetBytes(context));
        return SealedValue.Seal(seal.Value.Span, KeyVersion, 0, plaintext, aad.Bytes, Random);
    }

    public SecretBytes Open(string context, ReadOnlySpan<byte> value)
    {
        var aad = new AssociatedData(stackalloc byte[AssociatedData.Limit], "issuer").Add(Encoding.UTF8.GetBytes(context));
        return SealedValue.OpenSecret(seal.Value.Span, value, aad.Bytes);
    }

    public void Dispose()
    {
        if (index.IsValueCreated) index.Value.Dispose();
        if (seal.IsValueCreated) seal.Value.Dispose();
        if (rows.IsValueCreated) rows.Value.Dispose();
        if (nonces.IsValueCreated) nonces.Value.Dispose();
    }

    // Both parts are folded: no provider that people use tells apart two mailboxes by letter case, and people type either.
    private static string Normalise(string email)
    {
        var text = email.Trim().Normalize(NormalizationForm.FormKC).ToLowerInvariant();
        var at = text.LastIndexOf('@');
        return at < 0 ? text : text[..at] + "@" + AsciiDomain(text[(at + 1)..]);
    }

    private static string AsciiDomain(string domain)
    {
        try
        {
            return new IdnMapping().GetAscii(domain);
        }
        catch (ArgumentException)
        {
            // Not a domain: no account has it, and a sign-in must go on as with any unknown address.
            return domain;
        }
    }
}

/// <summary>Bearer values: 256 random bits, base64url. Only their SHA-256 is kept; the entropy makes a slow hash pointless.</summary>
internal static class BearerValue
{
    public static string New(IRandomBytes random)
    {
        Span<byte> bytes = stackalloc byte[32];
        random.Fill(bytes);
        return System.Buffers.Text.Base64Url.EncodeToString(bytes);
    }

    public static byte[] Hash(string value) => SHA256.HashData(Encoding.UTF8.GetBytes(value));
}
