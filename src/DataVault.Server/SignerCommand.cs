using DataVault.Server.Database;
using DataVault.Transparency;
using DataVault.Vault;

namespace DataVault.Server;

/// <summary>The operator's command <c>signer …</c>, and what it says.</summary>
internal sealed class SignerCommand(SignerCare care)
{
    /// <exception cref="StartupException">The words are not a command, or the file is no checkpoint.</exception>
    /// <exception cref="VaultException">It is not to be done as things are.</exception>
    public async Task<string> RunAsync(IReadOnlyList<string> words, CancellationToken stop) => words switch
    {
        ["keys"] => care.Keys.ToString().TrimEnd('\n'),
        ["rotate"] => $"A new key signs beside the old one from {(await care.RotateAsync(stop)).From} entries on. Give log.vkey to all who verify, then run: signer retire.",
        ["retire"] => $"The old key signed its last at {(await care.RetireAsync(stop)).Until} entries and is destroyed.",
        ["adopt", var file] => Adopted(await care.AdoptAsync(await ReadAsync(file, stop), stop)),
        _ => throw new StartupException("Commands: signer keys; signer rotate; signer retire; signer adopt FILE (the newest checkpoint that an auditor or a witness holds)."),
    };

    private static string Adopted(SignedTree tree) => $"The signer goes on from {tree.Size} entries with root {tree.Root64}.";

    // With its signatures or without: what is believed of it is what the log's own entries lead to.
    private static async Task<Checkpoint> ReadAsync(string file, CancellationToken stop)
    {
        if (!File.Exists(file)) throw new StartupException($"{file}: there is no such file.");
        var text = await File.ReadAllTextAsync(file, stop);
        if (SignedNote.TryParse(text, out var note)) text = note!.Text;
        return Checkpoint.TryParse(text, out var checkpoint) ? checkpoint! : throw new StartupException($"{file} is not a checkpoint (origin, size, root).");
    }
}
