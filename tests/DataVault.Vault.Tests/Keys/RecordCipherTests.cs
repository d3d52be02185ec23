using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Vault.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Keys;

public sealed class RecordCipherTests(VaultDatabases databases) : IClassFixture<VaultDatabases>, IAsyncLifetime
{
    private RunningVault vault = null!;
    private SubjectKeys keys = null!;

    private SubjectId Subject => keys.Subject;

    private RecordCipher Cipher => vault.Get<RecordCipher>();

    public async ValueTask InitializeAsync()
    {
        vault = await databases.StartVaultAsync();
        keys = (await vault.Get<KeyRegistry>().CreateAsync([People.NewId()]))[0];
    }

    public async ValueTask DisposeAsync()
    {
        keys.Dispose();
        await vault.DisposeAsync();
    }

    [Fact]
    public void Only_what_a_permit_names_comes_out()
    {
        var record = Sealed();
        using var opened = Cipher.Open(record, keys, People.Permits(Subject, AccessAction.Read, "email", "birthDate"));
        Assert.Equal(["email", "birthDate"], opened.Select(field => field.Field.Name).OrderBy(name => name == "birthDate"));
        Assert.Equal("\"ada@example.com\"", Encoding.UTF8.GetString(opened.Single(f => f.Field.Name == "email").Utf8Json.Span));
        Assert.Equal(People.Provenance, opened[0].Provenance);
        Assert.Equal(1, opened[0].Version);
        using var none = Cipher.Open(record, keys, []);
        Assert.Empty(none);
    }

    [Fact]
    public void What_was_opened_is_erased_when_done_with()
    {
        var opened = Cipher.Open(Sealed(), keys, People.Permits(Subject, AccessAction.Read, "email"));
        var slice = opened[0].Utf8Json;
        opened.Dispose();
        Assert.All(slice.ToArray(), b => Assert.Equal(0, b));
    }

    [Fact]
    public async Task Permits_and_keys_of_one_person_open_nothing_of_another()
    {
        var record = Sealed();
        Assert.Throws<InvalidOperationException>(() => Cipher.Open(record, keys, People.Permits(People.NewId(), AccessAction.Read, "email")));
        using var other = (await vault.Get<KeyRegistry>().CreateAsync([People.NewId()]))[0];
        Assert.Throws<InvalidOperationException>(() => Cipher.Open(record, other, People.Permits(Subject, AccessAction.Read, "email")));
        var moved = record with { Subject = other.Subject };
        Assert.Throws<CryptographicException>(() => Cipher.Open(moved, other, People.Permits(other.Subject, AccessAction.Read, "email")));
    }

    [Fact]
    public void Every_changed_byte_is_noticed()
    {
        var record = Sealed();
        for (var at = 0; at < record.Record.Length; at++) AssertNoticed(record with { Record = Flip(record.Record, at) });
        for (var at = 0; at < record.RecordSeal.Length; at++) AssertNoticed(record with { RecordSeal = Flip(record.RecordSeal, at) });
        AssertNoticed(record with { Facts = Flip(record.Facts, 0) });
        AssertNoticed(record with { Facts = [] });
    }

    [Fact]
    public void A_removed_mixed_or_rolled_back_group_is_noticed()
    {
        var first = Sealed();
        using var content = Cipher.OpenForUpdate(first, keys, People.Permits(Subject, AccessAction.Update, "email"));
        content.Set(People.Permit(Subject, "email", AccessAction.Update), People.Json("new@example.com"), People.Provenance);
        var second = Cipher.Seal(keys, 2, content, first.Facts);

        var (old, now) = (RecordCodec.Unpack(first.Record), RecordCodec.Unpack(second.Record));
        AssertNoticed(second with { Record = RecordCodec.Pack(now[1..]) });
        AssertNoticed(second with { Record = RecordCodec.Pack([.. now.Select(g => g.ClassId == 2 ? old.Single(o => o.ClassId == 2) : g)]) });
        AssertNoticed(second with { Record = first.Record });
        AssertNoticed(first with { RowVersion = 2 });
        AssertNoticed(second with { RecordSeal = first.RecordSeal });
    }

    [Fact]
    public void A_group_moved_to_another_class_does_not_open_even_under_a_fresh_seal()
    {
        var groups = RecordCodec.Unpack(Sealed().Record);
        var swapped = RecordCodec.Pack([.. groups.Select(g => (g.ClassId, groups.First(o => o.ClassId != g.ClassId).Sealed))]);
        var content = new RecordContent(Repository.Policy.Catalogue);
        foreach (var (classId, value) in RecordCodec.Unpack(swapped)) content.Keep(classId, value);
        var forged = Cipher.Seal(keys, 1, content, [1]);
        Assert.Throws<CryptographicException>(() => Cipher.Open(forged, keys, People.Permits(Subject, AccessAction.Read, "email")));
    }

