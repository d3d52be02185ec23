using System.Diagnostics;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using DataVault.Transparency;
using DataVault.Verifier;
using Xunit;

namespace DataVault.Pure.Tests.Transparency;

/// <summary>The signed bag: written here, checked by our verifier, and by tools that know nothing of us.</summary>
public sealed class BagTests : IDisposable
{
    private const int Place = 5;
    private const string Name = "my-data-0199f3a0";
    private static readonly Guid Case = Guid.Parse("0199f3a0-5c1e-7b2a-8c3d-4e5f60718293");
    private static readonly DateTimeOffset Then = new(2026, 3, 1, 10, 15, 0, TimeSpan.Zero);
    private static readonly TlogProof Proof = ProofFileTests.Prove(MemoryLog.Entries(9), Place);
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("bag-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_bag_is_read_back_whole_and_its_signature_holds()
    {
        using var bag = BagReader.Open(new MemoryStream(Bag()), BagLimits.Widest);
        Assert.Null(bag.CheckFiles(TestContext.Current.CancellationToken));
        Assert.Null(bag.CheckSignature(MemoryLog.Verifier));
        Assert.Equal(("access", Case, (long)Place, 2, 17L), (bag.Statement!.Kind, bag.Statement.Case, bag.Statement.Entry, bag.Statement.PayloadFiles, bag.Statement.PayloadOctets));
        Assert.Equal("grüße\n", bag.ReadText("data/json/a.json"));
        Assert.Equal(EntryType.FieldRead, bag.ProvedEntry()!.Type);
    }

    [Fact]
    public void The_same_contents_give_the_same_bytes_but_for_the_signature()
    {
        var (one, other) = (Entries(Bag()), Entries(Bag()));
        Assert.Equal(one.Select(file => file.Name), other.Select(file => file.Name));
        foreach (var (first, second) in one.Zip(other).Where(pair => !pair.First.Name.EndsWith(".sig", StringComparison.Ordinal)))
            Assert.Equal((first.Name, Convert.ToHexString(first.Bytes)), (second.Name, Convert.ToHexString(second.Bytes)));
        using var unsealed = Write(_ => { });
        using var again = Write(_ => { });
        Assert.Equal(unsealed.ToArray(), again.ToArray());
    }

    [Fact]
    public async Task Openssl_and_coreutils_alone_check_it_by_the_commands_that_stand_in_it()
    {
        var bag = Unpacked(Bag());
        var howto = await File.ReadAllTextAsync(Path.Combine(bag, "meta", "VERIFY.txt"), TestContext.Current.CancellationToken);
        var commands = howto.Split('\n').Where(line => line.StartsWith("    ", StringComparison.Ordinal)).Select(line => line.Trim()).Where(line => !line.StartsWith("datavault-verify", StringComparison.Ordinal)).ToList();
        Assert.Equal(5, commands.Count);
        await File.WriteAllTextAsync(Path.Combine(bag, "log.vkey"), MemoryLog.Signer.VerifierKey + "\n", TestContext.Current.CancellationToken);
        var answers = new List<string>();
        foreach (var command in commands) answers.Add(await ShellAsync(bag, command));
        Assert.Equal(answers[1].Split(' ')[0], answers[2].Split(' ')[1].Trim());
        Assert.Equal("Verified OK", answers[4].Trim());

        await File.AppendAllTextAsync(Path.Combine(bag, "data", "json", "a.json"), "x", TestContext.Current.CancellationToken);
        await Assert.ThrowsAsync<InvalidOperationException>(() => ShellAsync(bag, commands[0]));
        await File.AppendAllTextAsync(Path.Combine(bag, "meta", "statement.txt"), "x", TestContext.Current.CancellationToken);
        await Assert.ThrowsAsync<InvalidOperationException>(() => ShellAsync(bag, commands[4]));
    }

    // RFC 8493 §3, written anew: required files, every file of the payload in the manifest and the other way round, digests, Payload-Oxum.
    private const string SecondImplementation =
        """
        import hashlib, os, sys
        os.chdir(sys.argv[1])
        assert open('bagit.txt', encoding='utf-8').read() == 'BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n'
        def listed(name):
            return {path: digest for digest, path in (line.rstrip('\n').split(None, 1) for line in open(name, encoding='utf-8'))}
        payload, tags = listed('manifest-sha256.txt'), listed('tagmanifest-sha256.txt')
        held = {os.path.relpath(os.path.join(folder, name), '.') for folder, _, names in os.walk('data') for name in names}
        assert held == set(payload), held ^ set(payload)
        assert {'bagit.txt', 'bag-info.txt', 'manifest-sha256.txt'} <= set(tags)
        for path, digest in {**payload, **tags}.items():
            assert hashlib.sha256(open(path, 'rb').read()).hexdigest() == digest, path
        info = dict(line.rstrip('\n').split(': ', 1) for line in open('bag-info.txt', encoding='utf-8'))
        assert info['Payload-Oxum'] == '%d.%d' % (sum(os.path.getsize(path) for path in payload), len(payload))
        print('valid')
        """;

    [Fact]
    public async Task A_second_implementation_finds_it_valid()
    {
        var script = Path.Combine(_folder.FullName, "bag.py");
        await File.WriteAllTextAsync(script, SecondImplementation, TestContext.Current.CancellationToken);
        Assert.Equal("valid", (await ShellAsync(_folder.FullName, $"python3 bag.py '{Unpacked(Bag())}'")).Trim());
    }

    [Fact]
    public async Task The_verifier_says_what_is_in_it_and_what_is_wrong()
    {
        var file = Path.Combine(_folder.FullName, "bag.zip");
        await File.WriteAllBytesAsync(file, Bag(), TestContext.Current.CancellationToken);
        var (code, said) = await VerifyAsync(file);
        Assert.True(code == 0 && said.Contains("OK: it holds", StringComparison.Ordinal) && said.Contains("access", StringComparison.Ordinal), said);
        await File.WriteAllBytesAsync(file, Changed("data/json/a.json", "GRÜSSE\n"), TestContext.Current.CancellationToken);
        var (wrong, why) = await VerifyAsync(file);
        Assert.True(wrong == 1 && why.Contains("data/json/a.json", StringComparison.Ordinal), why);
        await File.WriteAllTextAsync(file, "no zip", TestContext.Current.CancellationToken);
        Assert.Equal(1, (await VerifyAsync(file)).Code);
    }

    [Fact]
    public void Any_file_that_is_changed_added_or_gone_is_noticed()
    {
        foreach (var (name, _) in Entries(Bag()))
        {
            Assert.True(IsRefused(Rewritten(entries => entries.RemoveAll(file => file.Name == name))), $"gone: {name}");
            Assert.True(IsRefused(Rewritten(entries => Replace(entries, name, text => text.Length > 0 ? [.. text[..^1], (byte)(text[^1] ^ 1)] : [1]))), $"changed: {name}");
        }
        Assert.True(IsRefused(Rewritten(entries => entries.Add(($"{Name}/data/more.json", [1])))), "added to the payload");
        Assert.True(IsRefused(Rewritten(entries => entries.Add(($"{Name}/more.txt", [1])))), "added beside it");
    }

    [Fact]
    public void A_signature_by_another_key_and_a_proof_of_another_entry_do_not_hold()
    {
        using var stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var bag = BagReader.Open(new MemoryStream(Bag(signer: new NoteSigner(MemoryLog.Origin, stranger))), BagLimits.Widest);
        Assert.Equal("the log's key has not signed it", bag.CheckSignature(MemoryLog.Verifier));
        var other = Proof with { Index = Place - 1 };
        using var moved = BagReader.Open(new MemoryStream(Bag(proof: other)), BagLimits.Widest);
        Assert.Equal("the proof does not lead from the entry to a signed checkpoint of the log", moved.CheckSignature(MemoryLog.Verifier));
    }

    [Theory]
    [InlineData("../outside.txt")]
    [InlineData("/etc/cron.d/x")]
    [InlineData("my-data/../../x")]
    [InlineData("my-data\\x")]
    [InlineData("C:/x")]
    [InlineData("my-data/a\u0000b")]
    [InlineData("my-data/.hidden")]
    [InlineData("my-data//x")]
    public void A_name_that_leads_elsewhere_is_refused(string name) =>
        Assert.True(IsRefused(Rewritten(entries => entries.Add((name, [1])))));

    [Fact]
    public void Links_twice_the_same_name_and_what_unpacks_to_too_much_are_refused()
    {
        Assert.True(IsRefused(Rewritten(entries => entries.Add(($"{Name}/data/json/A.json", [1])))), "the same name in another case");
        Assert.True(IsRefused(Rewritten(entries => entries.Add(($"{Name}/data/json/a.json", [1])))), "the same name");
        Assert.True(IsRefused(Rewritten(entries => entries.Add(("elsewhere/x.json", [1])))), "a second folder");
        Assert.True(IsRefused(Rewritten(_ => { }, link: $"{Name}/data/link")), "a link");
        Assert.Contains("unpacks to more", Assert.Throws<BagException>(() => BagReader.Open(new MemoryStream(Bag()), new BagLimits(100, 500))).Message, StringComparison.Ordinal);
        Assert.Contains("files", Assert.Throws<BagException>(() => BagReader.Open(new MemoryStream(Bag()), new BagLimits(3, 1 << 20))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_unpacks_to_more_than_it_announced_is_cut_off()
    {
        var bytes = Bag();
        // The sizes in the directory at the end of the zip, of the file that says 9 octets.
        var at = bytes.AsSpan().LastIndexOf(Encoding.UTF8.GetBytes($"{Name}/data/json/a.json")) - 46 + 24;
        Assert.Equal(8, bytes[at]);
        bytes[at] = 3;
        Assert.True(IsRefused(bytes));
    }

    [Fact]
    public void A_path_that_could_lead_elsewhere_is_never_written()
    {
        using var writer = new BagWriter(new MemoryStream(), Name, Then);
        foreach (var path in new[] { "../x", "data/../x", "data//x", "/x", "data/a b", "data/\u00fc", "data/x.", "bagit.txt", "BAGIT.TXT" })
            Assert.Throws<ArgumentException>(() => writer.Open(path));
    }

    [Fact]
    public void A_statement_has_one_spelling()
    {
        using var bag = BagReader.Open(new MemoryStream(Bag()), BagLimits.Widest);
        var text = bag.Statement!.ToText();
        Assert.True(BagStatement.TryParse(text, out var read) && read!.ToText() == text);
        for (var i = 0; i < text.Length; i++)
        {
            foreach (var put in new[] { " ", "0", "\n", "A" })
            {
                var changed = string.Concat(text.AsSpan(0, i), put, text.AsSpan(i));
                Assert.False(BagStatement.TryParse(changed, out var parsed) && parsed!.ToText() != changed, $"{i}");
            }
        }
    }

    private static byte[] Bag(NoteSigner? signer = null, TlogProof? proof = null)
    {
        using var written = Write(bag => bag.Seal(
            new BagSeal("access", Case, proof ?? Proof, signer ?? MemoryLog.Signer, Then), [KeyValuePair.Create("Source-Organization", "Example\nInjected: yes")]));
        return written.ToArray();
    }

    private static MemoryStream Write(Action<BagWriter> end)
    {
        var stream = new MemoryStream();
        using var bag = new BagWriter(stream, Name, Then);
        bag.WriteText("START-HERE.html", "<p>here</p>");
        bag.WriteText("data/json/a.json", "grüße\n");
        bag.WriteText("data/b.csv", "a,b\r\n1,2\r");
        end(bag);
        return stream;
    }

    private static List<(string Name, byte[] Bytes)> Entries(byte[] zip)
    {
        using var archive = new ZipArchive(new MemoryStream(zip));
        return [.. archive.Entries.Select(entry => (entry.FullName, Content(entry)))];
    }

    private static byte[] Content(ZipArchiveEntry entry)
    {
        using var content = entry.Open();
        using var copy = new MemoryStream();
        content.CopyTo(copy);
        return copy.ToArray();
    }

    private static byte[] Changed(string path, string text) => Rewritten(entries => Replace(entries, $"{Name}/{path}", _ => Encoding.UTF8.GetBytes(text)));

    private static void Replace(List<(string Name, byte[] Bytes)> entries, string name, Func<byte[], byte[]> with)
    {
        var at = entries.FindIndex(entry => entry.Name == name);
        entries[at] = (name, with(entries[at].Bytes));
    }

    private static byte[] Rewritten(Action<List<(string Name, byte[] Bytes)>> change, string? link = null)
    {
        var entries = Entries(Bag());
        change(entries);
        using var stream = new MemoryStream();
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, bytes) in entries)
            {
                using var content = zip.CreateEntry(name).Open();
                content.Write(bytes);
            }
            if (link is not null) zip.CreateEntry(link).ExternalAttributes = unchecked((int)0xA1FF0000);
        }
        return stream.ToArray();
    }

    private static bool IsRefused(byte[] zip)
    {
        try
        {
            using var bag = BagReader.Open(new MemoryStream(zip), BagLimits.Widest);
            return bag.CheckFiles() is not null || bag.CheckSignature(MemoryLog.Verifier) is not null;
        }
        catch (BagException)
        {
            return true;
        }
    }

    private string Unpacked(byte[] zip)
    {
        using var archive = new ZipArchive(new MemoryStream(zip));
        archive.ExtractToDirectory(_folder.FullName);
        return Path.Combine(_folder.FullName, Name);
    }

    private static async Task<(int Code, string Said)> VerifyAsync(string file)
    {
        using var output = new StringWriter();
        using var desk = new Desk(output, output, progress: false);
        return (await VerifyCommand.RunAsync(desk, ["package", file, "--key", MemoryLog.Signer.VerifierKey]), output.ToString());
    }

    private static async Task<string> ShellAsync(string folder, string command)
    {
        using var process = Process.Start(new ProcessStartInfo("sh", ["-c", command]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{command}: {await error}");
    }
}
