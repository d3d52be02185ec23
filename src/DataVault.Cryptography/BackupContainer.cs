// The container of a backup: docs/formats/backup.md ("SPEC backup §n" below).
//
//    datavault backup 1\n
//    {part}\n                                              data | keys
//    pbkdf2-sha512 {iterations} {salt, base64}\n
//    {file key, 32 random bytes, as a sealed value under the stretched passphrase, base64}\n
//    chunk ‖ chunk ‖ …          chunk = u32 length of what follows, highest bit set in the last one ‖ ciphertext ‖ tag
//
// Chunks are AES-256-GCM under a key derived from the file key and the header. The nonce is the chunk's number (11 bytes, network order) and a byte that
// is 1 in the last chunk, so a container that was cut off, put together from two, or whose chunks changed places does not open.

using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace DataVault.Cryptography;

/// <summary>A backup that is damaged, cut off, of another passphrase, or none at all.</summary>
public sealed class BackupFormatException(string message) : Exception(message);

/// <summary>What writer and reader share.</summary>
internal static class BackupContainer
{
    public const string Title = "datavault backup 1";
    public const string Stretching = "pbkdf2-sha512";
    public const int Iterations = 600_000;
    public const int SaltSize = 16;
    public const int LargestChunk = 1 << 20;
    public const int LargestHeader = 1024;
    public const uint LastFlag = 0x8000_0000;

    public static SecretBytes Stretch(string passphrase, ReadOnlySpan<byte> salt, int iterations)
    {
        var secret = new SecretBytes(KeyDerivation.KeySize);
        Rfc2898DeriveBytes.Pbkdf2(passphrase, salt, secret.Span, iterations, HashAlgorithmName.SHA512);
        return secret;
    }

    // SPEC backup §3: bound to the whole header, so no line of it can be exchanged.
    public static SecretBytes ChunkKey(SecretBytes fileKey, string header) =>
        KeyDerivation.Expand(fileKey.Span, "backup-chunks", SHA256.HashData(Encoding.ASCII.GetBytes(header)));

    public static void WriteNonce(long number, bool last, Span<byte> nonce)
    {
        nonce.Clear();
        BinaryPrimitives.WriteInt64BigEndian(nonce[3..11], number);
        nonce[^1] = last ? (byte)1 : (byte)0;
    }

    public static ReadOnlySpan<byte> Context(string part, Span<byte> buffer) => new AssociatedData(buffer, "backup").Add(Encoding.ASCII.GetBytes(part)).Bytes;
}

/// <summary>Writes a container, chunk by chunk, to a stream that need not be seekable.</summary>
public sealed class BackupWriter : IDisposable
{
    /// <summary>Most bytes of content in one chunk.</summary>
    public const int ChunkSize = BackupContainer.LargestChunk - Aes256Gcm.TagSize;

    private readonly Stream destination;
    private readonly SecretBytes key;
    private readonly byte[] buffer = new byte[4 + BackupContainer.LargestChunk];
    private long number;

    private BackupWriter(Stream destination, SecretBytes key) => (this.destination, this.key) = (destination, key);

    /// <summary>Writes the header.</summary>
    /// <param name="destination">Stays open.</param>
    /// <param name="part">Which part of the vault it is: a word of ASCII letters.</param>
    /// <param name="passphrase">What opens it.</param>
    /// <param name="random">Salt, file key and nonce.</param>
    /// <param name="cancellationToken">Ends the work early.</param>
    public static async Task<BackupWriter> CreateAsync(Stream destination, string part, string passphrase, IRandomBytes random, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentNullException.ThrowIfNull(random);
        var salt = new byte[BackupContainer.SaltSize];
        random.Fill(salt);
        using var fileKey = SecretBytes.Random(KeyDerivation.KeySize, random);
        var header = Header(part, passphrase, salt, fileKey, random);
        await destination.WriteAsync(Encoding.ASCII.GetBytes(header), cancellationToken);
        return new BackupWriter(destination, BackupContainer.ChunkKey(fileKey, header));
    }

    /// <summary>Seals and writes one chunk. The container is whole only after one that was marked as the last.</summary>
    public async Task WriteAsync(ReadOnlyMemory<byte> content, bool last, CancellationToken cancellationToken = default)
    {
        if (content.Length > ChunkSize) throw new ArgumentException("larger than a chunk", nameof(content));
        var length = Seal(content.Span, last);
        await destination.WriteAsync(buffer.AsMemory(0, length), cancellationToken);
    }

    /// <inheritdoc/>
    public void Dispose() => key.Dispose();

    private static string Header(string part, string passphrase, byte[] salt, SecretBytes fileKey, IRandomBytes random)
    {
        using var wrapping = BackupContainer.Stretch(passphrase, salt, BackupContainer.Iterations);
        var value = SealedValue.Seal(wrapping.Span, 1, 0, fileKey.Span, BackupContainer.Context(part, stackalloc byte[AssociatedData.Limit]), random);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{BackupContainer.Title}\n{part}\n{BackupContainer.Stretching} {BackupContainer.Iterations} {Convert.ToBase64String(salt)}\n{Convert.ToBase64String(value)}\n");
    }

