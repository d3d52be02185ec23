using System.Globalization;
using System.Text;
using DataVault.Cryptography;

namespace DataVault.Vault;

/// <summary>
/// What an operator left in the home folder for the next start: that the vault database, with a log of this size and root, was restored on purpose. Whoever can
/// write to a database alone cannot leave it. Used up by the start that declares the restore, so that it excuses no second one.
/// </summary>
public sealed class RestoreOrder
{
    private const string Title = "datavault restore 1";
    private readonly string path;

    /// <param name="home">The vault's home folder.</param>
    public RestoreOrder(string home) => path = Path.Combine(home, "restore.order");

    /// <summary>Durable when it returns; given before the restored database takes its name.</summary>
    /// <param name="restored">What the backup says of itself.</param>
    public void Give(BackupFacts restored)
    {
        ArgumentNullException.ThrowIfNull(restored);
        Give(restored.LogSize, restored.LogRoot);
    }

    internal void Give(long size, string root64) =>
        DurableFile.Replace(path, Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Title}\n{size}\n{root64}\n")), new SystemRandomBytes());

    internal bool IsFor(long size, ReadOnlySpan<byte> root) =>
        File.Exists(path) && File.ReadAllText(path) == string.Create(CultureInfo.InvariantCulture, $"{Title}\n{size}\n{Convert.ToBase64String(root)}\n");

    internal void UseUp() => File.Delete(path);
}
