using System.Security.Cryptography;
using System.Text;
using DataVault.Cryptography;
using DataVault.Transparency;

namespace DataVault.Cli.Witnessing;

/// <summary>
/// The folder of a witness, which no vault shares:
/// <code>
/// witness.key     name and private key, for the owner alone          witness.vkey    the line by which others know the witness
/// logs/*.vkey     keys of the logs that it knows                     seen/           the newest tree of each, by the hash of its origin
/// witness.lock    held by the one process that answers
/// </code>
/// </summary>
internal sealed class WitnessFolder : IWitnessMemory, IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const string KeyFile = "witness.key";

    private readonly string _folder;
    private readonly FileStream _lock;

    private WitnessFolder(string folder, FileStream held) => (_folder, _lock) = (folder, held);

    /// <summary>Makes a witness. Its verifier key is the answer.</summary>
    /// <exception cref="UsageException">The name cannot be one, or there is a witness already.</exception>
    public static string Create(string folder, string name, IRandomBytes random)
    {
        if (File.Exists(Path.Combine(folder, KeyFile))) throw new UsageException($"{folder} holds a witness already.");
        if (name.Length == 0 || name.Any(c => c is '+' or ' ' || char.IsWhiteSpace(c) || char.IsControl(c))) throw new UsageException("A witness's name has neither blanks nor '+'.");
        Directory.CreateDirectory(Path.Combine(folder, "logs"));
        Directory.CreateDirectory(Path.Combine(folder, "seen"));
        var seed = new byte[32];
        random.Fill(seed);
        using var key = new CosignatureKey(name, seed);
        Write(Path.Combine(folder, KeyFile), $"{name}\n{Convert.ToBase64String(seed)}\n");
        CryptographicOperations.ZeroMemory(seed);
        File.WriteAllText(Path.Combine(folder, "witness.vkey"), key.VerifierKey + "\n");
        return key.VerifierKey;
    }

    /// <exception cref="UsageException">There is no witness, or another process answers for it.</exception>
    public static WitnessFolder Open(string folder)
    {
        if (!File.Exists(Path.Combine(folder, KeyFile))) throw new UsageException($"{folder} holds no witness: make one with 'datavault witness keygen'.");
        try
        {
            return new WitnessFolder(folder, new FileStream(Path.Combine(folder, "witness.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (IOException)
        {
            throw new UsageException($"Another process answers for the witness in {folder}.");
        }
    }

    public CosignatureKey Key()
    {
        var lines = File.ReadAllLines(Path.Combine(_folder, KeyFile));
        var seed = Convert.FromBase64String(lines[1]);
        try
        {
            return new CosignatureKey(lines[0], seed);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(seed);
        }
    }

    /// <exception cref="UsageException">There is none, or a file is not a verifier key.</exception>
    public IReadOnlyList<NoteVerifier> Logs()
    {
        var logs = Directory.EnumerateFiles(Path.Combine(_folder, "logs"), "*.vkey").Order(StringComparer.Ordinal).Select(file =>
            NoteVerifier.TryParseFile(File.ReadAllText(file), out var log) ? log! : throw new UsageException($"{file} holds no verifier key of a log.")).ToList();
        return logs.Count > 0 ? logs : throw new UsageException($"The witness knows no log: put its log.vkey into {Path.Combine(_folder, "logs")}.");
    }

    public Checkpoint? Latest(string origin)
    {
        var file = PathOf(origin);
        if (!File.Exists(file)) return null;
        return Checkpoint.TryParse(File.ReadAllText(file), out var tree) && tree!.Origin == origin ? tree : throw new InvalidDataException($"{file} is damaged: the witness does not answer for this log.");
    }

    public void Keep(Checkpoint tree) => Write(PathOf(tree.Origin), tree.ToText());

    public void Dispose() => _lock.Dispose();

    // An origin may hold characters that a file's name may not.
    private string PathOf(string origin) => Path.Combine(_folder, "seen", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(origin))[..16]));

    // Beside, flushed, renamed, and the folder flushed: after a power cut the tree is the old one or the new one.
    private static void Write(string path, string text)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = OwnerOnly;
        using (var file = new FileStream(path + ".new", options))
        {
            file.Write(Encoding.UTF8.GetBytes(text));
            file.Flush(flushToDisk: true);
        }
        DurableRename.Move(path + ".new", path, overwrite: true);
    }
}