    private int Seal(ReadOnlySpan<byte> content, bool last)
    {
        Span<byte> nonce = stackalloc byte[Aes256Gcm.NonceSize];
        BackupContainer.WriteNonce(number++, last, nonce);
        var length = content.Length + Aes256Gcm.TagSize;
        BinaryPrimitives.WriteUInt32BigEndian(buffer, (uint)length | (last ? BackupContainer.LastFlag : 0));
        Aes256Gcm.Encrypt(key.Span, nonce, content, buffer.AsSpan(4, content.Length), buffer.AsSpan(4 + content.Length, Aes256Gcm.TagSize), default);
        return 4 + length;
    }
}

/// <summary>Reads a container. What it gives out is authentic; that nothing is missing is known only when it has given out all.</summary>
public sealed class BackupReader : IDisposable
{
    private readonly Stream source;
    private readonly SecretBytes key;
    private long number;
    private bool ended;

    private BackupReader(Stream source, string part, SecretBytes key) => (this.source, Part, this.key) = (source, part, key);

    /// <summary>Which part of the vault it is.</summary>
    public string Part { get; }

    /// <summary>Reads the header.</summary>
    /// <param name="source">Stays open.</param>
    /// <param name="passphrase">Gives what opens a part; it may refuse.</param>
    /// <param name="cancellationToken">Ends the work early.</param>
    /// <exception cref="BackupFormatException">It is no container, or the passphrase does not open it.</exception>
    public static async Task<BackupReader> OpenAsync(Stream source, Func<string, string> passphrase, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(passphrase);
        var header = await ReadHeaderAsync(source, cancellationToken);
        if (header.Split('\n') is not [BackupContainer.Title, var part, var stretching, var value, ""]) throw new BackupFormatException("This is not a backup.");
        using var fileKey = Unwrap(part, stretching, value, passphrase(part));
        return new BackupReader(source, part, BackupContainer.ChunkKey(fileKey, header));
    }

    /// <summary>The content of the next chunk; null after the last.</summary>
    /// <exception cref="BackupFormatException">The container is cut off, changed, or followed by something.</exception>
    public async Task<byte[]?> ReadAsync(CancellationToken cancellationToken = default)
    {
        var prefix = new byte[4];
        var read = await source.ReadAtLeastAsync(prefix, prefix.Length, throwOnEndOfStream: false, cancellationToken);
        if (ended) return read == 0 ? null : throw new BackupFormatException("Something follows the backup's end.");
        var word = read == prefix.Length ? BinaryPrimitives.ReadUInt32BigEndian(prefix) : throw CutOff();
        var (length, last) = ((int)(word & ~BackupContainer.LastFlag), (word & BackupContainer.LastFlag) != 0);
        if (length is < Aes256Gcm.TagSize or > BackupContainer.LargestChunk) throw Changed();
        var chunk = new byte[length];
        if (await source.ReadAtLeastAsync(chunk, length, throwOnEndOfStream: false, cancellationToken) < length) throw CutOff();
        ended = last;
        return Open(chunk, last);
    }

    /// <inheritdoc/>
    public void Dispose() => key.Dispose();

    private byte[] Open(byte[] chunk, bool last)
    {
        Span<byte> nonce = stackalloc byte[Aes256Gcm.NonceSize];
        BackupContainer.WriteNonce(number, last, nonce);
        var content = new byte[chunk.Length - Aes256Gcm.TagSize];
        try
        {
            Aes256Gcm.Decrypt(key.Span, nonce, chunk.AsSpan(0, content.Length), chunk.AsSpan(content.Length), content, default);
            number++;
            return content;
        }
        catch (CryptographicException)
        {
            throw Changed();
        }
    }

    private static SecretBytes Unwrap(string part, string stretching, string value, string passphrase)
    {
        try
        {
            // SPEC backup §2: fewer rounds than this are refused, so that nobody can weaken a header.
            if (stretching.Split(' ') is not [BackupContainer.Stretching, var count, var salt] || !int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var iterations)
                || iterations is < BackupContainer.Iterations or > 100 * BackupContainer.Iterations)
                throw new BackupFormatException("The backup's key was stretched in a way that is unknown or too weak.");
            using var wrapping = BackupContainer.Stretch(passphrase, Convert.FromBase64String(salt), iterations);
            return SealedValue.OpenSecret(wrapping.Span, Convert.FromBase64String(value), BackupContainer.Context(part, stackalloc byte[AssociatedData.Limit]));
        }
        catch (Exception e) when (e is CryptographicException or FormatException)
        {
            throw new BackupFormatException("The passphrase does not open this backup.");
        }
    }

    // Four lines; byte by byte, since the stream may be a pipe.
    private static async Task<string> ReadHeaderAsync(Stream source, CancellationToken cancellationToken)
    {
        var header = new StringBuilder();
        var one = new byte[1];
        for (var lines = 0; lines < 4; lines += one[0] == '\n' ? 1 : 0)
        {
            if (header.Length == BackupContainer.LargestHeader || await source.ReadAsync(one, cancellationToken) == 0) throw new BackupFormatException("This is not a backup.");
            header.Append((char)one[0]);
        }

        return header.ToString();
    }

    private BackupFormatException CutOff() => new($"The backup is cut off after chunk {number}.");

    private BackupFormatException Changed() => new($"The backup is changed in chunk {number}: it does not open.");
}
