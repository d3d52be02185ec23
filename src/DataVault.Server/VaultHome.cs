using System.Globalization;
using DataVault.Server.Database;

namespace DataVault.Server;

/// <summary>The folder of one vault: held by one server alone where the server runs the database too, shared by all of them where it does not.</summary>
internal sealed class VaultHome : IDisposable
{
    private readonly FileStream _lock;

    private VaultHome(string folder, FileStream held)
    {
        Folder = folder;
        _lock = held;
    }

    public string Folder { get; }

    public string FirstRunFile => Path.Combine(Folder, "first-run.json");

    /// <summary>For a server that runs its own database in the folder.</summary>
    /// <exception cref="StartupException">Another server holds the folder, or it cannot be written.</exception>
    public static VaultHome Claim(string folder) => Open(folder, FileAccess.ReadWrite, FileShare.None);

    /// <summary>For one of several servers on outside databases.</summary>
    /// <exception cref="StartupException">A server holds the folder for itself, or it cannot be written.</exception>
    public static VaultHome Join(string folder) => Open(folder, FileAccess.Read, FileShare.Read);

    private static VaultHome Open(string folder, FileAccess access, FileShare share)
    {
        folder = Path.GetFullPath(folder);
        var file = Path.Combine(folder, "server.lock");
        try
        {
            FileModes.MakeFolder(folder, FileModes.Passable);
            // The kernel drops this lock when the process ends, however it ends.
            var held = new FileStream(file, FileMode.OpenOrCreate, access, share);
            File.WriteAllText(HolderFile(folder), Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
            return new VaultHome(folder, held);
        }
        catch (UnauthorizedAccessException)
        {
            throw new StartupException($"The vault's folder {folder} cannot be written by this account: choose another with Vault__Home.");
        }
        catch (IOException) when (File.Exists(file))
        {
            throw new StartupException($"Another DataVault server is running on {folder}{HolderOf(folder)}: stop it, or give this one its own folder with Vault__Home.");
        }
    }

    public void Dispose() => _lock.Dispose();

    private static string HolderFile(string folder) => Path.Combine(folder, "server.pid");

    private static string HolderOf(string folder) =>
        File.Exists(HolderFile(folder)) ? $" (process {File.ReadAllText(HolderFile(folder))})" : "";
}
