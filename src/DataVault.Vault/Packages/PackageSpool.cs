using System.Text;
using DataVault.Cryptography;

namespace DataVault.Vault;

/// <summary>
/// What becomes a later file of the same zip while an earlier one is still being written: beside the draft of the package, sealed under a key that
/// only this process ever holds. So that every file of a package tells of the same reading, which happens once.
/// </summary>
internal sealed class PackageSpool(PackageFolder folder, Guid request, IRandomBytes random) : IDisposable
{
    private readonly List<IDisposable> begun = [];

    /// <summary>A file that is written now, and read once later.</summary>
    public SpooledFile Begin()
    {
        var file = new SpooledFile(folder.PathOfPart(request), request, random);
        begun.Add(file);
        return file;
    }

    public void Dispose() => begun.ForEach(file => file.Dispose());
}

/// <summary>A sealed file between its writing and its one reading.</summary>
internal sealed class SpooledFile : IDisposable
{
    private readonly string path;
    private readonly Guid request;
    private readonly SecretBytes key;

    public SpooledFile(string path, Guid request, IRandomBytes random)
    {
        (this.path, this.request) = (path, request);
        key = SecretBytes.Random(KeyDerivation.KeySize, random);
        Writing = PackageFile.Create(path, SecretBytes.CopyOf(key.Span), request, random);
    }

    public Stream Writing { get; }

    /// <summary>Ends the writing and copies everything to where it belongs; the file is gone afterwards.</summary>
    public void CopyTo(Stream destination)
    {
        Writing.Dispose();
        using var reading = PackageFile.OpenOnce(path, SecretBytes.CopyOf(key.Span), request);
        reading.CopyTo(destination);
    }

    public void Dispose()
    {
        Writing.Dispose();
        File.Delete(path);
        key.Dispose();
    }
}

/// <summary>A table that may grow beyond what a spreadsheet opens: from a limit on it goes on in a further file, with its headings again.</summary>
internal sealed class SpooledTable(PackageSpool spool, IReadOnlyList<string> headings, long limit) : IDisposable
{
    private readonly List<SpooledFile> files = [];
    private SafeCsv? table;
    private long octets;

    public long Rows { get; private set; }

    public void Row(params IReadOnlyList<string> cells)
    {
        if (table is null || octets > limit) Begin();
        table!.Row(cells);
        Rows++;
        foreach (var cell in cells) octets += Encoding.UTF8.GetByteCount(cell) + 3;
    }

    /// <summary>Writes every file of the table, each to the stream that is opened for its number from 1.</summary>
    public void CopyTo(Func<int, Stream> open)
    {
        if (table is null) Begin();
        table!.Dispose();
        for (var number = 0; number < files.Count; number++)
        {
            using var destination = open(number + 1);
            files[number].CopyTo(destination);
        }
    }

    public void Dispose() => table?.Dispose();

    private void Begin()
    {
        table?.Dispose();
        octets = 0;
        files.Add(spool.Begin());
        table = new SafeCsv(files[^1].Writing, headings);
    }
}
