using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Amazon.KeyManagementService;
using Amazon.KeyManagementService.Model;
using Amazon.Runtime;
using DataVault.Cryptography;

namespace DataVault.Vault.Keys;

/// <summary>
/// A root key in the AWS Key Management Service, which it never leaves: <c>Encrypt</c> and <c>Decrypt</c> with the wrap's context as encryption context,
/// so that the service's own log says which vault's key was asked for. It stands in this assembly, not beside the other providers, because it needs a package.
/// <code>11 ‖ ciphertext blob of the service</code>
/// </summary>
internal sealed class AwsKmsRootKey : IRootKeyProvider
{
    /// <summary>First byte of what it wraps.</summary>
    public const byte Suite = 0x11;

    private const string Prefix = "datavault:";
    private readonly AmazonKeyManagementServiceClient service;
    private readonly string arn;

    private AwsKmsRootKey(AmazonKeyManagementServiceClient service, string arn) => (this.service, this.arn) = (service, arn);

    /// <summary>The key's own ARN, so that an alias which is pointed elsewhere is noticed.</summary>
    public string Name => "aws-kms/" + arn;

    /// <summary>Looks the key up and refuses one that cannot serve.</summary>
    public static AwsKmsRootKey Open(RootKeySource.AwsKms source)
    {
        var service = Connect(source);
        try
        {
            var key = Ask("kms:DescribeKey", () => service.DescribeKeyAsync(new DescribeKeyRequest { KeyId = source.KeyId })).KeyMetadata;
            if (key.KeyState != KeyState.Enabled) throw new RootKeyException($"The key {source.KeyId} of AWS KMS is not enabled: its state is {key.KeyState}.");
            if (key.KeySpec != KeySpec.SYMMETRIC_DEFAULT || key.KeyUsage != KeyUsageType.ENCRYPT_DECRYPT)
                throw new RootKeyException($"The key {source.KeyId} of AWS KMS must be symmetric and may encrypt and decrypt; it is {key.KeySpec} for {key.KeyUsage}.");
            return new AwsKmsRootKey(service, key.Arn);
        }
        catch
        {
            service.Dispose();
            throw;
        }
    }

    public byte[] Wrap(ReadOnlySpan<byte> key, ReadOnlySpan<byte> context)
    {
        var plaintext = key.ToArray();
        try
        {
            var request = new EncryptRequest { KeyId = arn, Plaintext = new MemoryStream(plaintext), EncryptionContext = Named(context) };
            return [Suite, .. Ask("kms:Encrypt", () => service.EncryptAsync(request)).CiphertextBlob.ToArray()];
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plaintext);
        }
    }

    public SecretBytes Unwrap(ReadOnlySpan<byte> wrapped, ReadOnlySpan<byte> context)
    {
        if (wrapped.IsEmpty || wrapped[0] != Suite) throw new CryptographicException("The value was not wrapped by AWS KMS.");
        // INVARIANT: the key is named, though the service could find it from the blob: a blob of another key is not opened.
        var request = new DecryptRequest { KeyId = arn, CiphertextBlob = new MemoryStream(wrapped[1..].ToArray()), EncryptionContext = Named(context) };
        var plaintext = Ask("kms:Decrypt", () => service.DecryptAsync(request)).Plaintext.ToArray();
        var secret = SecretBytes.CopyOf(plaintext);
        CryptographicOperations.ZeroMemory(plaintext);
        return secret;
    }

    public void Dispose() => service.Dispose();

    private static AmazonKeyManagementServiceClient Connect(RootKeySource.AwsKms source)
    {
        var settings = new AmazonKeyManagementServiceConfig
        {
            AuthenticationRegion = source.Region,
            Timeout = source.Timeout,
            MaxErrorRetry = source.Retries,
            RetryMode = RequestRetryMode.Standard,
        };
        if (source.Endpoint is { } endpoint) settings.ServiceURL = endpoint.AbsoluteUri;
        else settings.RegionEndpoint = Amazon.RegionEndpoint.GetBySystemName(source.Region);
        return source is { AccessKeyId: { } id, SecretAccessKey: { } secret }
            ? new AmazonKeyManagementServiceClient(new BasicAWSCredentials(id, secret), settings)
            : new AmazonKeyManagementServiceClient(settings);
    }

    // The service's contexts are texts by name: the label of the use, then each component in hexadecimal under its place.
    private static Dictionary<string, string> Named(ReadOnlySpan<byte> context) => AssociatedData.Read(context).Select((component, place) => (component, place)).ToDictionary(
        c => Prefix + (c.place == 0 ? "use" : c.place.ToString(CultureInfo.InvariantCulture)),
        c => c.place == 0 ? Encoding.ASCII.GetString(c.component) : Convert.ToHexStringLower(c.component));

    // The client has asynchronous calls only, and root keys are used where nothing else can go on: at start and in the worker of a rotation.
    private static T Ask<T>(string permission, Func<Task<T>> call)
    {
        try
        {
            return call().GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is InvalidCiphertextException or IncorrectKeyException)
        {
            throw new CryptographicException("The value does not open.");
        }
        catch (AmazonServiceException e) when (Refusal(e.ErrorCode, permission) is { } reason)
        {
            throw new RootKeyException(reason);
        }
        catch (Exception e) when (e is not CryptographicException)
        {
            // Whatever else the client throws is the way to the service: names, connections, time, missing credentials.
            throw new RootKeyException($"AWS KMS does not answer ({Kind(e)}): check Vault__RootKey__Region, __Endpoint, the network and the credentials.");
        }
    }

    private static string? Refusal(string? code, string permission) => code switch
    {
        "AccessDeniedException" => $"AWS KMS refuses: the credentials in use lack {permission} on the key.",
        "NotFoundException" => "AWS KMS has no such key in this region.",
        "DisabledException" or "KMSInvalidStateException" => "The key of AWS KMS is disabled or waits for its deletion.",
        "InvalidKeyUsageException" => "The key of AWS KMS is not for encryption.",
        "UnrecognizedClientException" or "InvalidSignatureException" or "InvalidClientTokenId" or "ExpiredTokenException" or "IncompleteSignature" or "MissingAuthenticationTokenException"
            => "AWS KMS does not accept the credentials in use.",
        _ => null,
    };

    private static string Kind(Exception e) => e is AmazonServiceException { ErrorCode: { Length: > 0 } code } ? code : e.GetType().Name;
}
