using System.Text;
using DataVault.Cryptography;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

/// <summary>What waits beside the draft of a package until its turn comes.</summary>
public sealed class PackageSpoolTests : IDisposable
{
    private const string Canary = "Qwop-canary-58";
    private static readonly Guid Request = Guid.Parse("0199f3a0-5c1e-7b2a-8c3d-4e5f60718293");
    private static readonly SystemRandomBytes Random = new();
    private readonly string _home = Directory.CreateTempSubdirectory("package-spool").FullName;
    private readonly PackageFolder _folder;

    public PackageSpoolTests()
    {
        _folder = new PackageFolder(new VaultOptions { DataConnection = "", KeysConnection = "", Home = _home }, Random);
        Directory.CreateDirectory(Path.Combine(_home, "packages"));
    }

    private string[] Files => Directory.GetFiles(Path.Combine(_home, "packages"));

    public void Dispose() => Directory.Delete(_home, recursive: true);

    [Fact]
    public void A_process_that_dies_leaves_files_that_nobody_reads_and_that_belong_to_their_request()
    {
        // Looked at before the spool is disposed: a process that dies does not come to that.
        using var spool = new PackageSpool(_folder, Request, Random);
        var file = spool.Begin();
        for (var line = 0; line < 10_000; line++) file.Writing.Write(Encoding.UTF8.GetBytes($"{Canary} {line}\n"));
        file.Writing.Dispose();
        var left = Assert.Single(_folder.Files());
        Assert.Equal(Request, left.Request);
        var bytes = File.ReadAllBytes(left.Path);
        Assert.True(bytes.Length > 64 * 1024);
        Assert.Equal(-1, bytes.AsSpan().IndexOf(Encoding.UTF8.GetBytes(Canary)));
    }

    [Fact]
    public void What_is_read_back_is_what_was_written_and_nothing_is_left()
    {
        using (var spool = new PackageSpool(_folder, Request, Random))
        {
            var file = spool.Begin();
            file.Writing.Write(Encoding.UTF8.GetBytes(Canary));
            using var copy = new MemoryStream();
            file.CopyTo(copy);
            Assert.Equal(Canary, Encoding.UTF8.GetString(copy.ToArray()));
            spool.Begin().Writing.Write([1, 2, 3]);
        }
        Assert.Empty(Files);
    }

    [Fact]
    public void A_table_that_grows_too_long_goes_on_in_a_further_file_with_its_headings()
    {
        using var spool = new PackageSpool(_folder, Request, Random);
        using var table = new SpooledTable(spool, ["number", "text"], limit: 200);
        for (var row = 0; row < 30; row++) table.Row([row.ToString(System.Globalization.CultureInfo.InvariantCulture), "some words"]);
        var files = new List<MemoryStream>();
        table.CopyTo(number =>
        {
            Assert.Equal(files.Count + 1, number);
            files.Add(new MemoryStream());
            return new Kept(files[^1]);
        });
        Assert.True(files.Count > 1);
        var rows = new List<string>();
        foreach (var text in files.Select(file => Encoding.UTF8.GetString(file.ToArray()).TrimStart('\uFEFF')))
        {
            Assert.StartsWith("number,text\r\n", text, StringComparison.Ordinal);
            rows.AddRange(text.Split("\r\n", StringSplitOptions.RemoveEmptyEntries).Skip(1));
        }
        Assert.Equal(Enumerable.Range(0, 30).Select(row => $"{row},some words"), rows);
    }

    /// <summary>Stays open for the test when the table has closed it.</summary>
    private sealed class Kept(MemoryStream inner) : Stream
    {
        public override bool CanRead => false;
        public override bool CanSeek => false;
        public override bool CanWrite => true;
        public override long Length => inner.Length;
        public override long Position { get => inner.Position; set => throw new NotSupportedException(); }
        public override void Flush() => inner.Flush();
        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);
    }
}
