using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace DataVault.Cryptography;

/// <summary>
/// Key bytes in pinned memory: the collector never copies them, and they are erased on <see cref="Dispose"/>, or by the finaliser if somebody forgot.
/// Never printed: <see cref="ToString"/> names the length only.
/// </summary>
public sealed class SecretBytes : IDisposable
{
    private PinnedSlot slot;

    public SecretBytes(int length)
    {
        slot = length <= PinnedSlot.Size ? PinnedSlot.Take() : new PinnedSlot(GC.AllocateArray<byte>(length, pinned: true), 0);
        Length = length;
    }

    ~SecretBytes() => Clear();

    public int Length { get; private set; }

    /// <summary>The bytes themselves. The span must not outlive this object.</summary>
    public Span<byte> Span => slot.Block is { } block ? block.AsSpan(slot.Offset, Length) : throw new ObjectDisposedException(nameof(SecretBytes));

    public static SecretBytes Random(int length, IRandomBytes random)
    {
        var secret = new SecretBytes(length);
        random.Fill(secret.Span);
        return secret;
    }

    public static SecretBytes CopyOf(ReadOnlySpan<byte> source)
    {
        var secret = new SecretBytes(source.Length);
        source.CopyTo(secret.Span);
        return secret;
    }

    public void Dispose()
    {
        Clear();
        GC.SuppressFinalize(this);
    }

    public override string ToString() => $"SecretBytes({Length})";

    private void Clear()
    {
        if (slot.Block is not { } block) return;
        CryptographicOperations.ZeroMemory(block.AsSpan(slot.Offset, Length));
        if (Length <= PinnedSlot.Size) PinnedSlot.GiveBack(slot);
        (slot, Length) = (default, 0);
    }
}

/// <summary>
/// A place for one short secret in a pinned block. Blocks are shared and kept: a pinned array for each secret is slow to make, and only the collector's
/// fullest pass takes it away again.
/// </summary>
internal readonly record struct PinnedSlot(byte[]? Block, int Offset)
{
    public const int Size = 128;

    // INVARIANT: a slot given back rests behind this many others, erased: a span kept too long shows zeros, not the next person's key.
    private const int Resting = 1024;
    private const int BlockSize = 4096;

    private static readonly ConcurrentQueue<PinnedSlot> Idle = new();
    private static readonly Lock Carving = new();
    private static PinnedSlot fresh;
    private static int idleCount;

    public static PinnedSlot Take()
    {
        if (Volatile.Read(ref idleCount) <= Resting || !Idle.TryDequeue(out var slot)) return Carve();
        Interlocked.Decrement(ref idleCount);
        return slot;
    }

    public static void GiveBack(PinnedSlot slot)
    {
        Idle.Enqueue(slot);
        Interlocked.Increment(ref idleCount);
    }

    private static PinnedSlot Carve()
    {
        lock (Carving)
        {
            var next = fresh.Block is not null && fresh.Offset < BlockSize ? fresh : new PinnedSlot(GC.AllocateArray<byte>(BlockSize, pinned: true), 0);
            fresh = next with { Offset = next.Offset + Size };
            return next;
        }
    }
}
