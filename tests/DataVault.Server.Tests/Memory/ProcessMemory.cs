using System.Globalization;
using System.Text;

namespace DataVault.Server.Tests.Memory;

/// <summary>Looks through the memory of another process for numbered texts, as a dump of it would show them.</summary>
internal static class ProcessMemory
{
    private const int Digits = 6;
    private const int Chunk = 4 << 20;

    /// <summary>Linux shows a process to its own account and to root, unless the machine forbids it.</summary>
    public static bool IsReadable(int process)
    {
        try
        {
            using var memory = Open(process);
            return Areas(process).Any();
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            return false;
        }
    }

    /// <summary>A text that can be found: the marker and a number.</summary>
    public static string Planted(string marker, int number) => marker + number.ToString("D" + Digits, CultureInfo.InvariantCulture);

    /// <summary>The numbers that stand behind the marker anywhere, in UTF-8 and in UTF-16.</summary>
    public static (HashSet<int> Utf8, HashSet<int> Utf16) Find(int process, string marker)
    {
        var (utf8, utf16) = (new HashSet<int>(), new HashSet<int>());
        var buffer = new byte[Chunk];
        using var memory = Open(process);
        foreach (var (from, to) in Areas(process))
        {
            // Chunks overlap, so that nothing is missed between two.
            for (var at = from; at < to; at += Chunk - 256)
            {
                var bytes = buffer.AsSpan(0, Read(memory, buffer.AsSpan(0, (int)Math.Min(Chunk, to - at)), at));
                Collect(bytes, Encoding.UTF8, marker, utf8);
                Collect(bytes, Encoding.Unicode, marker, utf16);
            }
        }
        return (utf8, utf16);
    }

    private static void Collect(ReadOnlySpan<byte> bytes, Encoding encoding, string marker, HashSet<int> found)
    {
        var needle = encoding.GetBytes(marker);
        var number = encoding.GetByteCount("0") * Digits;
        while (bytes.IndexOf(needle) is var at and >= 0)
        {
            bytes = bytes[(at + needle.Length)..];
            if (bytes.Length >= number && int.TryParse(encoding.GetString(bytes[..number]), NumberStyles.None, CultureInfo.InvariantCulture, out var value))
                found.Add(value);
        }
    }

    private static Microsoft.Win32.SafeHandles.SafeFileHandle Open(int process) => File.OpenHandle($"/proc/{process}/mem");

    // An area may be gone by now, or have holes that cannot be read.
    private static int Read(Microsoft.Win32.SafeHandles.SafeFileHandle memory, Span<byte> buffer, long at)
    {
        try
        {
            return RandomAccess.Read(memory, buffer, at);
        }
        catch (IOException)
        {
            return 0;
        }
    }

    // SPEC proc_pid_maps(5): address-address perms offset device inode path. What is written to, and by the process alone.
    private static IEnumerable<(long From, long To)> Areas(int process)
    {
        foreach (var line in File.ReadLines($"/proc/{process}/maps"))
        {
            var parts = line.Split(' ', 3);
            if (!parts[1].StartsWith("rw", StringComparison.Ordinal)) continue;
            var range = parts[0].Split('-');
            yield return (long.Parse(range[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture), long.Parse(range[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture));
        }
    }
}
