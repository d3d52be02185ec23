namespace DataVault.Testing;

/// <summary>
/// Where clusters and homes of tests lie: in memory where the machine keeps such a folder and has room, since thousands of files come and go with them, and elsewhere
/// in the temporary folder. A process that dies loses nothing in either; a machine that dies is not what tests are about.
/// </summary>
public static class ScratchFolder
{
    private const string Memory = "/dev/shm";
    private const long Room = 4L << 30;
    private static readonly Lazy<string> Chosen = new(() => !OnDisk && HasMemory() ? Memory : Path.GetTempPath());

    // Whoever starts a run may give it a name, by which its folders are found.
    private static readonly string Run = Environment.GetEnvironmentVariable("DATAVAULT_RUN") is { Length: > 0 } name ? name + "-" : "";

    /// <summary>For whoever measures, set before the first use: what is measured is a disk.</summary>
    public static bool OnDisk { get; set; }

    /// <summary>A path in it that nobody else has, and that does not exist.</summary>
    public static string NewPath(string prefix) => Path.Combine(Chosen.Value, prefix + Run + Guid.NewGuid().ToString("N")[..12]);

    // A container may have much less than the machine below it.
    private static bool HasMemory() =>
        Directory.Exists(Memory) && new DriveInfo(Memory) is { DriveFormat: "tmpfs", AvailableFreeSpace: >= Room } && GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >= 2 * Room;
}
