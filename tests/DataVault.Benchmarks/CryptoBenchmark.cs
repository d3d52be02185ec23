using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using DataVault.Cryptography;

namespace DataVault.Benchmarks;

/// <summary>
/// The primitives singly: sealing and opening under a key of its own each time, and deriving keys, as the vault does them and in other ways. Processor time
/// of the measuring thread alone, so that others on the machine count for little; the median of the rounds.
/// </summary>
internal static class CryptoBenchmark
{
    private static readonly int[] Sizes = [64, 128, 256, 512];

    public static Task RunAsync(BenchmarkOptions options)
    {
        var rounds = options.Number("rounds", 9);
        var count = options.Number("operations", 20_000);
        Console.WriteLine($"microseconds of processor an operation, median of {rounds} rounds of {count:N0}; libsodium {(Sodium.IsUsable ? "installed" : "absent")}");
        Console.WriteLine($"{"",-66}{string.Join("", Sizes.Select(size => $"{size + " bytes",12}"))}");
        foreach (var (name, make) in Sealers().Where(way => !way.Name.Contains("libsodium", StringComparison.Ordinal) || Sodium.IsUsable))
            Print(name, Sizes.Select(size => Measure(make(size), rounds, count)));
        Console.WriteLine($"{"",-66}{"one key",12}{"five keys",12}");
        foreach (var (name, derive) in Derivations().Where(way => !way.Name.Contains("libsodium", StringComparison.Ordinal) || Sodium.IsUsable))
            Print(name, [Measure(() => derive(1), rounds, count), Measure(() => derive(5), rounds, count / 2)]);
        return Task.CompletedTask;
    }

    private static IEnumerable<(string Name, Func<int, Action> Make)> Sealers() =>
    [
        ("seal: AesGcm, an object for each", size => With(size, static b =>
        {
            using var aes = new AesGcm(b.Key, 16);
            aes.Encrypt(b.Nonce, b.Plain, b.Sealed, b.Tag, b.Bound);
        })),
        ("seal: libcrypto, a context for each (the vault's)", size => With(size, static b => Aes256Gcm.Encrypt(b.Key, b.Nonce, b.Plain, b.Sealed, b.Tag, b.Bound))),
        ("seal: libcrypto, one context used again", size => With(size, Reused.Encrypt)),
        ("seal: libsodium, key expanded for each", size => With(size, static b => Sodium.Encrypt(b.Sealed, b.Tag, out _, b.Plain, (ulong)b.Plain.Length, b.Bound, (ulong)b.Bound.Length, 0, b.Nonce, b.Key))),
        ("seal: libsodium, key expanded beforehand", size => With(size, static b => Sodium.EncryptExpanded(b.Sealed, b.Tag, out _, b.Plain, (ulong)b.Plain.Length, b.Bound, (ulong)b.Bound.Length, 0, b.Nonce, b.Expanded))),
        ("open: libcrypto, a context for each (the vault's)", size => Opened(size, static b => Aes256Gcm.Decrypt(b.Key, b.Nonce, b.Sealed, b.Tag, b.Plain, b.Bound))),
        ("open: libsodium, key expanded for each", size => Opened(size, static b => Sodium.Decrypt(b.Plain, 0, b.Sealed, (ulong)b.Plain.Length, b.Tag, b.Bound, (ulong)b.Bound.Length, b.Nonce, b.Key))),
    ];

    // Five keys of one person, as a record of five class groups asks for them.
    private static IEnumerable<(string Name, Action<int> Derive)> Derivations()
    {
        byte[] key = new byte[32], info = new byte[32], output = new byte[32], block = new byte[64];
        return
        [
            ("derive: libcrypto's SHA-512, keyed states copied (the vault's)", Ours),
            ("derive: IncrementalHash, keyed state used again", Incremental),
            ("derive: HMACSHA512.HashData for each", Whole),
            ("derive: libsodium, keyed state copied", count => Sodium.Derive(key, info, block, count)),
        ];

        void Ours(int count)
        {
            using var derivation = new KeyDerivation(key);
            for (var i = 0; i < count; i++) derivation.Expand("field", info.AsSpan(0, 8), output);
        }

        void Incremental(int count)
        {
            using var keyed = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA512, key);
            for (var i = 0; i < count; i++)
            {
                keyed.AppendData(info);
                keyed.GetHashAndReset(block);
            }
        }

