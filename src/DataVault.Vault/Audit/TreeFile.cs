using System.Globalization;
using System.Text;
using DataVault.Cryptography;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>
/// A tree that somebody must not forget, in a small file outside the databases: five lines, being the title, the log's origin, the size, the frontier
/// and the root (both base64; the root so that damage shows).
/// </summary>
internal sealed class TreeFile(string path, string title, string origin)
{
    public string Path => path;

    /// <summary>The last tree that was signed.</summary>
    public static TreeFile OfSigner(VaultOptions options) =>
        new(System.IO.Path.Combine(options.Home, "log-signer.memory"), "datavault signer 1", options.Origin);

    /// <summary>Null when there is no file.</summary>
    /// <exception cref="VaultStartException">The file is of another log, or damaged.</exception>
    public CompactRange? Read()
    {
        if (!File.Exists(path)) return null;
        if (File.ReadAllLines(path) is not [var first, var log, var size, var frontier, var root] || first != title || log != origin)
            throw new VaultStartException($"The file {System.IO.Path.GetFileName(path)} is not of this log.");
        try
        {
            var tree = CompactRange.Parse(long.Parse(size, CultureInfo.InvariantCulture), Convert.FromBase64String(frontier));
            if (Convert.ToBase64String(tree.Root()) == root) return tree;
        }
        catch (FormatException)
        {
            throw new VaultStartException(Damaged);
        }

        throw new VaultStartException(Damaged);
    }

    /// <summary>On disk when it returns.</summary>
    public void Write(CompactRange tree, IRandomBytes random)
    {
        var text = string.Create(
            CultureInfo.InvariantCulture,
            $"{title}\n{origin}\n{tree.Size}\n{Convert.ToBase64String(tree.ToBytes())}\n{Convert.ToBase64String(tree.Root())}\n");
        DurableFile.Replace(path, Encoding.ASCII.GetBytes(text), random);
    }

    private string Damaged => $"The file {System.IO.Path.GetFileName(path)} is damaged.";
}
