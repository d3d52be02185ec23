using System.Security.Cryptography;

namespace DataVault.Cryptography;

/// <summary>Keys for other parts of the server, derived from the vault key: 32 bytes per label, the same in every process and after every start.</summary>
public interface IServiceKeys
{
    /// <param name="label">Like <c>issuer/tokens</c>: the part's name, a slash, the use.</param>
    SecretBytes Derive(string label);
}

/// <summary>
/// Where the root key lives. It wraps and unwraps the vault keys and does nothing else; used at start and at rotation only, so a call may block on a device
/// or a network. Thread-safe.
/// </summary>
public interface IRootKeyProvider : IDisposable
{
    /// <summary>
    /// Which kind of provider and which key of it, such as <c>pkcs11/vault/root</c>: the same at every start, different for another key, and no secret.
    /// Stored beside what it wrapped, so that a wrong provider is told from a damaged value.
    /// </summary>
    string Name { get; }

    /// <param name="context">Components in the encoding of <see cref="AssociatedData"/>.</param>
    /// <exception cref="RootKeyException">The provider does not answer or refuses.</exception>
    byte[] Wrap(ReadOnlySpan<byte> key, ReadOnlySpan<byte> context);

    /// <exception cref="CryptographicException">Wrong root key, wrong context or changed bytes.</exception>
    /// <exception cref="RootKeyException">The provider does not answer or refuses.</exception>
    SecretBytes Unwrap(ReadOnlySpan<byte> wrapped, ReadOnlySpan<byte> context);
}

/// <summary>The root key cannot be used: what is wrong and what to do. No secret.</summary>
public sealed class RootKeyException(string message) : Exception(message);

/// <summary>
/// A root key that this process holds in memory, from a sealed file (<see cref="RootKeyFile"/>) or from recovery shares. Both give the same key and so the
/// same <see cref="Name"/>: going from one to the other is no rotation.
/// </summary>
public sealed class LocalRootKey : IRootKeyProvider
{
    private const int IdSize = 8;
    private readonly SecretBytes key;
    private readonly IRandomBytes random;

    /// <param name="key">32 bytes; owned from here on.</param>
    public LocalRootKey(SecretBytes key, IRandomBytes random)
    {
        if (key.Length != KeyDerivation.KeySize) throw new RootKeyException("A root key has 32 bytes.");
        (this.key, this.random) = (key, random);
        Name = NameOf(key);
    }

    public string Name { get; }

    /// <summary>The name that a key has, for telling one key from another without seeing either.</summary>
    public static string NameOf(SecretBytes key)
    {
        Span<byte> id = stackalloc byte[IdSize];
        KeyDerivation.Expand(key.Span, "root-key-id", default, id);
        return "local/" + Convert.ToHexStringLower(id);
    }

    /// <summary>Opens the key file, or makes it when there is none.</summary>
    /// <param name="passphrase">Null: an open development key; refused unless <paramref name="development"/>.</param>
    public static LocalRootKey Open(string path, string? passphrase, bool development, IRandomBytes random)
    {
        if (passphrase is null && !development)
            throw new RootKeyException("No passphrase for the root key was given, and an open key file is for Development only.");
        if (!File.Exists(path)) RootKeyFile.CreateOnce(path, passphrase, random);
        return new LocalRootKey(RootKeyFile.Read(path, passphrase, development), random);
    }

    public byte[] Wrap(ReadOnlySpan<byte> key, ReadOnlySpan<byte> context) => SealedValue.Seal(this.key.Span, 1, 0, key, context, random);

    public SecretBytes Unwrap(ReadOnlySpan<byte> wrapped, ReadOnlySpan<byte> context) => SealedValue.OpenSecret(key.Span, wrapped, context);

    public void Dispose() => key.Dispose();
}
