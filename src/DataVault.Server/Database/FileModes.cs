namespace DataVault.Server.Database;

/// <summary>Folders and files with Unix modes; Windows keeps to the inherited access lists.</summary>
internal static class FileModes
{
    /// <summary>Others may pass through, never list or read.</summary>
    public const UnixFileMode Passable =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    public const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    public const UnixFileMode SecretFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public const UnixFileMode PublicFile = SecretFile | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    public static void MakeFolder(string folder, UnixFileMode mode)
    {
        Directory.CreateDirectory(folder);
        Set(folder, mode);
    }

    public static void Set(string path, UnixFileMode mode)
    {
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, mode);
    }

    /// <summary>Writes a file that never existed with wider access, and replaces the old one in one step.</summary>
    public static void WriteSecret(string path, string text)
    {
        var unfinished = path + ".new";
        File.Delete(unfinished);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = SecretFile;
        using (var writer = new StreamWriter(unfinished, options))
            writer.Write(text);
        File.Move(unfinished, path, overwrite: true);
    }
}
