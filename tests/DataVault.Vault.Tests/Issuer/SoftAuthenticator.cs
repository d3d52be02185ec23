using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>An authenticator and a browser in one (WebAuthn Level 3 §6), which does whatever an attacker would have it do.</summary>
internal sealed class SoftAuthenticator : IDisposable
{
    public const byte Present = 0x01;
    public const byte Verified = 0x04;
    private const byte HasCredential = 0x40;

    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly byte[] _id = Guid.NewGuid().ToByteArray();
    private byte[] _user = [];
    private uint _count;

    public string Create(string options, string origin, byte flags = Present | Verified)
    {
        using var asked = JsonDocument.Parse(options);
        _user = Base64Url.DecodeFromChars(asked.RootElement.GetProperty("user").GetProperty("id").GetString()!);
        var point = _key.ExportParameters(false).Q;
        // COSE (RFC 9053 §7.1): kty EC2, alg ES256, crv P-256, x, y.
        byte[] cose = [0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20, .. point.X!, 0x22, 0x58, 0x20, .. point.Y!];
        byte[] length = [0, (byte)_id.Length];
        byte[] data = [.. Data((byte)(flags | HasCredential), asked.RootElement.GetProperty("rp").GetProperty("id").GetString()!), .. new byte[16], .. length, .. _id, .. cose];
        // CBOR: { "fmt": "none", "attStmt": {}, "authData": data }
        byte[] attestation = [0xa3, 0x63, .. "fmt"u8, 0x64, .. "none"u8, 0x67, .. "attStmt"u8, 0xa0, 0x68, .. "authData"u8, 0x58, (byte)data.Length, .. data];
        return Credential(new
        {
            clientDataJSON = Text(ClientData("webauthn.create", asked.RootElement, origin)), attestationObject = Text(attestation), transports = new[] { "internal" },
        });
    }

    public string Get(string options, string origin, byte flags = Present | Verified)
    {
        using var asked = JsonDocument.Parse(options);
        var data = Data(flags, asked.RootElement.GetProperty("rpId").GetString()!);
        var client = ClientData("webauthn.get", asked.RootElement, origin);
        var signature = _key.SignData([.. data, .. SHA256.HashData(client)], HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        return Credential(new { clientDataJSON = Text(client), authenticatorData = Text(data), signature = Text(signature), userHandle = Text(_user) });
    }

    public void Dispose() => _key.Dispose();

    private byte[] Data(byte flags, string host)
    {
        var count = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(count, ++_count);
        return [.. SHA256.HashData(Encoding.UTF8.GetBytes(host)), flags, .. count];
    }

    private static byte[] ClientData(string type, JsonElement asked, string origin) =>
        JsonSerializer.SerializeToUtf8Bytes(new { type, challenge = asked.GetProperty("challenge").GetString(), origin, crossOrigin = false });

    private string Credential(object response) => JsonSerializer.Serialize(new
    {
        id = Text(_id), rawId = Text(_id), type = "public-key", response, clientExtensionResults = new { }, authenticatorAttachment = "platform",
    });

    private static string Text(byte[] bytes) => Base64Url.EncodeToString(bytes);
}
