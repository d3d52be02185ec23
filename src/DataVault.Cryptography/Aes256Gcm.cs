// AES-256-GCM (NIST SP 800-38D) with a 96-bit nonce and a 128-bit tag, one call for one value.
//
// On Linux the platform's AesGcm is OpenSSL's libcrypto behind an object for each key, and making that object costs several times the encryption: it looks
// the algorithm up anew. Here nearly every value has a key of its own, so this calls the same libcrypto directly, with the algorithm looked up once.
// Elsewhere, and where libcrypto 3 is missing, AesGcm does it; the bytes are the same.

using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace DataVault.Cryptography;

/// <summary>The one place that encrypts and decrypts. Thread-safe: every call has a context of its own, erased and freed when it ends.</summary>
internal static class Aes256Gcm
{
    public const int NonceSize = 12;
    public const int TagSize = 16;

    /// <summary>True when libcrypto is called directly.</summary>
    public static bool IsDirect => LibCrypto.Cipher != 0;

    public static void Encrypt(
        ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext, Span<byte> tag, ReadOnlySpan<byte> associated)
    {
        RefuseOtherSizes(key, nonce, plaintext, ciphertext, tag);
        if (IsDirect)
        {
            EncryptDirectly(key, nonce, plaintext, ciphertext, tag, associated);
            return;
        }

        // INVARIANT: an AesGcm is made for one operation; it is not safe to share between threads on Linux.
        using var aes = new AesGcm(key, TagSize);
        aes.Encrypt(nonce, plaintext, ciphertext, tag, associated);
    }

    /// <exception cref="CryptographicException">Not what was encrypted under this key, nonce and associated data; nothing is left in the plaintext.</exception>
    public static void Decrypt(
        ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> tag, Span<byte> plaintext, ReadOnlySpan<byte> associated)
    {
        RefuseOtherSizes(key, nonce, plaintext, ciphertext, tag);
        if (IsDirect)
        {
            DecryptDirectly(key, nonce, ciphertext, tag, plaintext, associated);
            return;
        }

        using var aes = new AesGcm(key, TagSize);
        aes.Decrypt(nonce, ciphertext, tag, plaintext, associated);
    }

    private static void EncryptDirectly(
        ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext, Span<byte> tag, ReadOnlySpan<byte> associated)
    {
        var context = LibCrypto.NewContext();
        try
        {
            var done = context != 0
                && LibCrypto.InitialiseEncrypt(context, LibCrypto.Cipher, key, nonce, 0) == 1
                && (associated.IsEmpty || LibCrypto.EncryptAssociated(context, 0, out _, associated, associated.Length) == 1)
                && (plaintext.IsEmpty || LibCrypto.EncryptUpdate(context, ciphertext, out _, plaintext, plaintext.Length) == 1)
                && LibCrypto.EncryptFinal(context, tag, out _) == 1
                && LibCrypto.Control(context, LibCrypto.GetTag, TagSize, tag) == 1;
            if (!done) throw new CryptographicException("The value could not be sealed.");
        }
        finally
        {
            LibCrypto.FreeContext(context);
        }
    }

    private static void DecryptDirectly(
        ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> tag, Span<byte> plaintext, ReadOnlySpan<byte> associated)
    {
        Span<byte> expected = stackalloc byte[TagSize];
        tag.CopyTo(expected);
        Span<byte> rest = stackalloc byte[TagSize];
        var context = LibCrypto.NewContext();
        var authentic = false;
        try
        {
            authentic = context != 0
                && LibCrypto.InitialiseDecrypt(context, LibCrypto.Cipher, key, nonce, 0) == 1
                && (associated.IsEmpty || LibCrypto.DecryptAssociated(context, 0, out _, associated, associated.Length) == 1)
                && (ciphertext.IsEmpty || LibCrypto.DecryptUpdate(context, plaintext, out _, ciphertext, ciphertext.Length) == 1)
                && LibCrypto.Control(context, LibCrypto.SetTag, TagSize, expected) == 1
                && LibCrypto.DecryptFinal(context, rest, out _) == 1;
        }
        finally
        {
            LibCrypto.FreeContext(context);
            // INVARIANT: what is not authentic is never seen: libcrypto writes the plaintext before it has checked the tag.
            if (!authentic) CryptographicOperations.ZeroMemory(plaintext);
        }

        if (!authentic) throw new AuthenticationTagMismatchException();
    }

