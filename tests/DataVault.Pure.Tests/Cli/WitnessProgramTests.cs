using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using DataVault.Cli;
using DataVault.Cli.Witnessing;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Pure.Tests.Cli;

/// <summary>The witness as a program: its folder, its web server.</summary>
public sealed class WitnessProgramTests : IDisposable
{
    private const string Origin = "vault.example/log";
    private readonly string folder = Path.Combine(Directory.CreateTempSubdirectory("witness").FullName, "w");
    private readonly ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly StringWriter output = new();
    private readonly StringWriter error = new();

    [Fact]
    public async Task A_witness_remembers_across_restarts_what_it_cosigned_over_http()
    {
        Assert.Equal(ExitCode.Ok, await RunAsync("witness", "keygen", "witness.example/w1", "--folder", folder));
        var verifier = NoteVerifier.Parse(output.ToString().Trim());
        await File.WriteAllTextAsync(Path.Combine(folder, "logs", "vault.vkey"), new NoteSigner(Origin, key).VerifierKey + "\n");

        var first = await SubmitAsync(new AddCheckpoint(0, [], Note(1, [1])));
        Assert.Equal(HttpStatusCode.OK, first.Status);
        Assert.True(SignedNote.TryParse(Note(1, [1]) + first.Body, out var cosigned));
        Assert.True(verifier.Verify(cosigned!));

        // Another process, the same folder: it knows what it saw.
        var again = await SubmitAsync(new AddCheckpoint(0, [], Note(1, [2])));
        Assert.Equal((HttpStatusCode.Conflict, "1\n", "text/x.tlog.size"), again);
        var grown = Note(2, MerkleHash.Node(MerkleHash.Leaf([1]), MerkleHash.Leaf([9])));
        Assert.Equal(HttpStatusCode.OK, (await SubmitAsync(new AddCheckpoint(1, [MerkleHash.Leaf([9])], grown))).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await SubmitAsync(new AddCheckpoint(1, [], Note(1, [1])))).Status);
        Assert.DoesNotContain(Directory.GetFiles(Path.Combine(folder, "seen")), file => file.EndsWith(".new", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_is_no_submission_is_refused_and_the_next_is_answered()
    {
        await RunAsync("witness", "keygen", "witness.example/w1", "--folder", folder);
        await File.WriteAllTextAsync(Path.Combine(folder, "logs", "vault.vkey"), new NoteSigner(Origin, key).VerifierKey + "\n");
        await ServeAsync(async http =>
        {
            Assert.Equal(HttpStatusCode.NotFound, (await http.PostAsync("/other", new StringContent("x"))).StatusCode);
            Assert.Equal(HttpStatusCode.MethodNotAllowed, (await http.GetAsync("/add-checkpoint")).StatusCode);
            Assert.Equal(HttpStatusCode.BadRequest, (await http.PostAsync("/add-checkpoint", new StringContent("nonsense"))).StatusCode);
            Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await http.PostAsync("/add-checkpoint", new StringContent(new string('x', 200_000)))).StatusCode);
            Assert.Equal(HttpStatusCode.OK, (await http.PostAsync("/add-checkpoint", new StringContent(new AddCheckpoint(0, [], Note(1, [1])).ToString()))).StatusCode);
        });
    }

    [Fact]
    public async Task A_folder_has_one_witness_and_one_process_and_keeps_its_key_to_itself()
    {
        Assert.Equal(ExitCode.Usage, await RunAsync("witness", "serve", "--folder", folder));
        Assert.Equal(ExitCode.Usage, await RunAsync("witness", "keygen", "two words", "--folder", folder));
        Assert.Equal(ExitCode.Ok, await RunAsync("witness", "keygen", "witness.example/w1", "--folder", folder));
        Assert.Equal(ExitCode.Usage, await RunAsync("witness", "keygen", "witness.example/w1", "--folder", folder));
        Assert.Equal(ExitCode.Usage, await RunAsync("witness", "serve", "--folder", folder));
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(folder, "witness.key")));
        using var held = WitnessFolder.Open(folder);
        Assert.Throws<UsageException>(() => WitnessFolder.Open(folder));
    }

    [Fact]
    public void A_damaged_memory_is_not_taken_for_an_empty_one()
    {
        WitnessFolder.Create(folder, "witness.example/w1", new DataVault.Cryptography.SystemRandomBytes());
        using var opened = WitnessFolder.Open(folder);
        opened.Keep(new Checkpoint(Origin, 1, MerkleHash.Leaf([1])));
        Assert.Equal(1, opened.Latest(Origin)!.Size);
        File.WriteAllText(Directory.GetFiles(Path.Combine(folder, "seen")).Single(), "");
        Assert.Throws<InvalidDataException>(() => opened.Latest(Origin));
    }

    public void Dispose()
    {
        key.Dispose();
        Directory.Delete(Path.GetDirectoryName(folder)!, recursive: true);
    }

    private Task<int> RunAsync(params string[] arguments) =>
        DataVaultCommand.RunAsync(new CliHost(TextReader.Null, output, error, Path.GetTempPath(), TimeProvider.System), arguments);

    private SignedNote Note(long size, byte[] rootOrLeaf) =>
        new NoteSigner(Origin, key).Sign(new Checkpoint(Origin, size, rootOrLeaf.Length == MerkleHash.Size ? rootOrLeaf : MerkleHash.Leaf(rootOrLeaf)).ToText());

    private async Task<(HttpStatusCode Status, string Body, string? Type)> SubmitAsync(AddCheckpoint submission)
    {
        (HttpStatusCode, string, string?) result = default;
        await ServeAsync(async http =>
        {
            using var answer = await http.PostAsync("/add-checkpoint", new StringContent(submission.ToString()));
            result = (answer.StatusCode, await answer.Content.ReadAsStringAsync(), answer.Content.Headers.ContentType?.MediaType);
        });
        return result;
    }

    private async Task ServeAsync(Func<HttpClient, Task> use)
    {
        using var opened = WitnessFolder.Open(folder);
        using var cosigner = opened.Key();
        using var stop = new CancellationTokenSource();
        var ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var address = new Uri($"http://127.0.0.1:{FreePort()}/");
        var serving = new WitnessServer(new Witness(opened.Logs(), cosigner, opened, TimeProvider.System), error).RunAsync(address.ToString(), ready.SetResult, stop.Token);
        await Task.WhenAny(ready.Task, serving);
        using (var http = new HttpClient { BaseAddress = address }) await use(http);
        await stop.CancelAsync();
        await serving;
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
