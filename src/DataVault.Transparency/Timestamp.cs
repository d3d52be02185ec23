// Timestamps of an authority (RFC 3161) over a checkpoint note: a question with the hash of the note, and a token, a CMS SignedData over
//
//    TSTInfo { version, policy, messageImprint { algorithm, hash }, serialNumber, genTime, accuracy?, ordering?, nonce?, tsa?, extensions? }
//
// Read here by hand, because the platform's class for it is no part of what a small program may reference. Strict where it matters: SHA-256 of the
// content, the signed attributes content type, message digest and signing certificate (ESSCertIDv2), RSA (PKCS #1) or ECDSA, and a chain to given
// roots whose last certificate is for time stamping.

using System.Formats.Asn1;
using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace DataVault.Transparency;

/// <summary>A question to a timestamp authority.</summary>
/// <param name="content">What is to be timestamped.</param>
/// <param name="nonce">Random bytes that the answer must repeat.</param>
public sealed class TimestampRequest(ReadOnlyMemory<byte> content, ReadOnlyMemory<byte> nonce)
{
    private readonly BigInteger _nonce = new(nonce.Span, isUnsigned: true, isBigEndian: true);

    /// <summary>The question, DER (<c>application/timestamp-query</c>).</summary>
    public byte[] Encode()
    {
        // SPEC rfc3161 §2.4.1
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteInteger(1);
            using (writer.PushSequence())
            {
                using (writer.PushSequence())
                {
                    writer.WriteObjectIdentifier(TimestampToken.Sha256);
                    writer.WriteNull();
                }
                writer.WriteOctetString(SHA256.HashData(content.Span));
            }
            writer.WriteInteger(_nonce);
            writer.WriteBoolean(true);
        }
        return writer.Encode();
    }

    /// <summary>Takes the token out of the answer.</summary>
    /// <param name="answer">What the authority sent (<c>application/timestamp-reply</c>).</param>
    /// <param name="roots">Certificates that the authority's must lead to.</param>
    /// <exception cref="CryptographicException">The authority refuses, or its token is not a timestamp of this content with this nonce under one of the roots.</exception>
    public TimestampToken Accept(ReadOnlyMemory<byte> answer, X509Certificate2Collection roots)
    {
        TimestampToken token;
        try
        {
            // SPEC rfc3161 §2.4.2: granted, or granted with changes.
            var reply = new AsnReader(answer, AsnEncodingRules.BER).ReadSequence();
            var status = reply.ReadSequence().ReadInteger();
            if (status > 1 || !reply.HasData)
                throw new CryptographicException($"The timestamp authority refuses (status {status}).");
            token = TimestampToken.Verify(reply.ReadEncodedValue(), content.Span, roots);
        }
        catch (AsnContentException e)
        {
            throw new CryptographicException("The timestamp authority's answer is not one.", e);
        }
        return token.Nonce == _nonce ? token : throw new CryptographicException("The timestamp answers another question.");
    }
}

/// <summary>A timestamp that was verified.</summary>
public sealed class TimestampToken
{
    internal const string Sha256 = "2.16.840.1.101.3.4.2.1";

    private const string SignedData = "1.2.840.113549.1.7.2";
    private const string TstInfo = "1.2.840.113549.1.9.16.1.4";
    private const string ContentType = "1.2.840.113549.1.9.3";
    private const string MessageDigest = "1.2.840.113549.1.9.4";
    private const string SigningCertificateV2 = "1.2.840.113549.1.9.16.2.47";
    private const string TimeStamping = "1.3.6.1.5.5.7.3.8";

    private static readonly Asn1Tag Tag0 = new(TagClass.ContextSpecific, 0);
    private static readonly Asn1Tag Tag1 = new(TagClass.ContextSpecific, 1);

    private TimestampToken(ReadOnlyMemory<byte> encoded, DateTimeOffset time, BigInteger? nonce) => (Encoded, Time, Nonce) = (encoded, time, nonce);

    /// <summary>The token, DER.</summary>
    public ReadOnlyMemory<byte> Encoded { get; }

    /// <summary>When the authority saw the content.</summary>
    public DateTimeOffset Time { get; }

    internal BigInteger? Nonce { get; }

