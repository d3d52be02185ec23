using System.Buffers;
using System.Security.Cryptography;

namespace DataVault.Server.Http;

/// <summary>Collects an answer that holds personal data. What it outgrows is erased when it grows, the rest on disposal.</summary>
internal sealed class ErasedBuffer : IBufferWriter<byte>, IDisposable
{
    private const int First = 4_096;
    private byte[] _bytes = ArrayPool<byte>.Shared.Rent(First);
    private int _written;

    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, _written);

    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _bytes.Length - _written);
        _written += count;
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(Math.Max(1, sizeHint));
        return _bytes.AsMemory(_written);
    }

    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public void Dispose()
    {
        GiveBack();
        _bytes = [];
        _written = 0;
    }

    private void Reserve(int size)
    {
        if (_bytes.Length - _written >= size)
            return;
        var larger = ArrayPool<byte>.Shared.Rent(checked(Math.Max(2 * _bytes.Length, _written + size)));
        Written.CopyTo(larger);
        GiveBack();
        _bytes = larger;
    }

    // INVARIANT: nothing goes back to the pool unerased. The whole of it: a writer may fill more than it counts.
    private void GiveBack()
    {
        CryptographicOperations.ZeroMemory(_bytes);
        if (_bytes.Length > 0)
            ArrayPool<byte>.Shared.Return(_bytes);
    }
}