    [Fact]
    public void An_update_keeps_the_bytes_of_groups_that_it_does_not_touch_and_history_has_what_it_replaced()
    {
        var first = Sealed();
        using var content = Cipher.OpenForUpdate(first, keys, People.Permits(Subject, AccessAction.Update, "email", "phone"));
        content.Set(People.Permit(Subject, "email", AccessAction.Update), People.Json("new@example.com"), People.Provenance with { Source = "web" });
        Assert.False(content.Remove(People.Permit(Subject, "phone", AccessAction.Update)));
        var second = Cipher.Seal(keys, 2, content, first.Facts);
        var history = Cipher.SealHistory(keys, 2, content);

        foreach (var (classId, value) in RecordCodec.Unpack(first.Record).Where(g => g.ClassId != 2))
            Assert.Equal(value.ToArray(), RecordCodec.Unpack(second.Record).Single(g => g.ClassId == classId).Sealed.ToArray());
        using var opened = Cipher.Open(second, keys, People.Permits(Subject, AccessAction.Read, "email", "givenName"));
        Assert.Equal([("givenName", 1L), ("email", 2L)], opened.Select(f => (f.Field.Name, f.Version)));
        Assert.Equal("web", opened[1].Provenance.Source);
        using var before = Cipher.OpenHistory(keys, history, People.Permits(Subject, AccessAction.Read, "email"));
        Assert.Equal("\"ada@example.com\"", Encoding.UTF8.GetString(before.Single().Utf8Json.Span));
    }

    [Fact]
    public void Writing_needs_a_permit_to_write()
    {
        using var content = new RecordContent(Repository.Policy.Catalogue);
        Assert.Throws<InvalidOperationException>(() => content.Set(People.Permit(Subject, "email"), People.Json("x"), People.Provenance));
        using var opened = Cipher.OpenForUpdate(Sealed(), keys, People.Permits(Subject, AccessAction.Update, "email"));
        Assert.Throws<InvalidOperationException>(() => opened.Set(People.Permit(Subject, "givenName", AccessAction.Update), People.Json("x"), People.Provenance));
    }

    [Fact]
    public void New_facts_come_with_a_new_seal_and_the_old_ones_do_not_return()
    {
        var first = Sealed();
        var second = Cipher.WithFacts(first, keys, 2, [9, 9]);
        using var opened = Cipher.Open(second, keys, People.Permits(Subject, AccessAction.Read, "email"));
        Assert.Single(opened);
        AssertNoticed(second with { Facts = first.Facts });
        Assert.NotEqual(Cipher.Digest(first), Cipher.Digest(second));
    }

    [Fact]
    public void An_event_opens_with_its_own_type_and_id_only()
    {
        var (purchase, refund) = (Repository.Policy.Events.Find("purchase")!, Repository.Policy.Events.Find("refund")!);
        FieldPermit Permit(EventTypeDefinition type) => new(type, Form.Plain, AccessAction.Read, Subject);
        var id = People.NewId().Value;
        var value = Cipher.SealEvent(keys, purchase, id, "{\"sku\":\"x\"}"u8);
        Assert.Equal("{\"sku\":\"x\"}"u8.ToArray(), Cipher.OpenEvent(keys, Permit(purchase), id, value));
        Assert.Throws<CryptographicException>(() => Cipher.OpenEvent(keys, Permit(refund), id, value));
        Assert.Throws<CryptographicException>(() => Cipher.OpenEvent(keys, Permit(purchase), People.NewId().Value, value));
        Assert.Throws<InvalidOperationException>(() => Cipher.OpenEvent(keys, People.Permit(Subject, "email"), id, value));
    }

    [Fact]
    public async Task Many_threads_seal_and_open_at_once()
    {
        await Parallel.ForEachAsync(Enumerable.Range(0, 8), async (_, ct) =>
        {
            using var own = (await vault.Get<KeyRegistry>().CreateAsync([People.NewId()], ct))[0];
            for (var i = 0; i < 300; i++)
            {
                using var content = People.Content(own.Subject, ("email", $"{i}@example.com"), ("givenName", "Ada"));
                var record = Cipher.Seal(own, i + 1, content, []);
                using var opened = Cipher.Open(record, own, People.Permits(own.Subject, AccessAction.Read, "email"));
                Assert.Equal($"\"{i}@example.com\"", Encoding.UTF8.GetString(opened[0].Utf8Json.Span));
            }
        });
    }

    [Fact]
    public void No_cipher_object_is_kept_where_two_threads_could_share_it()
    {
        var fields = new[] { typeof(SealedValue).Assembly, typeof(RecordCipher).Assembly }
            .SelectMany(assembly => assembly.GetTypes())
            .SelectMany(type => type.GetFields(BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly));
        Assert.DoesNotContain(fields, field => field.FieldType == typeof(AesGcm) || field.FieldType == typeof(Aes));
    }

    [Fact]
    public void Length_tells_little()
    {
        SealedRecord Of(string email)
        {
            using var content = People.Content(Subject, ("email", email));
            return Cipher.Seal(keys, 1, content, []);
        }

        Assert.Equal(Of("a@b.de").Record.Length, Of("ada@example").Record.Length);
    }

    private SealedRecord Sealed()
    {
        using var content = People.Content(Subject, ("email", "ada@example.com"), ("givenName", "Ada"), ("birthDate", "1815-12-10"), ("familyName", "Lovelace"));
        return Cipher.Seal(keys, 1, content, [1, 2, 3]);
    }

    private void AssertNoticed(SealedRecord record) =>
        Assert.Throws<CryptographicException>(() => Cipher.Open(record, keys, People.Permits(Subject, AccessAction.Read, "email", "givenName")));

    private static byte[] Flip(byte[] bytes, int at)
    {
        var changed = bytes.ToArray();
        changed[at] ^= 0x40;
        return changed;
    }
}
