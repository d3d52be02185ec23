using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Cryptography;
using DataVault.Pure.Tests.Transparency;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Pure.Tests.Cryptography;

/// <summary>Project Wycheproof's cases for the primitives as this platform provides them, and for what is built on them here.</summary>
public sealed class WycheproofTests
{
    // The wrapper knows one form of AES-GCM, that of the envelopes. The file's 216 cases with other keys and its 58 with other nonces (.NET's own class takes
    // those no more than ours) must be refused before anything is computed, valid or not.
    [Fact]
    public void Aes_gcm_behind_every_envelope()
    {
        var (ran, refused) = (0, 0);
        foreach (var (group, test) in Cases("aes_gcm_test.json"))
        {
            var plaintext = new byte[Hex(test, "ct").Length];
            void Open() => Aes256Gcm.Decrypt(Hex(test, "key"), Hex(test, "iv"), Hex(test, "ct"), Hex(test, "tag"), plaintext, Hex(test, "aad"));
            if (group.GetProperty("keySize").GetInt32() != 256 || group.GetProperty("ivSize").GetInt32() != 96)
            {
                Assert.Throws<ArgumentException>(Open);
                refused++;
                continue;
            }

            var valid = IsValid(test);
            if (valid) Open();
            else Assert.ThrowsAny<CryptographicException>(Open);
            Assert.Equal(valid ? Hex(test, "msg") : new byte[plaintext.Length], plaintext);
            if (valid) AssertSealsTo(test);
            ran++;
        }

        Assert.Equal((66, 250), (ran, refused));
    }

    private static void AssertSealsTo(JsonElement test)
    {
        var (ciphertext, tag) = (new byte[Hex(test, "msg").Length], new byte[Aes256Gcm.TagSize]);
        Aes256Gcm.Encrypt(Hex(test, "key"), Hex(test, "iv"), Hex(test, "msg"), ciphertext, tag, Hex(test, "aad"));
        Assert.Equal((Convert.ToHexString(Hex(test, "ct")), Convert.ToHexString(Hex(test, "tag"))), (Convert.ToHexString(ciphertext), Convert.ToHexString(tag)));
    }

    [Fact]
    public void Hmac_behind_blind_indexes()
    {
        var ran = 0;
        foreach (var (group, test) in Cases("hmac_sha256_test.json"))
        {
            using var key = new BlindIndexKey(Hex(test, "key"));
            var term = new byte[BlindIndexKey.TermSize];
            key.Term(Hex(test, "msg"), term);
            var tag = Hex(test, "tag");
            Assert.Equal(test.GetProperty("result").GetString() == "valid", tag.AsSpan(0, Math.Min(16, tag.Length)).SequenceEqual(term) && IsUnchangedBehind(group, test));
            ran++;
        }

        Assert.True(ran > 100, $"only {ran} cases");
    }

    // The three cases that are not valid ask for more than 255 blocks.
    [Fact]
    public void Hkdf_expand_of_sha_512()
    {
        var (ran, refused) = (0, 0);
        foreach (var (_, test) in Cases("hkdf_sha512_test.json"))
        {
            var salt = Hex(test, "salt");
            var extracted = HMACSHA512.HashData(salt.Length == 0 ? new byte[64] : salt, Hex(test, "ikm"));
            var output = new byte[test.GetProperty("size").GetInt32()];
            if (IsValid(test))
            {
                ExpandRaw(extracted, Hex(test, "info"), output);
                Assert.Equal(Hex(test, "okm"), output);
                ran++;
            }
            else
            {
                Assert.Throws<ArgumentException>(() => ExpandRaw(extracted, Hex(test, "info"), output));
                refused++;
            }
        }

        Assert.Equal((80, 3), (ran, refused));
    }

    // The platform's, as the derivation of keys uses it. Tags of 256 bits are the first half of the whole one.
    [Fact]
    public void Hmac_of_sha_512_behind_key_derivation()
    {
        var ran = 0;
        foreach (var (group, test) in Cases("hmac_sha512_test.json"))
        {
            var tag = HMACSHA512.HashData(Hex(test, "key"), Hex(test, "msg")).AsSpan(0, group.GetProperty("tagSize").GetInt32() / 8);
            Assert.Equal(IsValid(test), tag.SequenceEqual(Hex(test, "tag")));
            ran++;
        }

        Assert.Equal(174, ran);
    }

    // The platform's: SHA-512 behind the passphrase of the root key file, SHA-256 behind recovery shares.
    [Theory]
    [InlineData("pbkdf2_hmacsha512_test.json", "SHA512", 58)]
    [InlineData("pbkdf2_hmacsha256_test.json", "SHA256", 60)]
    public void Pbkdf2_behind_passphrases_and_shares(string file, string hash, int expected)
    {
        var ran = 0;
        foreach (var (_, test) in Cases(file))
        {
            var key = new byte[test.GetProperty("dkLen").GetInt32()];
            Rfc2898DeriveBytes.Pbkdf2(Hex(test, "password"), Hex(test, "salt"), key, test.GetProperty("iterationCount").GetInt32(), new HashAlgorithmName(hash));
            Assert.Equal(IsValid(test), key.AsSpan().SequenceEqual(Hex(test, "dk")));
            ran++;
        }

        Assert.Equal(expected, ran);
    }

