using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace DataVault.Cryptography;

/// <summary>
/// A root key in a file, mode 0600. Two kinds, told apart by the first line:
/// <code>
/// datavault root key 1 passphrase          datavault root key 1 development
/// pbkdf2-sha512 {iterations} {salt base64} {key base64}
/// {sealed key base64}
/// </code>
/// The first is sealed under PBKDF2-HMAC-SHA-512 of a passphrase; the second lies open and is accepted in Development only.
/// </summary>
public static class RootKeyFile
{
    public const int Iterations = 600_000;

    /// <summary>Shortest passphrase outside Development.</summary>
    public const int ShortestPassphrase = 20;

    private const string PassphraseKind = "datavault root key 1 passphrase";
    private const string DevelopmentKind = "datavault root key 1 development";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <exception cref="RootKeyException">No such key, another kind than expected, or the passphrase does not open it.</exception>
    public static SecretBytes Read(string path, string? passphrase, bool development)
    {
        if (!File.Exists(path)) throw new RootKeyException("There is no root key file at the path given.");
        RefuseReadableByOthers(path);
        return File.ReadAllLines(path) switch
        {
            [PassphraseKind, var parameters, var value] when passphrase is not null => Unseal(parameters, value, passphrase),
            [PassphraseKind, _, _] => throw new RootKeyException("The root key file is sealed by a passphrase and none was given."),
            [DevelopmentKind, var value] when development && passphrase is null => Secret(Base64(value)),
            [DevelopmentKind, _] => throw new RootKeyException("The root key file is an open development key; it is refused here."),
            _ => throw new RootKeyException("The root key file is not one."),
        };
    }

    /// <summary>A fresh key, unless the file came into being meanwhile.</summary>
    public static void CreateOnce(string path, string? passphrase, IRandomBytes random)
    {
        using var fresh = SecretBytes.Random(KeyDerivation.KeySize, random);
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        var draft = Draft(path, Content(fresh, passphrase, random), random);
        if (!TryPutInPlace(draft, path)) File.Delete(draft);
    }

    /// <summary>Seals a key into a new file.</summary>
    /// <exception cref="RootKeyException">There is a file already: a root key is never overwritten.</exception>
    public static void Create(string path, SecretBytes key, string passphrase, IRandomBytes random)
    {
        if (File.Exists(path)) throw Exists();
        var draft = Draft(path, Content(key, passphrase, random), random);
        if (TryPutInPlace(draft, path)) return;
        File.Delete(draft);
        throw Exists();
    }

    /// <summary>The same key under another passphrase. The file is replaced as a whole, or not at all.</summary>
    public static void ChangePassphrase(string path, string from, string to, IRandomBytes random)
    {
        using var key = Read(path, from, development: false);
        File.Move(Draft(path, Content(key, to, random), random), path, overwrite: true);
    }

    private static RootKeyException Exists() => new("There is a file at this path already; a root key is never overwritten.");

    private static string Draft(string path, string text, IRandomBytes random)
    {
        var draft = $"{path}.{RandomName(random)}";
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = OwnerOnly;
        using var file = new FileStream(draft, options);
        file.Write(Encoding.ASCII.GetBytes(text));
        file.Flush(flushToDisk: true);
        return draft;
    }

    // INVARIANT: an existing root key is never overwritten; of two processes that start at once, both use the file that came first.
    private static bool TryPutInPlace(string draft, string path)
    {
        try
        {
            File.Move(draft, path, overwrite: false);
            return true;
        }
        catch (IOException) when (File.Exists(path))
        {
            return false;
        }
    }

    private static string Content(SecretBytes key, string? passphrase, IRandomBytes random) => passphrase is null
        ? $"{DevelopmentKind}\n{Convert.ToBase64String(key.Span)}\n"
        : $"{PassphraseKind}\n{Sealed(key, passphrase, random)}\n";

    private static string Sealed(SecretBytes key, string passphrase, IRandomBytes random)
    {
        var salt = new byte[16];
        random.Fill(salt);
        using var wrapping = Stretch(passphrase, salt, Iterations);
        var value = SealedValue.Seal(wrapping.Span, 1, 0, key.Span, "root"u8, random);
        return $"pbkdf2-sha512 {Iterations} {Convert.ToBase64String(salt)}\n{Convert.ToBase64String(value)}";
    }

    private static SecretBytes Unseal(string parameters, string value, string passphrase)
    {
        if (parameters.Split(' ') is not ["pbkdf2-sha512", var count, var salt]
            || !int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var iterations) || iterations < Iterations)
            throw new RootKeyException("The root key file names a key stretching that is unknown or too weak.");
        using var wrapping = Stretch(passphrase, Base64(salt), iterations);
        try
        {
            return SealedValue.OpenSecret(wrapping.Span, Base64(value), "root"u8);
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

    private static byte[] Base64(string text)
    {
        try
        {
            return Convert.FromBase64String(text);
        }
        catch (FormatException)
        {
            throw new RootKeyException("The root key file is damaged.");
        }
    }

    private static SecretBytes Secret(byte[] bytes)
    {
        var secret = SecretBytes.CopyOf(bytes);
        CryptographicOperations.ZeroMemory(bytes);
        return secret;
    }

    private static string RandomName(IRandomBytes random)
    {
        Span<byte> name = stackalloc byte[8];
        random.Fill(name);
        return Convert.ToHexStringLower(name);
    }

    private static void RefuseReadableByOthers(string path)
    {
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & ~OwnerOnly) != 0)
            throw new RootKeyException("The root key file can be read by others; its mode must be 0600.");
    }
}
