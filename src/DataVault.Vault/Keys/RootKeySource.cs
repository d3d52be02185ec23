namespace DataVault.Vault;

/// <summary>Where the root key is, as the composition root was told: one of the nested kinds. Classes, not records: a record would print its secrets.</summary>
public abstract class RootKeySource
{
    private RootKeySource()
    {
    }

    /// <summary>A file sealed by a passphrase; without one an open file, in Development only.</summary>
    public sealed class SealedFile : RootKeySource
    {
        /// <summary>Null: <c>root.key</c> in the home folder.</summary>
        public string? Path { get; init; }

        public string? Passphrase { get; init; }
    }

    /// <summary>SLIP-0039 recovery shares, a quorum of which is laid into a folder for the start.</summary>
    public sealed class Shares : RootKeySource
    {
        /// <summary>Each file in it is one share.</summary>
        public required string Folder { get; init; }
    }

    /// <summary>A symmetric key of the AWS Key Management Service.</summary>
    public sealed class AwsKms : RootKeySource
    {
        /// <summary>Id, ARN or alias.</summary>
        public required string KeyId { get; init; }

        public required string Region { get; init; }

        /// <summary>Null: the service's own for the region.</summary>
        public Uri? Endpoint { get; init; }

        /// <summary>Null, like <see cref="SecretAccessKey"/>: where the SDK usually finds them (environment, web identity, profile, instance role).</summary>
        public string? AccessKeyId { get; init; }

        public string? SecretAccessKey { get; init; }

        /// <summary>Longest time of one call.</summary>
        public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

        /// <summary>Calls after the first one that failed in a passing way.</summary>
        public int Retries { get; init; } = 4;
    }

    /// <summary>An AES key on a token that is reached through a PKCS#11 library.</summary>
    public sealed class Pkcs11 : RootKeySource
    {
        /// <summary>Path of the library.</summary>
        public required string Module { get; init; }

        public required string Token { get; init; }

        public required string Key { get; init; }

        public required string Pin { get; init; }
    }
}