    // In DER, as notes have it. The platform alone would take tcId 6, which writes a length in more bytes than it needs: the strict reader in front refuses
    // it, so that no one can turn a valid note into another.
    [Fact]
    public void Ecdsa_behind_signed_notes()
    {
        var (ran, closed) = (0, 0);
        foreach (var (group, test) in Cases("ecdsa_secp256r1_sha256_test.json"))
        {
            var (key, message, signature) = (Hex(group, "publicKeyDer"), Hex(test, "msg"), Hex(test, "sig"));
            Assert.True(IsValid(test) == EcdsaNoteVerifier.IsSignedBy(key, message, signature), $"tcId {test.GetProperty("tcId")}");
            if (!IsValid(test) && PlatformTakes(key, message, signature, DSASignatureFormat.Rfc3279DerSequence)) closed += test.GetProperty("tcId").GetInt32();
            ran++;
        }

        Assert.Equal((484, 6), (ran, closed));
    }

    // r ‖ s, as tokens have it.
    [Fact]
    public void Ecdsa_behind_tokens()
    {
        var ran = 0;
        foreach (var (group, test) in Cases("ecdsa_secp256r1_sha256_p1363_test.json"))
        {
            var taken = PlatformTakes(Hex(group, "publicKeyDer"), Hex(test, "msg"), Hex(test, "sig"), DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
            Assert.True(IsValid(test) == taken, $"tcId {test.GetProperty("tcId")}");
            ran++;
        }

        Assert.Equal(262, ran);
    }

    [Fact]
    public void Ed25519_behind_notes_of_witnesses()
    {
        var ran = 0;
        foreach (var (group, test) in Cases("ed25519_test.json"))
        {
            var check = Ed25519.Check(Hex(group.GetProperty("publicKey"), "pk"), Hex(test, "msg"), Hex(test, "sig"));
            Assert.True((IsValid(test) ? NoteCheck.Valid : NoteCheck.Invalid) == check, $"tcId {test.GetProperty("tcId")}");
            ran++;
        }

        Assert.Equal(151, ran);
    }

    // The cases on which implementations differ (C2SP's CCTV). libcrypto checks the equation without the cofactor and compares R as bytes: it refuses a
    // residue of low order and an R that is not canonical; it takes keys of low order and keys that are not canonical, hashed as they are written.
    // Such keys could sign for everything, and only their owner can choose them: a verifier's keys are configured by somebody who trusts them.
    [Fact]
    public void Ed25519_at_its_edges()
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(PublishedVectors.Folder("ed25519"), "ed25519vectors.json")));
        var taken = 0;
        foreach (var test in document.RootElement.EnumerateArray())
        {
            var flags = test.GetProperty("flags") is { ValueKind: JsonValueKind.Array } list ? list.EnumerateArray().Select(f => f.GetString()).ToList() : [];
            var expected = !flags.Contains("low_order_residue") && !flags.Contains("non_canonical_R");
            var check = Ed25519.Check(Hex(test, "key"), System.Text.Encoding.ASCII.GetBytes(test.GetProperty("msg").GetString()!), Hex(test, "sig"));
            Assert.True((expected ? NoteCheck.Valid : NoteCheck.Invalid) == check, $"{test.GetProperty("number")}: {check}, {string.Join(' ', flags)}");
            if (expected) taken++;
        }

        Assert.Equal(914, document.RootElement.GetArrayLength());
        Assert.Equal(208, taken);
    }

    private static bool PlatformTakes(byte[] spki, byte[] message, byte[] signature, DSASignatureFormat format)
    {
        using var key = ECDsa.Create();
        key.ImportSubjectPublicKeyInfo(spki, out _);
        return key.VerifyData(message, signature, HashAlgorithmName.SHA256, format);
    }

    // The vault's derivation puts a prefix before the caller's label; this is the same chain with the vector's own info.
    private static void ExpandRaw(byte[] key, byte[] info, byte[] output)
    {
        using var derivation = new KeyDerivation(key);
        derivation.ExpandInfo(info, output);
    }

    // A case may be invalid only in bytes that a truncated term does not hold.
    private static bool IsUnchangedBehind(JsonElement group, JsonElement test) =>
        HMACSHA256.HashData(Hex(test, "key"), Hex(test, "msg")).AsSpan(0, group.GetProperty("tagSize").GetInt32() / 8).SequenceEqual(Hex(test, "tag"));

    private static IEnumerable<(JsonElement Group, JsonElement Test)> Cases(string file)
    {
        var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(PublishedVectors.Folder("wycheproof"), file)));
        return document.RootElement.GetProperty("testGroups").EnumerateArray().SelectMany(group => group.GetProperty("tests").EnumerateArray().Select(test => (group, test)));
    }

    private static bool IsValid(JsonElement test) => test.GetProperty("result").GetString() == "valid";

    private static byte[] Hex(JsonElement test, string name) => Convert.FromHexString(test.GetProperty(name).GetString()!);
}