        void Whole(int count)
        {
            for (var i = 0; i < count; i++) HMACSHA512.HashData(key, info, block);
        }
    }

    private static Action With(int size, Action<Buffers> act)
    {
        var buffers = new Buffers(size);
        return () =>
        {
            buffers.Next();
            act(buffers);
        };
    }

    private static Action Opened(int size, Action<Buffers> act)
    {
        var buffers = new Buffers(size);
        Aes256Gcm.Encrypt(buffers.Key, buffers.Nonce, buffers.Plain, buffers.Sealed, buffers.Tag, buffers.Bound);
        return () => act(buffers);
    }

    private static double Measure(Action operation, int rounds, int count)
    {
        for (var i = 0; i < count / 4; i++) operation();
        var times = new List<double>();
        for (var round = 0; round < rounds; round++)
        {
            var before = ThreadClock.Nanoseconds();
            for (var i = 0; i < count; i++) operation();
            times.Add((ThreadClock.Nanoseconds() - before) / 1000.0 / count);
        }

        return times.Order().ElementAt(rounds / 2);
    }

    private static void Print(string name, IEnumerable<double> microseconds) =>
        Console.WriteLine($"{name,-66}{string.Join("", microseconds.Select(us => us.ToString("F2", CultureInfo.InvariantCulture).PadLeft(12)))}");

    private sealed class Buffers(int size)
    {
        public readonly byte[] Key = new byte[32], Nonce = new byte[12], Plain = new byte[size], Sealed = new byte[size], Tag = new byte[16], Bound = new byte[62];
        public readonly nint Expanded = Sodium.IsUsable ? Sodium.Expand(new byte[32]) : 0;

        // Nearly every value has a key of its own.
        public void Next()
        {
            if (++Key[0] == 0) Key[1]++;
            if (++Nonce[0] == 0) Nonce[1]++;
        }
    }

    private static class Reused
    {
        private static readonly nint Context = LibCrypto.NewContext();

        public static void Encrypt(Buffers b)
        {
            var done = LibCrypto.InitialiseEncrypt(Context, LibCrypto.Cipher, b.Key, b.Nonce, 0) == 1
                && LibCrypto.EncryptAssociated(Context, 0, out _, b.Bound, b.Bound.Length) == 1
                && LibCrypto.EncryptUpdate(Context, b.Sealed, out _, b.Plain, b.Plain.Length) == 1
                && LibCrypto.EncryptFinal(Context, b.Tag, out _) == 1
                && LibCrypto.Control(Context, LibCrypto.GetTag, 16, b.Tag) == 1;
            if (!done) throw new CryptographicException("The value could not be sealed.");
        }
    }
}

/// <summary>Processor time of the calling thread.</summary>
internal static partial class ThreadClock
{
    private const int ThreadProcessorTime = 3;

    public static long Nanoseconds() => GetTime(ThreadProcessorTime, out var time) == 0 ? (time.Seconds * 1_000_000_000) + time.Nanoseconds : throw new PlatformNotSupportedException();

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int GetTime(int clock, out Time time);

    [StructLayout(LayoutKind.Sequential)]
    private struct Time
    {
        public long Seconds;
        public long Nanoseconds;
    }
}

/// <summary>What libsodium offers for the same bytes (Debian's libsodium23).</summary>
internal static partial class Sodium
{
    private const string Library = "libsodium.so.23";
    private const int ExpandedSize = 512;
    private const int MacStateSize = 512;

    public static bool IsUsable { get; } = Probe();

    /// <summary>An expanded key, at an address that is a multiple of 16: libsodium faults on another.</summary>
    public static unsafe nint Expand(byte[] key)
    {
        var expanded = (nint)NativeMemory.AlignedAlloc(ExpandedSize, 16);
        BeforeNonce(expanded, key);
        return expanded;
    }

    public static void Derive(byte[] key, byte[] info, byte[] block, int count)
    {
        Span<byte> keyed = stackalloc byte[MacStateSize];
        Span<byte> state = stackalloc byte[MacStateSize];
        MacInitialise(keyed, key, (nuint)key.Length);
        for (var i = 0; i < count; i++)
        {
            keyed.CopyTo(state);
            MacUpdate(state, info, (ulong)info.Length);
            MacFinal(state, block);
        }

        keyed.Clear();
    }

    private static bool Probe()
    {
        try
        {
            return Initialise() >= 0 && IsAvailable() == 1;
        }
        catch (DllNotFoundException)
        {
            return false;
        }
    }

    [LibraryImport(Library, EntryPoint = "sodium_init")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Initialise();

    [LibraryImport(Library, EntryPoint = "crypto_aead_aes256gcm_is_available")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int IsAvailable();

    [LibraryImport(Library, EntryPoint = "crypto_aead_aes256gcm_beforenm")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int BeforeNonce(nint state, ReadOnlySpan<byte> key);

    [LibraryImport(Library, EntryPoint = "crypto_aead_aes256gcm_encrypt_detached")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int Encrypt(
        Span<byte> ciphertext, Span<byte> tag, out ulong tagLength, ReadOnlySpan<byte> plaintext, ulong length, ReadOnlySpan<byte> associated, ulong associatedLength, nint none,
        ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> key);

    [LibraryImport(Library, EntryPoint = "crypto_aead_aes256gcm_encrypt_detached_afternm")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int EncryptExpanded(
        Span<byte> ciphertext, Span<byte> tag, out ulong tagLength, ReadOnlySpan<byte> plaintext, ulong length, ReadOnlySpan<byte> associated, ulong associatedLength, nint none,
        ReadOnlySpan<byte> nonce, nint state);

    [LibraryImport(Library, EntryPoint = "crypto_aead_aes256gcm_decrypt_detached")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int Decrypt(
        Span<byte> plaintext, nint none, ReadOnlySpan<byte> ciphertext, ulong length, ReadOnlySpan<byte> tag, ReadOnlySpan<byte> associated, ulong associatedLength,
        ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> key);

    [LibraryImport(Library, EntryPoint = "crypto_auth_hmacsha512_init")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int MacInitialise(Span<byte> state, ReadOnlySpan<byte> key, nuint length);

    [LibraryImport(Library, EntryPoint = "crypto_auth_hmacsha512_update")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int MacUpdate(Span<byte> state, ReadOnlySpan<byte> input, ulong length);

    [LibraryImport(Library, EntryPoint = "crypto_auth_hmacsha512_final")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int MacFinal(Span<byte> state, Span<byte> output);
}
