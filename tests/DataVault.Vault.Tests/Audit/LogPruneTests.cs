using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Tests.Keys;
using Npgsql;
using Xunit;

namespace DataVault.Vault.Tests.Audit;

public sealed class LogPruneTests : IAsyncLifetime
{
    private static readonly DateTimeOffset Begin = new(2026, 1, 10, 9, 0, 0, TimeSpan.Zero);
    private readonly ManualClock clock = new(Begin);
    private DatabasePerClass databases = null!;
    private RunningVault vault = null!;

    private AuditReader Reader => vault.Get<AuditReader>();

    private LogPrune Prune => vault.Get<LogPrune>();

    public async ValueTask InitializeAsync()
    {
        databases = await DatabasePerClass.CreateAsync();
        vault = await databases.StartVaultAsync(clock: clock);
        // 900 entries of one day, 300 of the next; batches do not end where tiles do.
        for (var i = 0; i < 12; i++)
        {
            if (i == 9) clock.Advance(TimeSpan.FromDays(1));
            await Task.WhenAll(Enumerable.Range(0, 100).Select(number => Log.AppendAsync(vault, 1 + number % 5)));
        }

        await Reader.SignAsync();
        await Reader.CatchUpAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await vault.DisposeAsync();
        await databases.DisposeAsync();
    }

