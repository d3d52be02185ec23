using System.Globalization;
using DataVault.Transparency;

namespace DataVault.Verifier;

/// <summary>What the program ends with; scripts rely on these.</summary>
internal static class ExitCode
{
    public const int Sound = 0;
    public const int Wrong = 1;
    public const int Usage = 2;
    public const int Unreadable = 3;
}

/// <summary>The command was given wrongly; the message says how to mend it.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>What was given cannot be read, so that nothing was verified.</summary>
internal sealed class UnreadableException(string message) : Exception(message);

/// <summary>Where the verifier writes to, and the files that it holds open.</summary>
internal sealed class Desk(TextWriter output, TextWriter error, bool progress) : IDisposable
{
    private readonly List<IDisposable> _opened = [];

    public TextWriter Output => output;

    public TextWriter Error => error;

    /// <summary>Where a long replay tells how far it is; null when nobody watches.</summary>
    public IProgress<long>? Progress => progress ? new Counter(error) : null;

    public Stream Open(string file)
    {
        var stream = new FileStream(Given.Existing(file).FullName, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16);
        _opened.Add(stream);
        return stream;
    }

    public void Dispose() => _opened.ForEach(stream => stream.Dispose());

    private sealed class Counter(TextWriter error) : IProgress<long>
    {
        public void Report(long value) => error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{value:N0} entries"));
    }
}

/// <summary>What was given on the command line, read and understood.</summary>
internal static class Given
{
    public static NoteVerifier Key(string given)
    {
        var text = File.Exists(given) ? Text(given) : given;
        return NoteVerifier.TryParseFile(text, out var key) ? key! : throw new UsageException("--key is neither a verifier key (name+hash+base64), nor a file with one, with the list of a log's keys, or with a trust policy.");
    }

    public static ILogSource Log(string folder) =>
        Directory.Exists(folder) ? new TileDirectory(folder) : throw new UnreadableException($"{folder}: there is no such folder. A copy of a log has the files checkpoint and tile/….");

    public static SignedNote Note(string file) =>
        SignedNote.TryParse(Text(file), out var note) ? note! : throw new UnreadableException($"{file} is not a signed note.");

    public static string Text(string file) => Existing(file).Length <= 1 << 20 ? File.ReadAllText(file) : throw new UnreadableException($"{file} is too large to be what it should be.");

    public static FileInfo Existing(string file) => new FileInfo(file) is { Exists: true } found ? found : throw new UnreadableException($"{file}: there is no such file.");
}
