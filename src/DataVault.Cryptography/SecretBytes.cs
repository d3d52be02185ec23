using System.Security.Cryptography;

namespace DataVault.Cryptography;

/// <summary>
/// Key bytes in a pinned buffer: the collector never copies them, and they are erased on <see cref="Dispose"/>, or by the finaliser if somebody forgot.
/// Never printed: <see cref="ToString"/> names the length only.
/// </summary>
public sealed class SecretBytes : IDisposable
{
    private byte[]? bytes;

    public SecretBytes(int length) => bytes = GC.AllocateArray<byte>(length, pinned: true);

    ~SecretBytes() => Clear();

    public int Length => bytes?.Length ?? 0;

    /// <summary>The bytes themselves. The span must not outlive this object.</summary>
    public Span<byte> Span => bytes ?? throw new ObjectDisposedException(nameof(SecretBytes));

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
        CryptographicOperations.ZeroMemory(bytes);
        bytes = null;
    }
}