    [Fact]
    public async Task Old_entries_leave_the_database_and_every_proof_still_holds()
    {
        var before = (await vault.Get<LogStore>().CheckpointAsync(default))!.Value;
        var plan = await Prune.PlanAsync(Begin.AddDays(1));
        Assert.Equal((0, 768), (plan.From, plan.Below));
        var index = await Prune.RunAsync(plan, databases.VaultAdmin);
        Assert.Equal(0, await People.CountAsync(vault, "audit.batch where first_index + count <= 768"));
        Assert.Equal(0, await People.CountAsync(vault, "audit.entry_index where index < 768"));
        Assert.Equal(0, await People.CountAsync(vault, "audit.segment where first_index < 768"));
        await Log.AppendAsync(vault);

        var report = await Log.VerifyAsync(vault);
        Assert.Equal(("", 768L, 1202L), (report.Problem, report.PrunedBelow, report.Size));
        var (hashes, note) = await Reader.ConsistencyAsync(before.Size);
        Assert.True(SignedNote.TryParse(note, out var newer) & SignedNote.TryParse(before.Note, out var older));
        Assert.True(Checkpoint.TryParse(newer!.Text, out var now) & Checkpoint.TryParse(older!.Text, out var then));
        Assert.True(ConsistencyProof.Verify(then!.Size, now!.Size, then.Root.Span, now.Root.Span, hashes));
        var proof = await Reader.ProofAsync(800);
        Assert.True(InclusionProof.Verify(800, now.Size, MerkleHash.Leaf(proof.Entry.Span), proof.Hashes, now.Root.Span));
        Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(() => Reader.ProofAsync(3))).Slug);

        // Documents that name an old entry are issued from the mirror, as long as it has what the log signed.
        var old = await vault.Get<SignedProofs>().OfAsync(3, default);
        Assert.True(old.Verify(old.Extra.Span, NoteVerifier.Parse(Reader.VerifierKey)));

        var entry = (await Reader.EntryAsync(index)).Entry;
        Assert.Equal((EntryType.LogPrune, 768L), (entry.Type, entry.Reference));
        Assert.Equal(await vault.Get<LogMirror>().RootAsync(768, default), entry.Seal.ToArray());
        Assert.Equal(1202 - 768, (await Reader.CountAsync(new AuditQuery())).Entries);
        Assert.Equal(900 - 768, (await Reader.CountAsync(new AuditQuery { Until = Begin.AddHours(1) })).Entries);
        Assert.Equal(768, (await Reader.SearchAsync(new AuditQuery { OldestFirst = true, Limit = 1 })).Entries[0].Index);
        Assert.True((await vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: true))).Ok);

        await LogReindex.ClearAsync(databases.VaultAdmin);
        Assert.Equal(1202 - 768, (await Reader.CountAsync(new AuditQuery())).Entries);
        Assert.True((await Prune.PlanAsync(Begin.AddDays(1))).IsEmpty);
    }

    [Fact]
    public async Task Entries_that_are_gone_without_the_log_saying_so_are_found()
    {
        await databases.Cluster.ExecuteAsync(databases.VaultName, "delete from audit.batch where first_index + count <= 512");
        Assert.False((await Log.VerifyAsync(vault)).Ok);
        // An administrator who also notes a pruning in the table has no entry of the log for it.
        await databases.Cluster.ExecuteAsync(databases.VaultName, "insert into audit.pruned values (512, '', 1, now())");
        Assert.False((await Log.VerifyAsync(vault)).Ok);
    }

    [Fact]
    public async Task More_than_the_log_says_is_not_taken_for_pruned()
    {
        await Prune.RunAsync(await Prune.PlanAsync(Begin.AddDays(1)), databases.VaultAdmin);
        await databases.Cluster.ExecuteAsync(databases.VaultName, "delete from audit.batch where first_index + count <= 1100");
        Assert.False((await Log.VerifyAsync(vault)).Ok);
    }

    [Fact]
    public async Task What_the_archive_does_not_hold_or_the_tiles_do_not_say_is_not_pruned()
    {
        var plan = await Prune.PlanAsync(Begin.AddDays(1));
        await databases.Cluster.ExecuteAsync(databases.VaultName, "update audit.tile set hashes = set_byte(hashes, 40, 255 - get_byte(hashes, 40)) where level = 0 and n = 1");
        await Assert.ThrowsAsync<VaultStartException>(() => Prune.RunAsync(plan, databases.VaultAdmin));
        await databases.Cluster.ExecuteAsync(databases.VaultName, "update audit.tile set hashes = set_byte(hashes, 40, 255 - get_byte(hashes, 40)) where level = 0 and n = 1");
        File.Delete(Path.Combine(databases.Home, "log-mirror", "tile", "entries", "001"));
        await Assert.ThrowsAsync<VaultStartException>(() => Prune.RunAsync(plan, databases.VaultAdmin));
        Assert.Equal(1200, (await Reader.CountAsync(new AuditQuery())).Entries);
        Assert.Equal(0, (await Reader.CountAsync(new AuditQuery { Type = EntryType.LogPrune })).Entries);
    }

    [Fact]
    public async Task Lists_of_persons_go_only_when_the_mirror_has_them()
    {
        clock.Advance(TimeSpan.FromDays(1));
        var about = await vault.Get<AuditLog>().AppendAsync(
            AuditLog.Concerning(Log.Entry(vault), [Guid.NewGuid().ToByteArray(), Guid.NewGuid().ToByteArray()]));
        await Task.WhenAll(Enumerable.Range(0, 300).Select(number => Log.AppendAsync(vault, 1 + number % 5)));
        await Reader.SignAsync();
        var list = Path.Combine(databases.Home, "log-mirror", TlogTiles.MembersPath(about / TlogTiles.Width));
        var plan = await Prune.PlanAsync(Begin.AddDays(3));
        File.Move(list, list + ".away");
        await Assert.ThrowsAsync<VaultStartException>(() => Prune.RunAsync(plan, databases.VaultAdmin));
        File.Move(list + ".away", list);
        await Prune.RunAsync(plan, databases.VaultAdmin);
        Assert.Equal(0, await People.CountAsync(vault, $"audit.bulk where index = {about}"));
        Assert.False(MembersBundle.Find(await vault.Get<LogMirror>().MembersAsync(about / TlogTiles.Width, default), (int)(about % TlogTiles.Width)).IsEmpty);
    }

    [Fact]
    public async Task The_servers_login_may_not_prune()
    {
        foreach (var sql in new[] { "select audit.prune(0)", "delete from audit.bulk", "delete from audit.entry_index", "insert into audit.pruned values (0, '', 0, now())", "drop table audit.batch_000000" })
        {
            await using var command = vault.Get<VaultDatabase>().Source.CreateCommand(sql);
            Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, (await Assert.ThrowsAsync<PostgresException>(() => command.ExecuteNonQueryAsync())).SqlState);
        }
    }
}
