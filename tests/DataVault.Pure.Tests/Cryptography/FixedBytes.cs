using DataVault.Cryptography;

namespace DataVault.Pure.Tests.Cryptography;

/// <summary>Randomness that a test chose.</summary>
internal sealed class FixedBytes(params byte[] bytes) : IRandomBytes
{
    public void Fill(Span<byte> destination) => bytes.AsSpan(0, destination.Length).CopyTo(destination);
}
