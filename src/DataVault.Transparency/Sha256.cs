using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace DataVault.Transparency;

/// <summary>
/// SHA-256 of a prefix byte and one or two pieces, as every hash of the tree is. .NET's one-shot call spends several times the hash itself on making and
/// freeing an object of OpenSSL's; libcrypto's plain functions need none, only 112 bytes on the stack. Where libcrypto 3 is missing, or gives another answer
/// than .NET to a known question, .NET hashes.
/// </summary>
internal static unsafe partial class Sha256
{
    private const string Library = "libcrypto.so.3";

    // SHA256_CTX of openssl/sha.h: eight words of state, two of length, sixteen of data, two counters.
    private const int ContextSize = 112;
    private const int LargestOnStack = LogEntry.MaxEncodedSize;

    /// <summary>Whether libcrypto hashes; a test asks both ways.</summary>
    internal static bool IsNative { get; } = Probe();

    public static void Hash(byte prefix, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> hash32)
    {
        if (IsNative)
            Native(prefix, first, second, hash32);
        else
            Managed(prefix, first, second, hash32);
    }

    // Clearing the buffer first would cost a fifth of the hash; every byte that is hashed is written here.
    [SkipLocalsInit]
    internal static void Managed(byte prefix, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> hash32)
    {
        var length = 1 + first.Length + second.Length;
        Span<byte> input = length <= LargestOnStack + 1 ? stackalloc byte[LargestOnStack + 1] : new byte[length];
        input[0] = prefix;
        first.CopyTo(input[1..]);
        second.CopyTo(input[(1 + first.Length)..]);
        SHA256.HashData(input[..length], hash32);
    }

    [SkipLocalsInit]
    internal static void Native(byte prefix, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> hash32)
    {
        // The functions write 32 bytes wherever they are told to; the slice refuses a shorter buffer.
        hash32 = hash32[..MerkleHash.Size];
        var context = stackalloc byte[ContextSize];
        fixed (byte* one = first, two = second, hash = hash32)
        {
            var done = Initialise(context) & Update(context, &prefix, 1) & Update(context, one, (nuint)first.Length);
            if (second.Length > 0)
                done &= Update(context, two, (nuint)second.Length);
            if ((done & Finish(hash, context)) != 1)
                throw new CryptographicException("libcrypto did not hash.");
        }
    }

    private static bool Probe()
    {
        try
        {
            Span<byte> native = stackalloc byte[MerkleHash.Size], managed = stackalloc byte[MerkleHash.Size];
            ReadOnlySpan<byte> question = "The quick brown fox jumps over the lazy dog, and then does so a second time for good measure"u8;
            Native(1, question, question, native);
            Managed(1, question, question, managed);
            return native.SequenceEqual(managed);
        }
        catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException)
        {
            return false;
        }
    }

    [LibraryImport(Library, EntryPoint = "SHA256_Init")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [SuppressGCTransition]
    private static partial int Initialise(byte* context);

    [LibraryImport(Library, EntryPoint = "SHA256_Update")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Update(byte* context, byte* data, nuint length);

    [LibraryImport(Library, EntryPoint = "SHA256_Final")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [SuppressGCTransition]
    private static partial int Finish(byte* hash, byte* context);
}
