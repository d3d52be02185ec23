using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Vault.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Keys;

public sealed class KeyCacheTests
{
    [Fact]
    public void What_was_fetched_before_the_destruction_is_not_kept_after_it()
    {
        var cache = New();
        var person = People.NewId();
        var began = cache.Now;
        cache.Remove(person);
        cache.Add(Key(person), began);
        Assert.False(cache.TryGet(person, out _, out _));
        cache.Add(Key(person), cache.Now);
        Assert.True(cache.TryGet(person, out _, out _));
    }

    [Fact]
    public void A_fetch_that_began_before_everything_was_forgotten_brings_nobody_back()
    {
        var cache = New();
        var (person, began) = (People.NewId(), cache.Now);
        cache.Clear();
        cache.Add(Key(person), began);
        Assert.False(cache.TryGet(person, out _, out _));
    }

    [Fact]
    public void A_destruction_is_not_forgotten_because_many_others_followed()
    {
        var cache = New();
        var (person, began) = (People.NewId(), cache.Now);
        cache.Remove(person);
        for (var i = 0; i < 10_000; i++) cache.Remove(People.NewId());
        cache.Add(Key(person), began);
        Assert.False(cache.TryGet(person, out _, out _));
    }

    [Fact]
    public void Look_ups_that_cross_a_removal_leave_nothing_behind()
    {
        var cache = new KeyCache(64);
        cache.AddPage(1, 1, new SecretBytes(32));
        for (var round = 0; round < 2_000; round++)
        {
            var person = People.NewId();
            cache.Add(Key(person), cache.Now);
            // Two turns of the generations away from being dropped: a look-up now copies from the older to the younger.
            for (var i = 0; i < 33; i++) cache.Add(Key(People.NewId()), cache.Now);
            Parallel.Invoke(() => cache.TryGet(person, out _, out _), () => cache.Remove(person));
            Assert.False(cache.TryGet(person, out _, out _));
        }
    }

    private static KeyCache New()
    {
        var cache = new KeyCache(1000);
        cache.AddPage(1, 1, new SecretBytes(32));
        return cache;
    }

    private static WrappedKey Key(SubjectId person) => new(person, 1, 1, 1, new byte[80], null);
}