    // libcrypto reads as many bytes as the algorithm says, whatever the spans hold.
    private static void RefuseOtherSizes(ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> tag)
    {
        if (key.Length != KeyDerivation.KeySize || nonce.Length != NonceSize || tag.Length != TagSize || plaintext.Length != ciphertext.Length)
            throw new ArgumentException("wrong length", nameof(key));
    }
}

/// <summary>The calls of OpenSSL 3 that <see cref="Aes256Gcm"/> needs (EVP_EncryptInit(3)).</summary>
internal static partial class LibCrypto
{
    public const int GetTag = 0x10;
    public const int SetTag = 0x11;

    private const string Library = "libcrypto.so.3";
    private const ulong NoAtExit = 0x0008_0000;

    /// <summary>The algorithm, looked up once for the process; zero when there is no libcrypto 3.</summary>
    public static readonly nint Cipher = FetchCipher();

    private static nint FetchCipher()
    {
        try
        {
            // As the platform does: threads may still be at work when the process ends, so libcrypto must not clean up under them.
            return OperatingSystem.IsLinux() && Initialise(NoAtExit, 0) == 1 ? FetchCipher(0, "AES-256-GCM", 0) : 0;
        }
        catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException)
        {
            return 0;
        }
    }

    [LibraryImport(Library, EntryPoint = "OPENSSL_init_crypto")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Initialise(ulong options, nint settings);

    [LibraryImport(Library, EntryPoint = "EVP_CIPHER_fetch", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint FetchCipher(nint library, string name, nint properties);

    [LibraryImport(Library, EntryPoint = "EVP_CIPHER_CTX_new")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial nint NewContext();

    [LibraryImport(Library, EntryPoint = "EVP_CIPHER_CTX_free")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial void FreeContext(nint context);

    [LibraryImport(Library, EntryPoint = "EVP_EncryptInit_ex2")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int InitialiseEncrypt(nint context, nint cipher, ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, nint parameters);

    [LibraryImport(Library, EntryPoint = "EVP_EncryptUpdate")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int EncryptAssociated(nint context, nint none, out int written, ReadOnlySpan<byte> associated, int length);

    [LibraryImport(Library, EntryPoint = "EVP_EncryptUpdate")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int EncryptUpdate(nint context, Span<byte> output, out int written, ReadOnlySpan<byte> input, int length);

    [LibraryImport(Library, EntryPoint = "EVP_EncryptFinal_ex")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int EncryptFinal(nint context, Span<byte> rest, out int written);

    [LibraryImport(Library, EntryPoint = "EVP_DecryptInit_ex2")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int InitialiseDecrypt(nint context, nint cipher, ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, nint parameters);

    [LibraryImport(Library, EntryPoint = "EVP_DecryptUpdate")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int DecryptAssociated(nint context, nint none, out int written, ReadOnlySpan<byte> associated, int length);

    [LibraryImport(Library, EntryPoint = "EVP_DecryptUpdate")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int DecryptUpdate(nint context, Span<byte> output, out int written, ReadOnlySpan<byte> input, int length);

    [LibraryImport(Library, EntryPoint = "EVP_DecryptFinal_ex")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int DecryptFinal(nint context, Span<byte> rest, out int written);

    [LibraryImport(Library, EntryPoint = "EVP_CIPHER_CTX_ctrl")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int Control(nint context, int command, int length, Span<byte> tag);
}
