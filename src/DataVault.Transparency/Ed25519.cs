using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace DataVault.Transparency;

/// <summary>Ed25519 (RFC 8032) by OpenSSL's libcrypto: .NET 10 has no class for it.</summary>
internal static partial class Ed25519
{
    public const int KeySize = 32;
    public const int SignatureSize = 64;

    private const string Library = "libcrypto.so.3";
    private const int EvpPkeyEd25519 = 1087;

    /// <summary>Whether the signature is the key's over the text; says so when this machine cannot tell.</summary>
    public static NoteCheck Check(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> text, ReadOnlySpan<byte> signature)
    {
        if (signature.Length != SignatureSize)
            return NoteCheck.Invalid;
        try
        {
            return Verify(publicKey, text, signature) ? NoteCheck.Valid : NoteCheck.Invalid;
        }
        catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException)
        {
            return NoteCheck.NotAvailable;
        }
    }

    /// <summary>The public key of a private one.</summary>
    /// <param name="seed">The private key as RFC 8032 stores it, 32 bytes.</param>
    /// <exception cref="PlatformNotSupportedException">There is no libcrypto with Ed25519.</exception>
    public static byte[] PublicKeyOf(ReadOnlySpan<byte> seed) => WithPrivateKey(seed, [], (key, _) =>
    {
        var publicKey = new byte[KeySize];
        var length = (nuint)KeySize;
        return GetRawPublicKey(key, publicKey, ref length) == 1 && length == KeySize ? publicKey : null;
    });

    /// <summary>Signs.</summary>
    /// <exception cref="PlatformNotSupportedException">There is no libcrypto with Ed25519.</exception>
    public static byte[] Sign(ReadOnlySpan<byte> seed, byte[] text) => WithPrivateKey(seed, text, (key, message) =>
    {
        var context = NewContext();
        try
        {
            var signature = new byte[SignatureSize];
            var length = (nuint)SignatureSize;
            var done = context != 0
                && InitialiseSign(context, 0, 0, 0, key) == 1
                && SignMessage(context, signature, ref length, message, (nuint)message.Length) == 1
                && length == SignatureSize;
            return done ? signature : null;
        }
        finally
        {
            FreeContext(context);
        }
    });

    private static byte[] WithPrivateKey(ReadOnlySpan<byte> seed, byte[] text, Func<nint, byte[], byte[]?> use)
    {
        if (seed.Length != KeySize)
            throw new ArgumentException("An Ed25519 private key has 32 bytes.", nameof(seed));
        nint key = 0;
        try
        {
            key = NewRawPrivateKey(EvpPkeyEd25519, 0, seed, KeySize);
            return (key == 0 ? null : use(key, text)) ?? throw new CryptographicException("libcrypto refused the Ed25519 operation.");
        }
        catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException)
        {
            throw new PlatformNotSupportedException("Ed25519 needs OpenSSL's libcrypto.so.3.", exception);
        }
        finally
        {
            if (key != 0)
                FreeKey(key);
        }
    }

    private static bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> text, ReadOnlySpan<byte> signature)
    {
        var key = NewRawPublicKey(EvpPkeyEd25519, 0, publicKey, (nuint)publicKey.Length);
        var context = NewContext();
        try
        {
            return key != 0 && context != 0
                && InitialiseVerify(context, 0, 0, 0, key) == 1
                && VerifyMessage(context, signature, (nuint)signature.Length, text, (nuint)text.Length) == 1;
        }
        finally
        {
            FreeContext(context);
            FreeKey(key);
        }
    }

    [LibraryImport(Library, EntryPoint = "EVP_PKEY_new_raw_public_key")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint NewRawPublicKey(int type, nint engine, ReadOnlySpan<byte> key, nuint length);

    [LibraryImport(Library, EntryPoint = "EVP_PKEY_new_raw_private_key")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint NewRawPrivateKey(int type, nint engine, ReadOnlySpan<byte> key, nuint length);

    [LibraryImport(Library, EntryPoint = "EVP_PKEY_get_raw_public_key")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int GetRawPublicKey(nint key, Span<byte> publicKey, ref nuint length);

    [LibraryImport(Library, EntryPoint = "EVP_PKEY_free")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial void FreeKey(nint key);

    [LibraryImport(Library, EntryPoint = "EVP_MD_CTX_new")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint NewContext();

    [LibraryImport(Library, EntryPoint = "EVP_MD_CTX_free")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial void FreeContext(nint context);

    [LibraryImport(Library, EntryPoint = "EVP_DigestVerifyInit")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int InitialiseVerify(nint context, nint keyContext, nint digest, nint engine, nint key);

    [LibraryImport(Library, EntryPoint = "EVP_DigestVerify")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int VerifyMessage(nint context, ReadOnlySpan<byte> signature, nuint signatureLength, ReadOnlySpan<byte> text, nuint textLength);

    [LibraryImport(Library, EntryPoint = "EVP_DigestSignInit")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int InitialiseSign(nint context, nint keyContext, nint digest, nint engine, nint key);

    [LibraryImport(Library, EntryPoint = "EVP_DigestSign")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SignMessage(nint context, Span<byte> signature, ref nuint signatureLength, ReadOnlySpan<byte> text, nuint textLength);
}
