using System.Globalization;
using System.Security.Cryptography;
using DataVault.Cryptography;

namespace DataVault.Vault.Keys;

/// <summary>
/// The half of each epoch root that no database and no backup of one holds: 32 random bytes in a file of its own under the vault's home, mode 0600.
/// Without it the epoch's row in the keys database opens for nobody, so removing the file ends every older copy of that database.
/// </summary>
internal sealed class EpochSlots(string home, IRandomBytes random)
{
    private readonly string folder = Path.Combine(home, "epochs");

    public bool Exists(int epoch) => File.Exists(PathOf(epoch));

    /// <summary>Reads the slot, making it first when there is none; of two processes that make it at once both get the same.</summary>
    public SecretBytes OpenOrCreate(int epoch)
    {
        if (!Exists(epoch))
        {
            using var fresh = SecretBytes.Random(KeyDerivation.KeySize, random);
            DurableFile.CreateOnce(PathOf(epoch), fresh.Span, random);
        }

        return Open(epoch);
    }

    public SecretBytes Open(int epoch)
    {
        using var file = File.OpenRead(PathOf(epoch));
        if (file.Length != KeyDerivation.KeySize) throw new CryptographicException($"The slot of key epoch {epoch} is damaged.");
        var secret = new SecretBytes(KeyDerivation.KeySize);
        file.ReadExactly(secret.Span);
        return secret;
    }

    // Overwriting first helps on a plain disk; on flash only the file system's own encryption can promise more (docs/formats/keys.md).
    public void Destroy(int epoch)
    {
        if (!Exists(epoch)) return;
        try
        {
            using var file = new FileStream(PathOf(epoch), FileMode.Open, FileAccess.Write);
            file.Write(new byte[KeyDerivation.KeySize]);
            file.Flush(flushToDisk: true);
        }
        catch (FileNotFoundException)
        {
            // Another process of this vault was quicker.
            return;
        }

        File.Delete(PathOf(epoch));
    }

    private string PathOf(int epoch) => Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{epoch}.slot"));
}
