using System.Runtime.InteropServices;

namespace DataVault.Transparency;

/// <summary>Renames a file so that the new name survives a power cut: a name is the folder's content, and the folder must be flushed like a file.</summary>
public static partial class DurableRename
{
    /// <summary>Moves a file, whose content was flushed, to its place in the same folder.</summary>
    /// <exception cref="IOException">It could not be moved, the place is taken, or the folder could not be flushed.</exception>
    public static void Move(string from, string to, bool overwrite)
    {
        File.Move(from, to, overwrite);
        FlushFolder(Path.GetDirectoryName(Path.GetFullPath(to))!);
    }

    /// <summary>Flushes the names in a folder: files that came, went or were renamed.</summary>
    /// <exception cref="IOException">It could not be flushed.</exception>
    public static void FlushFolder(string folder)
    {
        // Windows keeps names in a journal of its own and offers nothing to flush.
        if (OperatingSystem.IsWindows())
            return;
        using var handle = new Microsoft.Win32.SafeHandles.SafeFileHandle(Open(folder, 0), ownsHandle: true);
        if (handle.IsInvalid)
            throw new IOException("A folder could not be opened to be flushed.");
        RandomAccess.FlushToDisk(handle);
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Open(string path, int readOnly);
}
