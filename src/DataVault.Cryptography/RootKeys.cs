using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace DataVault.Cryptography;

/// <summary>Keys for other parts of the server, derived from the vault key: 32 bytes per label, the same in every process and after every start.</summary>
public interface IServiceKeys
{
    /// <param name="label">Like <c>issuer/tokens</c>: the part's name, a slash, the use.</param>
    SecretBytes Derive(string label);
}

/// <summary>
/// Where the root key lives. It wraps and unwraps the vault keys and does nothing else; used at start and at rotation only, so a call may block on a device.
/// </summary>
public interface IRootKeyProvider
{
    byte[] Wrap(ReadOnlySpan<byte> key, ReadOnlySpan<byte> context);

    /// <exception cref="CryptographicException">Wrong root key, wrong context or changed bytes.</exception>
    SecretBytes Unwrap(ReadOnlySpan<byte> wrapped, ReadOnlySpan<byte> context);
}

/// <summary>The root key cannot be used: what is wrong and what to do.</summary>
public sealed class RootKeyException(string message) : Exception(message);

/// <summary>
/// A root key in a file, mode 0600. Two kinds, told apart by the first line:
/// <code>
/// datavault root key 1 passphrase          datavault root key 1 development
/// pbkdf2-sha512 {iterations} {salt base64} {key base64}
/// {sealed key base64}
/// </code>
/// The first is sealed under PBKDF2-HMAC-SHA-512 of a passphrase; the second lies open and is accepted in Development only.
/// </summary>
public sealed class SealedFileRootKey : IRootKeyProvider, IDisposable
{
    public const int Iterations = 600_000;

    private const string PassphraseKind = "datavault root key 1 passphrase";
    private const string DevelopmentKind = "datavault root key 1 development";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private readonly SecretBytes key;
    private readonly IRandomBytes random;

    private SealedFileRootKey(SecretBytes key, IRandomBytes random) => (this.key, this.random) = (key, random);

    /// <summary>Opens the key file, or makes it when there is none.</summary>
    /// <param name="passphrase">Null: an open development key; refused unless <paramref name="development"/>.</param>
    public static SealedFileRootKey Open(string path, string? passphrase, bool development, IRandomBytes random)
    {
        if (passphrase is null && !development)
            throw new RootKeyException("No passphrase for the root key was given, and an open key file is for Development only.");
        if (!File.Exists(path)) Create(path, passphrase, random);
        RefuseReadableByOthers(path);
        var lines = File.ReadAllLines(path);
        return lines switch
        {
            [PassphraseKind, var parameters, var value] when passphrase is not null => new(Unseal(parameters, value, passphrase), random),
            [PassphraseKind, _, _] => throw new RootKeyException("The root key file is sealed by a passphrase and none was given."),
            [DevelopmentKind, var value] when development && passphrase is null => new(Secret(Convert.FromBase64String(value)), random),
            [DevelopmentKind, _] => throw new RootKeyException("The root key file is an open development key; it is refused here."),
            _ => throw new RootKeyException("The root key file is not one."),
        };
    }

    public byte[] Wrap(ReadOnlySpan<byte> key, ReadOnlySpan<byte> context) => SealedValue.Seal(this.key.Span, 1, 0, key, context, random);

    public SecretBytes Unwrap(ReadOnlySpan<byte> wrapped, ReadOnlySpan<byte> context) => SealedValue.OpenSecret(key.Span, wrapped, context);

    public void Dispose() => key.Dispose();

    private static void Create(string path, string? passphrase, IRandomBytes random)
    {
        using var fresh = SecretBytes.Random(KeyDerivation.KeySize, random);
        var text = passphrase is null
            ? $"{DevelopmentKind}\n{Convert.ToBase64String(fresh.Span)}\n"
            : $"{PassphraseKind}\n{Sealed(fresh, passphrase, random)}\n";
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        var draft = $"{path}.{Convert.ToHexStringLower(RandomName(random))}";
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = OwnerOnly;
        using (var file = new FileStream(draft, options))
        {
            file.Write(Encoding.ASCII.GetBytes(text));
            file.Flush(flushToDisk: true);
        }

        PutInPlace(draft, path);
    }

    // INVARIANT: an existing root key is never overwritten; of two processes that start at once, both use the file that came first.
    private static void PutInPlace(string draft, string path)
    {
        try
        {
            File.Move(draft, path, overwrite: false);
        }
        catch (IOException) when (File.Exists(path))
        {
            File.Delete(draft);
        }
    }

    private static string Sealed(SecretBytes fresh, string passphrase, IRandomBytes random)
    {
        var salt = new byte[16];
        random.Fill(salt);
        using var wrapping = Stretch(passphrase, salt, Iterations);
        var value = SealedValue.Seal(wrapping.Span, 1, 0, fresh.Span, "root"u8, random);
        return $"pbkdf2-sha512 {Iterations} {Convert.ToBase64String(salt)}\n{Convert.ToBase64String(value)}";
    }

    private static SecretBytes Unseal(string parameters, string value, string passphrase)
    {
        if (parameters.Split(' ') is not ["pbkdf2-sha512", var count, var salt]
            || !int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var iterations) || iterations < Iterations)
            throw new RootKeyException("The root key file names a key stretching that is unknown or too weak.");
        using var wrapping = Stretch(passphrase, Convert.FromBase64String(salt), iterations);
        try
        {
            return SealedValue.OpenSecret(wrapping.Span, Convert.FromBase64String(value), "root"u8);
        }
        catch (CryptographicException)
        {
            throw new RootKeyException("The passphrase does not open the root key file.");
        }
    }

    private static SecretBytes Stretch(string passphrase, byte[] salt, int iterations)
    {
        var secret = new SecretBytes(KeyDerivation.KeySize);
        Rfc2898DeriveBytes.Pbkdf2(passphrase, salt, secret.Span, iterations, HashAlgorithmName.SHA512);
        return secret;
    }

    private static SecretBytes Secret(byte[] bytes)
    {
        var secret = SecretBytes.CopyOf(bytes);
        CryptographicOperations.ZeroMemory(bytes);
        return secret;
    }

    private static byte[] RandomName(IRandomBytes random)
    {
        var name = new byte[8];
        random.Fill(name);
        return name;
    }

    private static void RefuseReadableByOthers(string path)
    {
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & ~OwnerOnly) != 0)
            throw new RootKeyException("The root key file can be read by others; its mode must be 0600.");
    }
}
