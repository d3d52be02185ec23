using System.Security.Cryptography;

namespace DataVault.Cryptography;

/// <summary>The only source of randomness; injected, so that tests can fix it.</summary>
public interface IRandomBytes
{
    void Fill(Span<byte> destination);
}

/// <summary>
/// The operating system's generator, drawn in blocks: one system call of 4 KiB serves some three hundred nonces, which cost as much as the encryption otherwise.
/// Thread-safe: every thread owns its block.
/// </summary>
public sealed class SystemRandomBytes : IRandomBytes
{
    public const int BlockSize = 4096;

    [ThreadStatic]
    private static Block? block;

    public void Fill(Span<byte> destination)
    {
        if (destination.Length > BlockSize / 4)
        {
            Draw(destination);
            return;
        }

        var own = block ??= new Block();
        if (own.Left < destination.Length) own.Refill();
        own.Take(destination);
    }

    // RandomNumberGenerator.Create() rather than the static Fill: the static one is banned so that nobody goes round this class.
    private static void Draw(Span<byte> destination)
    {
        using var generator = RandomNumberGenerator.Create();
        generator.GetBytes(destination);
    }

    private sealed class Block
    {
        private readonly byte[] bytes = GC.AllocateArray<byte>(BlockSize, pinned: true);

        public int Left { get; private set; }

        public void Refill()
        {
            Draw(bytes);
            Left = BlockSize;
        }

        // INVARIANT: bytes handed out are erased here, so a later look into memory does not show keys already in use.
        public void Take(Span<byte> destination)
        {
            var taken = bytes.AsSpan(BlockSize - Left, destination.Length);
            taken.CopyTo(destination);
            CryptographicOperations.ZeroMemory(taken);
            Left -= destination.Length;
        }
    }
}
