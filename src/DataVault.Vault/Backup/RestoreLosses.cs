using System.Globalization;
using System.Text;
using DataVault.Cryptography;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// What an operator gave up: people whose keys are in no backup. In the home folder, as the number of lines that the journal had: what comes later is not given up.
/// </summary>
public sealed class RestoreLosses
{
    private readonly string home;
    private readonly string path;

    /// <param name="home">The vault's home folder.</param>
    public RestoreLosses(string home) => (this.home, path) = (home, Path.Combine(home, "restore.losses"));

    internal int AcceptedLines => File.Exists(path) && int.TryParse(File.ReadAllText(path), NumberStyles.None, CultureInfo.InvariantCulture, out var lines) ? lines : 0;

    /// <summary>Durable when it returns.</summary>
    public void Accept() => DurableFile.Replace(path, Encoding.ASCII.GetBytes(TombstoneJournal.LinesIn(home).ToString(CultureInfo.InvariantCulture)), new SystemRandomBytes());

    /// <summary>Why the two databases do not fit each other, for a restore that has not taken effect yet; null when they do.</summary>
    /// <exception cref="VaultStartException">The journal is damaged, or of another vault.</exception>
    public async Task<string?> RefusalAsync(NpgsqlConnection vault, NpgsqlConnection keys, CancellationToken ct = default)
    {
        using var journal = new TombstoneJournal(home);
        if (!Guid.TryParse(File.ReadAllText(Path.Combine(home, "vault-id")), out var vaultId)) throw new VaultStartException("The file vault-id of the home folder is damaged.");
        await journal.CatchUpAsync(vaultId, ct);
        return await new RestoreFit(journal, this).RefusalAsync(vault, keys, ct);
    }
}
