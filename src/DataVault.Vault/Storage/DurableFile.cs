using DataVault.Cryptography;

namespace DataVault.Vault;

/// <summary>Small files that must be there, whole, after a power cut: written beside, flushed, then renamed. Mode 0600.</summary>
internal static class DurableFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode OwnerFolder = OwnerOnly | UnixFileMode.UserExecute;

    public static void Replace(string path, ReadOnlySpan<byte> content, IRandomBytes random)
    {
        var draft = Write(path, content, random);
        File.Move(draft, path, overwrite: true);
    }

    /// <summary>Leaves a file that is already there as it is.</summary>
    public static void CreateOnce(string path, ReadOnlySpan<byte> content, IRandomBytes random)
    {
        var draft = Write(path, content, random);
        try
        {
            File.Move(draft, path, overwrite: false);
        }
        catch (IOException) when (File.Exists(path))
        {
            File.Delete(draft);
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
        using var file = new FileStream(draft, options);
        file.Write(content);
        file.Flush(flushToDisk: true);
        return draft;
    }
}