    /// <summary>Verifies a token, offline.</summary>
    /// <param name="token">The token, DER.</param>
    /// <param name="content">What was timestamped.</param>
    /// <param name="roots">Certificates that the authority's must lead to.</param>
    /// <exception cref="CryptographicException">It is not a timestamp of the content by an authority under one of the roots.</exception>
    public static TimestampToken Verify(ReadOnlyMemory<byte> token, ReadOnlySpan<byte> content, X509Certificate2Collection roots)
    {
        var digest = SHA256.HashData(content);
        try
        {
            return Verify(token, digest, roots);
        }
        catch (Exception e) when (e is AsnContentException or ArgumentException or InvalidOperationException)
        {
            throw new CryptographicException("The timestamp is not well formed.", e);
        }
    }

    private static TimestampToken Verify(ReadOnlyMemory<byte> token, byte[] digest, X509Certificate2Collection roots)
    {
        var outer = new AsnReader(token, AsnEncodingRules.BER).ReadSequence();
        Require(outer.ReadObjectIdentifier() == SignedData, "is not signed data");
        var data = outer.ReadSequence(Tag0).ReadSequence();
        data.ReadInteger();
        data.ReadEncodedValue();
        var wrapped = data.ReadSequence();
        Require(wrapped.ReadObjectIdentifier() == TstInfo, "is not a timestamp");
        var info = wrapped.ReadSequence(Tag0).ReadOctetString();
        var certificates = ReadCertificates(data);
        if (data.HasData && data.PeekTag().HasSameClassAndValue(Tag1))
            data.ReadEncodedValue();
        var signers = data.ReadSetOf();
        var signer = signers.ReadSequence();
        Require(!signers.HasData, "has more than one signer");
        try
        {
            var certificate = CheckSigner(signer, info, certificates);
            var (time, nonce) = ReadInfo(info, digest);
            CheckChain(certificate, certificates, roots, time);
            return new TimestampToken(token, time, nonce);
        }
        finally
        {
            foreach (var certificate in certificates)
                certificate.Dispose();
        }
    }

    private static X509Certificate2Collection ReadCertificates(AsnReader data)
    {
        var found = new X509Certificate2Collection();
        if (!data.PeekTag().HasSameClassAndValue(Tag0))
            return found;
        var set = data.ReadSetOf(Tag0);
        while (set.HasData)
            found.Add(X509CertificateLoader.LoadCertificate(set.ReadEncodedValue().Span));
        return found;
    }

    // SPEC rfc5652 §5.4: the signature is over the attributes, and they over the content.
    private static X509Certificate2 CheckSigner(AsnReader signer, byte[] info, X509Certificate2Collection certificates)
    {
        signer.ReadInteger();
        signer.ReadEncodedValue();
        var hash = HashOf(signer.ReadSequence().ReadObjectIdentifier());
        var attributes = signer.ReadEncodedValue().ToArray();
        var algorithm = signer.ReadSequence().ReadObjectIdentifier();
        var signature = signer.ReadOctetString();
        Require(attributes[0] == 0xA0, "has no signed attributes");
        attributes[0] = 0x31;
        var values = ReadAttributes(attributes);
        Require(values.TryGetValue(ContentType, out var type) && new AsnReader(type, AsnEncodingRules.BER).ReadObjectIdentifier() == TstInfo, "does not sign its content type");
        Require(
            values.TryGetValue(MessageDigest, out var stated) && new AsnReader(stated, AsnEncodingRules.BER).ReadOctetString().AsSpan().SequenceEqual(CryptographicOperations.HashData(hash, info)),
            "does not sign its content");
        Require(values.TryGetValue(SigningCertificateV2, out var named), "does not name its certificate");
        var certificate = Named(named, certificates);
        Require(IsSigned(certificate, algorithm, hash, attributes, signature), "bears a false signature");
        return certificate;
    }

    private static Dictionary<string, ReadOnlyMemory<byte>> ReadAttributes(byte[] encoded)
    {
        var values = new Dictionary<string, ReadOnlyMemory<byte>>();
        var set = new AsnReader(encoded, AsnEncodingRules.BER).ReadSetOf(skipSortOrderValidation: true);
        while (set.HasData)
        {
            var attribute = set.ReadSequence();
            var name = attribute.ReadObjectIdentifier();
            Require(values.TryAdd(name, attribute.ReadSetOf(skipSortOrderValidation: true).ReadEncodedValue()), "has an attribute twice");
        }
        return values;
    }

