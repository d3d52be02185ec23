using System.Collections.Concurrent;
using DataVault.Cryptography;
using DataVault.Policy;

namespace DataVault.Vault.Keys;

/// <summary>
/// Wrapped subject keys and open page keys, bounded. Two generations: what was used since the last turn, and what was used in the turn before;
/// when the younger is full the older is dropped.
/// </summary>
/// <remarks>
/// INVARIANT: what was fetched before somebody was forgotten does not bring them back. Each removal has a number; whoever fetches notes the number at the
/// beginning (<see cref="Now"/>), and what was removed since is not taken in.
/// </remarks>
internal sealed class KeyCache(int limit)
{
    /// <summary>Removals remembered one by one; when there are more, whatever is being fetched at that moment is not kept.</summary>
    private const int RemovalsKept = 4096;

    private readonly Generational<SubjectId, WrappedKey> subjects = new(Math.Max(1, limit / 2));

    // A page serves 256 subjects, so this many hold the page keys of far more subjects than are cached: who is not costs a query, but no unwrapping of a page.
    private readonly Generational<(long Page, int Generation), SecretBytes> pages = new(Math.Max(16, limit / 16));

    private readonly ConcurrentDictionary<SubjectId, long> removed = new();
    private readonly Lock removing = new();
    private long removals;
    private long floor;

    /// <summary>To be noted before a fetch and given to <see cref="Add"/> with what it brought.</summary>
    public long Now => Interlocked.Read(ref removals);

    public bool TryGet(SubjectId subject, out WrappedKey wrapped, out SecretBytes page)
    {
        page = null!;
        if (!subjects.TryGet(subject, out wrapped, out var old)) return false;
        if (old) Keep(wrapped);
        return TryGetPage(wrapped.PageId, wrapped.Generation, out page);
    }

    /// <summary>The person's record has had this version.</summary>
    public void Saw(SubjectId subject, long version)
    {
        if (subjects.TryGet(subject, out var wrapped, out _)) wrapped.Saw(version);
    }

    public bool TryGetPage(long page, int generation, out SecretBytes key)
    {
        if (!pages.TryGet((page, generation), out key, out var old)) return false;
        if (old) pages.Add((page, generation), key);
        return true;
    }

    /// <param name="wrapped">What was fetched.</param>
    /// <param name="began">The number that <see cref="Now"/> gave before the fetch began.</param>
    public void Add(WrappedKey wrapped, long began)
    {
        wrapped.Began = began;
        Keep(wrapped);
    }

    // A page key that falls out of here may still be in use: it is erased by its finaliser, not by us.
    public SecretBytes AddPage(long page, int generation, SecretBytes key) => pages.Add((page, generation), key);

    public void Remove(SubjectId subject)
    {
        Note(subject);
        subjects.Remove(subject);
    }

    public void Clear()
    {
        lock (removing)
        {
            Interlocked.Exchange(ref floor, Interlocked.Increment(ref removals));
            removed.Clear();
        }

        subjects.Clear();
        pages.Clear();
    }

    private void Note(SubjectId subject)
    {
        lock (removing)
        {
            removed[subject] = Interlocked.Increment(ref removals);
            if (removed.Count <= RemovalsKept) return;
            Interlocked.Exchange(ref floor, Now);
            removed.Clear();
        }
    }

    // Put in first and looked at afterwards: a removal either comes after the addition and takes it out, or has its number noted by now.
    private void Keep(WrappedKey wrapped)
    {
        // What was committed here may not be written to the keys database yet, where this one comes from.
        if (subjects.TryGet(wrapped.Subject, out var known, out _)) wrapped.Saw(known.Newest);
        subjects.Add(wrapped.Subject, wrapped);
        if (WasRemovedSince(wrapped.Subject, wrapped.Began)) subjects.Remove(wrapped.Subject, wrapped);
    }

    private bool WasRemovedSince(SubjectId subject, long began) => began < Interlocked.Read(ref floor) || (removed.TryGetValue(subject, out var at) && at > began);

    private sealed class Generational<TKey, TValue>(int limit)
        where TKey : notnull
        where TValue : class
    {
        private volatile ConcurrentDictionary<TKey, TValue> young = new();
        private volatile ConcurrentDictionary<TKey, TValue> old = new();
        private int count;

        /// <param name="key">What is sought.</param>
        /// <param name="value">What was found.</param>
        /// <param name="isOld">True: it will be dropped unless it is added again.</param>
        public bool TryGet(TKey key, out TValue value, out bool isOld)
        {
            isOld = false;
            if (young.TryGetValue(key, out value!)) return true;
            return isOld = old.TryGetValue(key, out value!);
        }

        public TValue Add(TKey key, TValue value)
        {
            if (!young.TryAdd(key, value)) young[key] = value;
            else if (Interlocked.Increment(ref count) > limit) Turn();
            return value;
        }

        public void Remove(TKey key)
        {
            old.TryRemove(key, out _);
            young.TryRemove(key, out _);
        }

        /// <summary>Removes this value, and no newer one that took its place.</summary>
        public void Remove(TKey key, TValue value)
        {
            old.TryRemove(new(key, value));
            young.TryRemove(new(key, value));
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
