using System.Collections.Concurrent;
using DataVault.Cryptography;
using DataVault.Policy;

namespace DataVault.Vault.Keys;

/// <summary>
/// Wrapped subject keys and open page keys, bounded. Two generations: what was used since the last turn, and what was used in the turn before;
/// when the younger is full the older is dropped.
/// </summary>
internal sealed class KeyCache(int limit)
{
    private readonly Generational<SubjectId, WrappedKey> subjects = new(Math.Max(1, limit / 2));

    // A page serves 256 subjects, so this many hold the page keys of far more subjects than are cached: who is not costs a query, but no unwrapping of a page.
    private readonly Generational<(long Page, int Generation), SecretBytes> pages = new(Math.Max(16, limit / 16));

    public bool TryGet(SubjectId subject, out WrappedKey wrapped, out SecretBytes page)
    {
        page = null!;
        return subjects.TryGet(subject, out wrapped) && pages.TryGet((wrapped.PageId, wrapped.Generation), out page);
    }

    public bool TryGetPage(long page, int generation, out SecretBytes key) => pages.TryGet((page, generation), out key);

    public void Add(WrappedKey wrapped) => subjects.Add(wrapped.Subject, wrapped);

    // A page key that falls out of here may still be in use: it is erased by its finaliser, not by us.
    public SecretBytes AddPage(long page, int generation, SecretBytes key) => pages.Add((page, generation), key);

    public void Remove(SubjectId subject) => subjects.Remove(subject);

    public void Clear()
    {
        subjects.Clear();
        pages.Clear();
    }

    private sealed class Generational<TKey, TValue>(int limit)
        where TKey : notnull
        where TValue : class
    {
        private volatile ConcurrentDictionary<TKey, TValue> young = new();
        private volatile ConcurrentDictionary<TKey, TValue> old = new();
        private int count;

        public bool TryGet(TKey key, out TValue value)
        {
            if (young.TryGetValue(key, out value!)) return true;
            if (!old.TryGetValue(key, out value!)) return false;
            Add(key, value);
            return true;
        }

        public TValue Add(TKey key, TValue value)
        {
            if (!young.TryAdd(key, value)) young[key] = value;
            else if (Interlocked.Increment(ref count) > limit) Turn();
            return value;
        }

        // Removing from both: a lookup that raced ahead may have copied the entry from old to young.
        public void Remove(TKey key)
        {
            old.TryRemove(key, out _);
            young.TryRemove(key, out _);
        }

        public void Clear()
        {
            old = new();
            young = new();
            Interlocked.Exchange(ref count, 0);
        }

        private void Turn()
        {
            if (Interlocked.Exchange(ref count, 0) <= limit) return;
            old = young;
            young = new();
        }
    }
}
