using System.Runtime.Versioning;
using DataVault.Cryptography;
using Xunit;

namespace DataVault.Pure.Tests.Cryptography;

[UnsupportedOSPlatform("windows")]
public sealed class KeyMaterialTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("dv-keys-").FullName;
    private readonly SystemRandomBytes random = new();

    private string KeyFile => Path.Combine(folder, "root.key");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_secret_is_erased_when_disposed_and_never_printed()
    {
        var secret = SecretBytes.CopyOf("topsecret"u8);
        var span = secret.Span;
        Assert.DoesNotContain("topsecret", secret.ToString(), StringComparison.Ordinal);
        secret.Dispose();
        Assert.True(span.SequenceEqual(new byte[9]));
        Assert.Throws<ObjectDisposedException>(() => secret.Span.Length);
    }

    [Fact]
    public void A_development_root_key_is_made_once_and_unwraps_what_it_wrapped()
    {
        using var first = LocalRootKey.Open(KeyFile, null, development: true, random);
        var wrapped = first.Wrap("a key of the vault"u8, "context"u8);
        using var second = LocalRootKey.Open(KeyFile, null, development: true, random);
        using var opened = second.Unwrap(wrapped, "context"u8);
        Assert.True(opened.Span.SequenceEqual("a key of the vault"u8));
        Assert.ThrowsAny<System.Security.Cryptography.CryptographicException>(() => second.Unwrap(wrapped, "another"u8));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(KeyFile));
    }

    [Fact]
    public void A_development_root_key_is_refused_in_production()
    {
        LocalRootKey.Open(KeyFile, null, development: true, random).Dispose();
        Assert.Throws<RootKeyException>(() => LocalRootKey.Open(KeyFile, null, development: false, random));
        Assert.Throws<RootKeyException>(() => LocalRootKey.Open(KeyFile, "passphrase", development: false, random));
        Assert.Throws<RootKeyException>(() => LocalRootKey.Open(Path.Combine(folder, "none"), null, development: false, random));
    }

    [Fact]
    public void A_passphrase_opens_its_root_key_and_no_other_does()
    {
        using var first = LocalRootKey.Open(KeyFile, "correct horse", development: false, random);
        var wrapped = first.Wrap("k"u8, default);
        using var second = LocalRootKey.Open(KeyFile, "correct horse", development: false, random);
        using var opened = second.Unwrap(wrapped, default);
        Assert.Equal(1, opened.Length);
        Assert.Throws<RootKeyException>(() => LocalRootKey.Open(KeyFile, "battery staple", development: false, random));
        Assert.Throws<RootKeyException>(() => LocalRootKey.Open(KeyFile, null, development: true, random));
        Assert.DoesNotContain("correct", File.ReadAllText(KeyFile), StringComparison.Ordinal);
    }

    [Fact]
    public void A_root_key_that_others_may_read_is_refused()
    {
        LocalRootKey.Open(KeyFile, null, development: true, random).Dispose();
        File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        Assert.Throws<RootKeyException>(() => LocalRootKey.Open(KeyFile, null, development: true, random));
    }

    [Theory]
    [InlineData("")]
    [InlineData("datavault root key 2 development\nAAAA\n")]
    [InlineData("datavault root key 1 passphrase\npbkdf2-sha512 1000 AAAA\nAAAA\n")]
    public void A_file_that_is_no_root_key_or_a_weak_one_is_refused(string content)
    {
        File.WriteAllText(KeyFile, content);
        File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.Throws<RootKeyException>(() => LocalRootKey.Open(KeyFile, "passphrase", development: false, random));
    }

    [Fact]
    public void Many_that_start_at_once_share_one_root_key()
    {
        var keys = new LocalRootKey[8];
        Parallel.For(0, keys.Length, i => keys[i] = LocalRootKey.Open(KeyFile, null, development: true, random));
        var wrapped = keys[0].Wrap("k"u8, default);
        foreach (var key in keys) key.Unwrap(wrapped, default).Dispose();
        Assert.Single(Directory.GetFiles(folder));
    }

    [Fact]
    public void Identifiers_are_version_7_in_the_order_of_time()
    {
        var ids = Enumerable.Range(0, 5000).Select(_ => Uuid.Version7(TimeProvider.System, random)).ToList();
        Assert.Equal(ids.Count, ids.Distinct().Count());
        Assert.All(ids, id => Assert.Equal((7, 8), (id.Version, id.Variant & 0xC)));
        var times = ids.ConvertAll(id => Convert.ToHexString(id.ToByteArray(bigEndian: true), 0, 6));
        Assert.Equal(times.Order(StringComparer.Ordinal), times);
    }

    [Fact]
    public void Random_bytes_do_not_repeat_between_draws_or_threads()
    {
        var drawn = new System.Collections.Concurrent.ConcurrentBag<string>();
        Parallel.For(0, 20_000, _ =>
        {
            var bytes = new byte[12];
            random.Fill(bytes);
            drawn.Add(Convert.ToHexString(bytes));
        });
        Assert.Equal(20_000, drawn.Distinct().Count());
        var large = new byte[10_000];
        random.Fill(large);
        Assert.InRange(large.Count(b => b == 0), 5, 120);
    }
}
