using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Vault.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Keys;

public sealed class KeyHierarchyTests
{
    [Fact]
    public async Task A_new_vault_has_roots_of_its_own()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        var (keys, id) = (vault.Get<VaultKeys>(), vault.Get<VaultKeyring>().VaultId);
        using var vaultKey = keys.Copy(1);
        var roots = RootNames.All.Select(name =>
        {
            using var root = keys.Root(id, name);
            return Convert.ToHexString(root.Span);
        }).Append(Convert.ToHexString(vaultKey.Span)).ToList();
        Assert.Equal(RootNames.All.Count + 1, roots.Distinct().Count());
    }

    [Fact]
    public async Task A_vault_made_before_there_were_roots_derives_the_same_keys_as_ever()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        byte[] term, service, actor, tombstone;
        string pseudonym;
        SealedRecord ada;
        await using (var vault = await databases.StartVaultAsync())
        {
            using var old = vault.Get<VaultKeys>().Copy(1);
            using (var index = KeyDerivation.Expand(old.Span, "blind-index", KeyDerivation.Context(4))) term = new BlindIndexKey(index.Span).Term("ada");
            using (var domain = KeyDerivation.Expand(old.Span, "pseudonym-domain", "marketing"u8)) pseudonym = new PseudonymKey(domain.Span).Pseudonym(new byte[32]);
            service = Derived(old, "service", "issuer/tokens"u8);
            actor = Derived(old, "actor-tag", default);
            tombstone = Derived(old, "tombstone", default);
            ada = await People.CreateAsync(vault, "ada@example.com");
        }

        await databases.Cluster.ExecuteAsync(databases.KeysName, "delete from keys.root; update keys.vault_key set has_roots = false");
        foreach (var start in new[] { "first", "second" })
        {
            await using var vault = await databases.StartVaultAsync();
            var keyring = vault.Get<VaultKeyring>();
            Assert.Equal(term, keyring.Index(4).Term("ada"));
            Assert.Equal(pseudonym, keyring.Pseudonyms("marketing").Pseudonym(new byte[32]));
            using var derived = keyring.Derive("issuer/tokens");
            Assert.True(derived.Span.SequenceEqual(service), start);
            Assert.Equal(System.Security.Cryptography.HMACSHA256.HashData(actor, "0\0crm"u8)[..16], keyring.ActorTag(new Recipient(RecipientKind.Application, "crm", "CRM", [], [])));
            Assert.Equal(System.Security.Cryptography.HMACSHA256.HashData(tombstone, ada.Subject.Value.ToByteArray(bigEndian: true)), keyring.TombstoneHash(ada.Subject));
            Assert.Equal("ada@example.com", await People.ReadEmailAsync(vault, ada));
        }
    }

    [Theory]
    [InlineData("delete from keys.root where name = 'index'")]
    [InlineData("update keys.root set wrapped = (select r.wrapped from keys.root r where r.name = 'service') where name = 'index'")]
    [InlineData("delete from keys.vault_key")]
    public async Task Keys_that_are_lost_or_mixed_up_are_never_made_anew(string damage)
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using (await databases.StartVaultAsync())
        {
        }

        await databases.Cluster.ExecuteAsync(databases.KeysName, damage);
        await Assert.ThrowsAsync<VaultStartException>(() => databases.StartVaultAsync());
    }

    private static byte[] Derived(SecretBytes key, string label, ReadOnlySpan<byte> context)
    {
        using var derived = KeyDerivation.Expand(key.Span, label, context);
        return derived.Span.ToArray();
    }
}
