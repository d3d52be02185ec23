using System.Text;
using System.Text.Json;
using DataVault.Server.Outbound;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataVault.Server.Tests.Outbound;

public sealed class LogExportTests : IDisposable
{
    private static readonly string[] Always =
        ["class_uid", "class_name", "category_uid", "category_name", "activity_id", "activity_name", "type_uid", "time", "severity_id", "status_id", "metadata", "actor", "src_endpoint", "user"];

    private readonly string _folder = Directory.CreateTempSubdirectory("export").FullName;

    private string Target => Path.Combine(_folder, "log.jsonl");

    [Fact]
    public async Task Every_signed_entry_stands_in_the_files_once_and_in_order_across_rotation_and_restart()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        for (var part = 0; part < 4; part++)
        {
            await WitnessRoundsTests.GrowAsync(vault, 12);
            using var state = new OutboundState();
            using var export = Export(vault, state, new FileSink(Options(), databases.Home));
            await export.RoundAsync(CancellationToken.None);
            Assert.Equal("ok", state.Parts.Single().Value);
        }

        Assert.Equal(Enumerable.Range(0, 48).Select(i => (long)i), Exported().Select(line => line.GetProperty("metadata").GetProperty("sequence").GetInt64()));
        Assert.True(Directory.GetFiles(_folder, "log.jsonl.0*").Length > 1);
    }

    [Fact]
    public async Task After_a_crash_in_the_middle_of_a_write_nothing_is_there_twice_and_nothing_is_missing()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        await WitnessRoundsTests.GrowAsync(vault, 5);
        using var state = new OutboundState();
        using (var export = Export(vault, state, new FileSink(Options(large: true), databases.Home))) await export.RoundAsync(CancellationToken.None);
        // What a process had written, but not counted, when it was killed.
        await File.AppendAllTextAsync(Target, "{\"class_uid\":6005,\"metadata\":{\"sequence\":5");
        await WitnessRoundsTests.GrowAsync(vault, 3);
        using (var export = Export(vault, state, new FileSink(Options(large: true), databases.Home))) await export.RoundAsync(CancellationToken.None);
        Assert.Equal(Enumerable.Range(0, 8).Select(i => (long)i), Exported().Select(line => line.GetProperty("metadata").GetProperty("sequence").GetInt64()));

        // Somebody collects the file and takes it away.
        File.Delete(Target);
        await WitnessRoundsTests.GrowAsync(vault, 2);
        using (var export = Export(vault, state, new FileSink(Options(large: true), databases.Home))) await export.RoundAsync(CancellationToken.None);
        Assert.Equal([8L, 9L], Exported().Select(line => line.GetProperty("metadata").GetProperty("sequence").GetInt64()));
    }

    [Fact]
    public async Task One_process_exports_and_what_is_not_signed_waits()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        await WitnessRoundsTests.GrowAsync(vault, 2);
        var log = vault.Get<AuditLog>();
        await log.AppendAsync(log.Entry(EntryType.FieldRead, LogWorker.Keeper, default, "", EntryResult.Ok, [1]));
        using var state = new OutboundState();
        using var first = Export(vault, state, new FileSink(Options(), databases.Home));
        using var second = Export(vault, state, new FileSink(Options(), databases.Home));
        await first.RoundAsync(CancellationToken.None);
        await second.RoundAsync(CancellationToken.None);
        Assert.Equal(2, Exported().Count);
    }

    [Fact]
    public async Task A_receiver_gets_batches_again_until_it_takes_them()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        var (received, refuse) = (new List<(string Key, string? Token, string Body)>(), 1);
        await using var receiver = await StandIn.StartAsync(async context =>
        {
            received.Add((context.Request.Headers["Idempotency-Key"]!, context.Request.Headers.Authorization, Encoding.UTF8.GetString(await StandIn.BodyAsync(context))));
            context.Response.StatusCode = refuse-- > 0 ? 500 : 202;
        });
        var token = Path.Combine(_folder, "token");
        await File.WriteAllTextAsync(token, "secret\n");
        using var state = new OutboundState();
        using var http = OutboundHttp.Connect();
        ISink Sink() => new HttpSink(new HttpExportOptions { Address = receiver.Address, Batch = 4, TokenFile = token }, databases.Home, http, "datavault.example/log");
        await WitnessRoundsTests.GrowAsync(vault, 10);
        using (var export = Export(vault, state, Sink()))
        {
            await Assert.ThrowsAsync<HttpRequestException>(() => export.RoundAsync(CancellationToken.None));
            Assert.Equal("away", state.Parts.Single().Value);
        }

        using (var export = Export(vault, state, Sink())) await export.RoundAsync(CancellationToken.None);
        Assert.Equal([4, 4, 4, 2], received.Select(post => post.Body.Count(c => c == '\n')));
        Assert.Equal(received[0], received[1]);
        Assert.Equal(3, received.Select(post => post.Key).Distinct().Count());
        Assert.All(received, post => Assert.Equal("Bearer secret", post.Token));
    }

    [Fact]
    public void Every_type_of_entry_has_a_class_of_its_own_kind_and_all_that_the_schema_asks_for()
    {
        var events = new OcsfEvents("datavault.example/log");
        foreach (var type in EntryTypes.All)
        {
            foreach (var result in Enum.GetValues<EntryResult>())
            {
                var entry = new LogEntry { Type = type, Time = 1_750_000_000_000, Result = result, Subject = new byte[16], Purpose = "customer-support", Rules = ["a-rule"] };
                var line = Encoding.UTF8.GetString(events.Line(new AuditRecord(7, entry, "Support desk", "application", ["email"])));
                Assert.EndsWith("}\n", line, StringComparison.Ordinal);
                using var parsed = JsonDocument.Parse(line);
                var e = parsed.RootElement;
                Assert.All(Always, name => Assert.True(e.TryGetProperty(name, out _), $"{type} lacks {name}"));
                var @class = e.GetProperty("class_uid").GetInt32();
                Assert.Equal(@class / 1000, e.GetProperty("category_uid").GetInt32());
                Assert.Equal(@class * 100L + e.GetProperty("activity_id").GetInt32(), e.GetProperty("type_uid").GetInt64());
                Assert.Equal(@class == 6003, e.TryGetProperty("api", out _));
                // A finding is new (1) however that ended which it is about.
                var one = type == EntryType.Alert || (result == EntryResult.Ok && type is not (EntryType.Denied or EntryType.SignInFailed));
                Assert.Equal(one ? 1 : 2, e.GetProperty("status_id").GetInt32());
                Assert.Equal(7, e.GetProperty("metadata").GetProperty("sequence").GetInt64());
            }
        }

        Assert.Equal(6005, (int)OcsfEvents.Of(new LogEntry { Type = EntryType.FieldRead }).Class);
        Assert.Equal(3002, (int)OcsfEvents.Of(new LogEntry { Type = EntryType.SignIn }).Class);
        Assert.Equal(6003, (int)OcsfEvents.Of(new LogEntry { Type = EntryType.PolicyChange }).Class);
        Assert.Equal(99, OcsfEvents.Of(new LogEntry { Type = EntryType.ClientChange, Rules = ["intended", "registered", "client:webshop"] }).Activity);
        Assert.Equal(1, OcsfEvents.Of(new LogEntry { Type = EntryType.ClientChange, Rules = ["done", "registered", "client:webshop"] }).Activity);
        Assert.Equal(5, OcsfEvents.Of(new LogEntry { Type = EntryType.AccountChange, Rules = ["done", "disabled", "account:00"] }).Activity);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private FileExportOptions Options(bool large = false) => new() { Path = Target, MaxBytes = large ? 1 << 20 : 4096 };

    private List<JsonElement> Exported() =>
    [
        .. Directory.GetFiles(_folder, "log.jsonl.0*").Order(StringComparer.Ordinal).Append(Target)
            .SelectMany(File.ReadAllLines).Select(line => JsonDocument.Parse(line).RootElement.Clone()),
    ];

    private static LogExport Export(RunningVault vault, OutboundState state, ISink sink) =>
        new(sink, new OcsfEvents("datavault.example/log"), vault.Get<LogAnchors>(), state, new RoundsContext(TimeProvider.System, NullLogger.Instance));
}