    // SPEC rfc5035 §4: the first ESSCertIDv2 names the signer's certificate; its algorithm is SHA-256 unless it says otherwise.
    private static X509Certificate2 Named(ReadOnlyMemory<byte> attribute, X509Certificate2Collection certificates)
    {
        var id = new AsnReader(attribute, AsnEncodingRules.BER).ReadSequence().ReadSequence().ReadSequence();
        var hash = id.PeekTag().HasSameClassAndValue(Asn1Tag.Sequence) ? HashOf(id.ReadSequence().ReadObjectIdentifier()) : HashAlgorithmName.SHA256;
        var wanted = id.ReadOctetString();
        return certificates.FirstOrDefault(c => CryptographicOperations.HashData(hash, c.RawDataMemory.Span).AsSpan().SequenceEqual(wanted))
            ?? throw new CryptographicException("The timestamp does not carry its certificate.");
    }

    private static bool IsSigned(X509Certificate2 certificate, string algorithm, HashAlgorithmName hash, byte[] attributes, byte[] signature)
    {
        using var rsa = certificate.GetRSAPublicKey();
        using var ecdsa = certificate.GetECDsaPublicKey();
        // rsaEncryption, or sha256/384/512WithRSAEncryption; ecdsa-with-SHA256/384/512.
        return algorithm switch
        {
            "1.2.840.113549.1.1.1" or "1.2.840.113549.1.1.11" or "1.2.840.113549.1.1.12" or "1.2.840.113549.1.1.13" =>
                rsa?.VerifyData(attributes, signature, hash, RSASignaturePadding.Pkcs1) == true,
            "1.2.840.10045.4.3.2" or "1.2.840.10045.4.3.3" or "1.2.840.10045.4.3.4" =>
                ecdsa?.VerifyData(attributes, signature, hash, DSASignatureFormat.Rfc3279DerSequence) == true,
            _ => throw new CryptographicException("The timestamp is signed by an algorithm that is not known."),
        };
    }

    private static (DateTimeOffset Time, BigInteger? Nonce) ReadInfo(byte[] encoded, byte[] digest)
    {
        var info = new AsnReader(encoded, AsnEncodingRules.BER).ReadSequence();
        Require(info.ReadInteger() == 1, "is of another version");
        info.ReadObjectIdentifier();
        var imprint = info.ReadSequence();
        Require(imprint.ReadSequence().ReadObjectIdentifier() == Sha256 && imprint.ReadOctetString().AsSpan().SequenceEqual(digest), "is of another content");
        info.ReadInteger();
        var time = info.ReadGeneralizedTime();
        BigInteger? nonce = null;
        while (info.HasData)
        {
            if (info.PeekTag() == Asn1Tag.Integer)
                nonce = info.ReadInteger();
            else
                info.ReadEncodedValue();
        }
        return (time, nonce);
    }

    private static void CheckChain(X509Certificate2 certificate, X509Certificate2Collection certificates, X509Certificate2Collection roots, DateTimeOffset time)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(roots);
        chain.ChainPolicy.ExtraStore.AddRange(certificates);
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(TimeStamping));
        // It need only have been valid then; who revokes it later does not unmake the past, and nothing is fetched.
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationTime = time.UtcDateTime;
        // SPEC rfc3161 §2.3: a certificate without the extension is for everything, and so not for this.
        Require(certificate.Extensions.OfType<X509EnhancedKeyUsageExtension>().Any(usage => usage.EnhancedKeyUsages[TimeStamping] is not null), "is of a certificate that is not for time stamping");
        Require(chain.Build(certificate), "is of an authority that leads to none of the given roots");
    }

    private static HashAlgorithmName HashOf(string oid) => oid switch
    {
        Sha256 => HashAlgorithmName.SHA256,
        "2.16.840.1.101.3.4.2.2" => HashAlgorithmName.SHA384,
        "2.16.840.1.101.3.4.2.3" => HashAlgorithmName.SHA512,
        _ => throw new CryptographicException("The timestamp uses a hash that is not accepted."),
    };

    private static void Require(bool holds, string what)
    {
        if (!holds)
            throw new CryptographicException($"The timestamp {what}.");
    }
}
