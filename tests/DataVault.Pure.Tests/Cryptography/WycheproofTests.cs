using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Cryptography;
using DataVault.Pure.Tests.Transparency;
using Xunit;

namespace DataVault.Pure.Tests.Cryptography;

/// <summary>Project Wycheproof's cases for the primitives as this platform provides them, and for what is built on them here.</summary>
public sealed class WycheproofTests
{
    [Fact]
    public void Aes_gcm_behind_every_envelope()
    {
        var ran = 0;
        foreach (var (group, test) in Cases("aes_gcm_test.json"))
        {
            if (group.GetProperty("keySize").GetInt32() != 256 || group.GetProperty("ivSize").GetInt32() != 96 || group.GetProperty("tagSize").GetInt32() != 128) continue;
            var plaintext = new byte[Hex(test, "ct").Length];
            var valid = test.GetProperty("result").GetString() == "valid";
            void Open() => Aes256Gcm.Decrypt(Hex(test, "key"), Hex(test, "iv"), Hex(test, "ct"), Hex(test, "tag"), plaintext, Hex(test, "aad"));
            if (valid) Open();
            else Assert.ThrowsAny<CryptographicException>(Open);
            Assert.Equal(valid ? Hex(test, "msg") : new byte[plaintext.Length], plaintext);
            if (valid) AssertSealsTo(test);
            ran++;
        }

        Assert.True(ran > 60, $"only {ran} cases");
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

    [Fact]
    public void Hkdf_expand_of_sha_512()
    {
        var ran = 0;
        foreach (var (_, test) in Cases("hkdf_sha512_test.json"))
        {
            if (test.GetProperty("result").GetString() != "valid") continue;
            var salt = Hex(test, "salt");
            var extracted = HMACSHA512.HashData(salt.Length == 0 ? new byte[64] : salt, Hex(test, "ikm"));
            var output = new byte[test.GetProperty("size").GetInt32()];
            ExpandRaw(extracted, Hex(test, "info"), output);
            Assert.Equal(Hex(test, "okm"), output);
            ran++;
        }

        Assert.True(ran > 40, $"only {ran} cases");
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

    private static byte[] Hex(JsonElement test, string name) => Convert.FromHexString(test.GetProperty(name).GetString()!);
}
