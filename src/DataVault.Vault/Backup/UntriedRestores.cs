using DataVault.Cryptography;

namespace DataVault.Vault;

/// <summary>
/// Which databases were restored since the vault last started. Until it has, what stood there before the restore is the newest that is known to be good, and no
/// second restore may put the first one in its place.
/// </summary>
public sealed class UntriedRestores
{
    private readonly string home;

    /// <param name="home">The vault's home folder.</param>
    public UntriedRestores(string home) => this.home = home;

    /// <summary>True from a restore on until the vault has started.</summary>
    public bool Has(BackupPart part) => File.Exists(PathOf(part));

    /// <summary>Durable when it returns; noted before the restored database takes its name.</summary>
    public void Note(BackupPart part) => DurableFile.Replace(PathOf(part), "datavault restore untried 1\n"u8.ToArray(), new SystemRandomBytes());

    internal void Tried()
    {
        foreach (var part in Enum.GetValues<BackupPart>()) File.Delete(PathOf(part));
    }

    private string PathOf(BackupPart part) => Path.Combine(home, "restore.untried-" + BackupFacts.NameOf(part));
}
