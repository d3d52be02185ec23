namespace DataVault.Cryptography;

/// <summary>
/// A root key that lies nowhere as a whole: a quorum of recovery shares, one a file, is laid into a folder of mode 0700 for the start, best on a file system
/// in memory, and taken away afterwards.
/// </summary>
public static class RootKeyShares
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const int LongestShare = 4096;

    /// <exception cref="RootKeyException">The shares do not suffice, or others can read them.</exception>
    public static LocalRootKey Open(string folder, IRandomBytes random)
    {
        if (!Directory.Exists(folder)) throw new RootKeyException("The folder of recovery shares is not there.");
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(folder) & ~OwnerOnly) != 0)
            throw new RootKeyException("The folder of recovery shares can be read by others; its mode must be 0700.");
        using var shares = new RecoveryShares();
        foreach (var file in Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal)) Add(shares, file);
        try
        {
            return new LocalRootKey(shares.Combine(), random);
        }
        catch (RecoveryShareException e)
        {
            throw new RootKeyException(e.Message);
        }
    }

    private static void Add(RecoveryShares shares, string file)
    {
        if (new FileInfo(file).Length > LongestShare) throw new RootKeyException($"{Path.GetFileName(file)} is no recovery share.");
        try
        {
            shares.Add(File.ReadAllText(file));
        }
        catch (RecoveryShareException e)
        {
            throw new RootKeyException($"{Path.GetFileName(file)}: {e.Message}");
        }
    }
}
