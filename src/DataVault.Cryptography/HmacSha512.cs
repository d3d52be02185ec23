// HMAC-SHA-512 under one key, many times. Keys are derived by the thousand, each from a key of its own; .NET's objects and OpenSSL's EVP layer cost several
// times the hash itself. libcrypto's plain functions take a state that the caller keeps: here the two keyed states of RFC 2104, made once for a key and copied
// for each use. Where libcrypto 3 is missing, or gives another answer than .NET to a known question, .NET hashes; the bytes are the same.

using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace DataVault.Cryptography;

/// <summary>The keyed states lie in native memory, which the collector never copies, and are erased on <see cref="Dispose"/>, or by the finaliser if somebody forgot.</summary>
internal sealed unsafe partial class HmacSha512 : IDisposable
{
    private const string Library = "libcrypto.so.3";

    // SHA512_CTX of openssl/sha.h: eight words of state, two of length, 128 bytes of data, two counters.
    private const int StateSize = 216;
    private const int BlockSize = 128;

    private readonly IncrementalHash? managed;
    private byte* states;

    public HmacSha512(ReadOnlySpan<byte> key)
        : this(key, IsDirect)
    {
    }

    /// <param name="direct">False: .NET's way, for machines without libcrypto 3; a test asks both.</param>
    internal HmacSha512(ReadOnlySpan<byte> key, bool direct)
    {
        if (!direct)
        {
            managed = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA512, key);
            GC.SuppressFinalize(this);
            return;
        }

        states = (byte*)NativeMemory.Alloc(2 * StateSize);
        Begin(Inner, key, 0x36);
        Begin(Outer, key, 0x5C);
    }

    ~HmacSha512() => Clear();

    /// <summary>Whether libcrypto is called directly.</summary>
    public static bool IsDirect { get; } = Probe();

    private Span<byte> Inner => new(states, StateSize);

    private Span<byte> Outer => new(states + StateSize, StateSize);

    /// <summary>The MAC of three pieces, one after the other.</summary>
    public void Compute(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<byte> third, Span<byte> mac)
    {
        if (mac.Length != HMACSHA512.HashSizeInBytes) throw new ArgumentException("wrong length", nameof(mac));
        if (managed is not null)
        {
            managed.AppendData(first);
            managed.AppendData(second);
            managed.AppendData(third);
            managed.GetHashAndReset(mac);
            return;
        }

        ObjectDisposedException.ThrowIf(states is null, this);
        Span<byte> state = stackalloc byte[StateSize];
        Inner.CopyTo(state);
        var done = Update(state, first, (nuint)first.Length) & Update(state, second, (nuint)second.Length) & Update(state, third, (nuint)third.Length) & Final(mac, state);
        Outer.CopyTo(state);
        done &= Update(state, mac, (nuint)mac.Length) & Final(mac, state);
        CryptographicOperations.ZeroMemory(state);
        // The finaliser must not free the states while they are being copied.
        GC.KeepAlive(this);
        if (done != 1) throw new CryptographicException("The key could not be derived.");
    }

    public void Dispose()
    {
        managed?.Dispose();
        Clear();
        GC.SuppressFinalize(this);
    }

    private void Clear()
    {
        if (states is null) return;
        CryptographicOperations.ZeroMemory(new Span<byte>(states, 2 * StateSize));
        NativeMemory.Free(states);
        states = null;
    }

    // RFC 2104 §2
    private static void Begin(Span<byte> state, ReadOnlySpan<byte> key, byte pad)
    {
        Span<byte> block = stackalloc byte[BlockSize];
        block.Clear();
        if (key.Length <= BlockSize) key.CopyTo(block);
        else SHA512.HashData(key, block);
        for (var i = 0; i < BlockSize; i++) block[i] ^= pad;
        var done = Initialise(state) & Update(state, block, BlockSize);
        CryptographicOperations.ZeroMemory(block);
        if (done != 1) throw new CryptographicException("The key could not be set up.");
    }

    private static bool Probe()
    {
        try
        {
            if (!OperatingSystem.IsLinux() || !Environment.Is64BitProcess) return false;
            ReadOnlySpan<byte> key = [1, 2, 3, 4, 5, 6, 7, 8];
            Span<byte> mac = stackalloc byte[HMACSHA512.HashSizeInBytes];
            using var hash = new HmacSha512(key, direct: true);
            hash.Compute("a known "u8, "question"u8, default, mac);
            return mac.SequenceEqual(HMACSHA512.HashData(key, "a known question"u8));
        }
        catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException)
        {
            return false;
        }
    }

    [LibraryImport(Library, EntryPoint = "SHA512_Init")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Initialise(Span<byte> state);

    [LibraryImport(Library, EntryPoint = "SHA512_Update")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Update(Span<byte> state, ReadOnlySpan<byte> input, nuint length);

    [LibraryImport(Library, EntryPoint = "SHA512_Final")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Final(Span<byte> digest, Span<byte> state);
}
