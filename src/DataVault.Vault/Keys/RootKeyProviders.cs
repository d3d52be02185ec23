using System.Security.Cryptography;
using DataVault.Cryptography;

namespace DataVault.Vault.Keys;

/// <summary>
/// The root key in use and, while a rotation takes its wraps off, the one before. Opened at first use, so that no device is asked before the host stands.
/// </summary>
internal sealed class RootKeyProviders(VaultOptions options, IRandomBytes random) : IDisposable
{
    private readonly Lazy<IRootKeyProvider> current = new(() => Open(options.RootKey, options, random));
    private readonly Lazy<IRootKeyProvider?> previous = new(() => options.PreviousRootKey is { } source ? Open(source, options, random) : null);

    public IRootKeyProvider Current => current.Value;

    public IRootKeyProvider? Previous => previous.Value;

    /// <summary>Unwraps by whichever provider wrapped.</summary>
    /// <param name="wrappedBy"><see cref="IRootKeyProvider.Name"/> as it was stored beside the value; null for a value from before names were stored.</param>
    /// <exception cref="VaultStartException">No provider here wrapped it, the provider does not answer, or the value is damaged.</exception>
    public SecretBytes Unwrap(ReadOnlySpan<byte> wrapped, ReadOnlySpan<byte> context, string? wrappedBy)
    {
        var provider = Named(wrappedBy);
        try
        {
            return provider.Unwrap(wrapped, context);
        }
        catch (CryptographicException)
        {
            throw new VaultStartException("The root key does not open the vault key: the keys database belongs to another root key.");
        }
        catch (RootKeyException e)
        {
            throw new VaultStartException(e.Message);
        }
    }

    public void Dispose()
    {
        if (current.IsValueCreated) current.Value.Dispose();
        if (previous.IsValueCreated) previous.Value?.Dispose();
    }

    private IRootKeyProvider Named(string? wrappedBy)
    {
        if (wrappedBy is null || wrappedBy == Current.Name) return Current;
        if (wrappedBy == Previous?.Name) return Previous;
        throw new VaultStartException(
            $"The vault key is wrapped by the root key {wrappedBy}, and the configured one is {Current.Name}. Set Vault__RootKey to the former, or name it as Vault__RootKey__Previous and rotate.");
    }

    private static IRootKeyProvider Open(RootKeySource source, VaultOptions options, IRandomBytes random)
    {
        try
        {
            return source switch
            {
                RootKeySource.SealedFile file => LocalRootKey.Open(file.Path ?? Path.Combine(options.Home, "root.key"), file.Passphrase, options.Development, random),
                RootKeySource.Shares shares => RootKeyShares.Open(shares.Folder, random),
                RootKeySource.AwsKms kms => OpenKms(kms, options.Development),
                RootKeySource.Pkcs11 token => Pkcs11RootKey.Open(new TokenKey(token.Module, token.Token, token.Key), token.Pin, random),
                _ => throw new VaultStartException("This kind of root key is not known."),
            };
        }
        catch (RootKeyException e)
        {
            throw new VaultStartException(e.Message);
        }
    }

    // What is wrapped travels to the service and back as it is.
    private static AwsKmsRootKey OpenKms(RootKeySource.AwsKms source, bool development) =>
        development || source.Endpoint is null || source.Endpoint.Scheme == Uri.UriSchemeHttps
            ? AwsKmsRootKey.Open(source)
            : throw new RootKeyException("Outside Development the endpoint of AWS KMS is https://.");
}
