using DataVault.Cryptography;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>Small files that must be there, whole, after a power cut: written beside, flushed, then renamed, and the folder flushed. Mode 0600.</summary>
internal static class DurableFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);
    private const UnixFileMode OwnerFolder = OwnerOnly | UnixFileMode.UserExecute;

    public static void Replace(string path, ReadOnlySpan<byte> content, IRandomBytes random)
    {
        var draft = Write(path, content, random);
        DurableRename.Move(draft, path, overwrite: true);
    }

    /// <summary>Leaves a file that is already there as it is.</summary>
    public static void CreateOnce(string path, ReadOnlySpan<byte> content, IRandomBytes random)
    {
        var draft = Write(path, content, random);
        try
        {
            DurableRename.Move(draft, path, overwrite: false);
        }
        catch (IOException) when (File.Exists(path))
        {
            File.Delete(draft);
        }
    }

    /// <summary>Opens a file, made if absent, for this caller alone, among all processes; waits a while for whoever has it.</summary>
    /// <exception cref="IOException">Somebody keeps it, or it cannot be opened.</exception>
    public static async Task<FileStream> TakeAsync(string path, CancellationToken ct)
    {
        EnsureFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
        for (var waited = TimeSpan.Zero; ; waited += Pause)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (waited < Patience)
            {
                await Task.Delay(Pause, ct);
            }
        }
    }

    public static void EnsureFolder(string folder)
    {
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(folder);
        else Directory.CreateDirectory(folder, OwnerFolder);
    }

    private static string Write(string path, ReadOnlySpan<byte> content, IRandomBytes random)
    {
        EnsureFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
        Span<byte> name = stackalloc byte[8];
        random.Fill(name);
        var draft = $"{path}.{Convert.ToHexStringLower(name)}";
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = OwnerOnly;
        try
        {
            using var file = new FileStream(draft, options);
            file.Write(content);
            file.Flush(flushToDisk: true);
            return draft;
        }
        catch (IOException)
        {
            // On a full disk what was written so far would take the room of the next try.
            File.Delete(draft);
            throw;
        }
    }
}
