using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Tests.Keys;
using Npgsql;
using Xunit;

namespace DataVault.Vault.Tests.Audit;

/// <summary>The search against the plainest search there is: reading every entry.</summary>
public sealed class LogSearchTests : IAsyncLifetime
{
    private static readonly DateTimeOffset Begin = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly string[] Fields = ["email", "phone", "givenName", "familyName"];
    private static readonly string[] Purposes = ["customer-support", "marketing", ""];
    private static readonly EntryType[] Types = [EntryType.FieldRead, EntryType.EventRead, EntryType.Denied];
    private static readonly Recipient[] Actors = [Log.Desk, new(RecipientKind.Application, "campaigns", "Campaigns", ["marketing"], ["marketing"]), Recipient.Process("feeder")];

    private readonly ManualClock clock = new(Begin);
    private readonly Random dice = new(20260301);
    private readonly List<(LogEntry Entry, HashSet<SubjectId> About)> written = [];
    private readonly List<(SubjectId Subject, ReadOnlyMemory<byte> Tag)> people = [];
    private DatabasePerClass databases = null!;
    private RunningVault vault = null!;

    private AuditReader Reader => vault.Get<AuditReader>();

    public async ValueTask InitializeAsync()
    {
        databases = await DatabasePerClass.CreateAsync();
        vault = await databases.StartVaultAsync(clock: clock);
        foreach (var keys in await vault.Get<DataVault.Vault.Keys.KeyRegistry>().CreateAsync([.. Enumerable.Range(0, 8).Select(_ => People.NewId())]))
        {
            using (keys) people.Add((keys.Subject, keys.Tag));
        }

        // Ten days, indexed in runs that end now in a day's midst, now at its end.
        for (var day = 0; day < 10; day++)
        {
            for (var i = 0; i < 40; i++) await WriteAsync();
            if (day % 3 == 0) await Reader.CatchUpAsync();
            for (var i = 0; i < 20; i++) await WriteAsync();
            if (day % 3 == 1) await Reader.CatchUpAsync();
            clock.Advance(TimeSpan.FromDays(1));
        }
    }

    public async ValueTask DisposeAsync()
    {
        await vault.DisposeAsync();
        await databases.DisposeAsync();
    }

    [Fact]
    public async Task Every_question_finds_and_counts_what_reading_all_entries_finds()
    {
        for (var round = 0; round < 60; round++)
        {
            var query = Question();
            var due = Enumerable.Range(0, written.Count).Where(i => Matches(i, query)).Select(i => (long)i).ToList();
            if (!query.OldestFirst) due.Reverse();
            Assert.Equal(due, await PagedAsync(query));
            await AssertCountsAsync(query, due);
        }
    }

    [Fact]
    public async Task An_index_that_was_emptied_is_made_again()
    {
        await Reader.CatchUpAsync();
        var before = await RowsAsync();
        await LogReindex.ClearAsync(databases.VaultAdmin, TestContext.Current.CancellationToken);
        Assert.Equal(0, await People.CountAsync(vault, "audit.entry_index"));
        await Reader.CatchUpAsync();
        Assert.Equal(before, await RowsAsync());
        Assert.Equal(written.Count, (await Reader.CountAsync(new AuditQuery())).Entries);
    }

    [Fact]
    public async Task A_step_that_dies_leaves_nothing_and_is_done_again()
    {
        await databases.Cluster.ExecuteAsync(databases.VaultName, "revoke update on audit.index_state from dv_vault");
        await Assert.ThrowsAsync<PostgresException>(() => Reader.CatchUpAsync());
        var left = await People.CountAsync(vault, "audit.entry_index");
        await databases.Cluster.ExecuteAsync(databases.VaultName, "grant update on audit.index_state to dv_vault");
        await Reader.CatchUpAsync();
        Assert.True(left < written.Count);
        Assert.Equal(written.Count, await People.CountAsync(vault, "audit.entry_index"));
    }

    [Fact]
    public async Task The_next_partitions_are_made_before_the_log_needs_them()
    {
        Assert.Equal(2, await People.CountAsync(vault, "audit.span"));
        // The log is not really that long: only the head says so.
        await databases.Cluster.ExecuteAsync(databases.VaultName, "update audit.head set size = 4194305 where log_id = 1");
        await using (var command = vault.Get<VaultDatabase>().Source.CreateCommand("select audit.add_partitions()")) Assert.Equal(1, await command.ExecuteScalarAsync());
        await using (var command = vault.Get<VaultDatabase>().Source.CreateCommand("select audit.add_partitions()")) Assert.Equal(0, await command.ExecuteScalarAsync());
        Assert.Equal(3, await People.CountAsync(vault, "audit.span"));
        Assert.Equal(3, await People.CountAsync(vault, "pg_inherits where inhparent = 'audit.batch'::regclass"));
        await using var add = vault.Get<VaultDatabase>().Source.CreateCommand("select audit.add_span(0, 1)");
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, (await Assert.ThrowsAsync<PostgresException>(() => add.ExecuteNonQueryAsync())).SqlState);
    }

    private async Task AssertCountsAsync(AuditQuery query, List<long> due)
    {
        var counts = await Reader.CountAsync(query);
        Assert.Equal(due.Count, counts.Entries);
        Assert.Equal(due.Count, counts.Days.Sum(day => day.Entries));
        Assert.Equal(due.Count, counts.Types.Sum(type => type.Entries));
        var byField = due.SelectMany(i => written[(int)i].Entry.Items).GroupBy(code => code).Select(group => (long)group.Count()).Order();
        Assert.Equal(byField, counts.Items.Select(item => item.Entries).Order());
        var byDay = due.GroupBy(i => DateTimeOffset.FromUnixTimeMilliseconds(written[(int)i].Entry.Time).Date).OrderBy(group => group.Key).Select(group => (long)group.Count());
        Assert.Equal(byDay, counts.Days.Select(day => day.Entries));
    }

    private async Task<List<long>> PagedAsync(AuditQuery query)
    {
        var seen = new List<long>();
        for (var page = await Reader.SearchAsync(query); ; page = await Reader.SearchAsync(query with { Cursor = page.Next }))
        {
            seen.AddRange(page.Entries.Select(entry => entry.Index));
            if (page.Next is null) return seen;
        }
    }

    private AuditQuery Question()
    {
        bool Perhaps() => dice.Next(3) == 0;
        var from = Begin.AddHours(dice.Next(-10, 240));
        return new AuditQuery
        {
            Subject = Perhaps() ? people[dice.Next(people.Count)].Subject : null,
            Actor = Perhaps() ? ActorName.Of([], Actors[dice.Next(Actors.Length)]).Name : null,
            Purpose = Perhaps() ? Purposes[dice.Next(2)] : null,
            Item = Perhaps() ? People.Field(Fields[dice.Next(Fields.Length)]) : null,
            Type = Perhaps() ? Types[dice.Next(Types.Length)] : null,
            Result = Perhaps() ? (EntryResult)dice.Next(2) : null,
            From = Perhaps() ? from : null,
            Until = Perhaps() ? from.AddHours(dice.Next(0, 100)) : null,
            OldestFirst = dice.Next(2) == 0,
            Limit = dice.Next(5, 70),
        };
    }

    private bool Matches(int index, AuditQuery query)
    {
        var (entry, about) = written[index];
        return (query.Subject is not { } subject || about.Contains(subject))
            && (query.Actor is null || Actors.Any(actor => ActorName.Of([], actor).Name == query.Actor && TagOf(actor).SequenceEqual(entry.Actor.ToArray())))
            && (query.Purpose is null || query.Purpose == entry.Purpose)
            && (query.Item is null || entry.Items.Contains(query.Item.Id))
            && (query.Type is null || query.Type == entry.Type)
            && (query.Result is null || query.Result == entry.Result)
            && (query.From is null || DateTimeOffset.FromUnixTimeMilliseconds(entry.Time) >= query.From)
            && (query.Until is null || DateTimeOffset.FromUnixTimeMilliseconds(entry.Time) < query.Until);
    }

    private byte[] TagOf(Recipient actor) => vault.Get<DataVault.Vault.Keys.KeyRegistry>().ActorTag(actor);

    private async Task WriteAsync()
    {
        clock.Advance(TimeSpan.FromSeconds(dice.Next(30)));
        var log = vault.Get<AuditLog>();
        var items = Fields.Where(_ => dice.Next(2) == 0).Select(field => People.Field(field).Id).ToArray();
        var entry = log.Entry(Types[dice.Next(Types.Length)], Actors[dice.Next(Actors.Length)], default, Purposes[dice.Next(Purposes.Length)], (EntryResult)dice.Next(2), items);
        var about = people.OrderBy(_ => dice.Next()).Take(dice.Next(4) switch { 0 => 0, 1 => 3, _ => 1 }).ToList();
        var pending = AuditLog.Concerning(entry, about.Select(person => person.Tag));
        Assert.Equal(written.Count, await log.AppendAsync(pending));
        written.Add((pending.Entry, [.. about.Select(person => person.Subject)]));
    }

    private async Task<string> RowsAsync()
    {
        await using var command = vault.Get<VaultDatabase>().Source.CreateCommand(
            """
            select concat_ws('/', (select md5(string_agg(e::text, ',' order by index)) from audit.entry_index e), (select md5(string_agg(s::text, ',' order by code)) from audit.shape s),
                (select md5(string_agg(t::text, ',' order by first_index, shape)) from audit.tally t), (select md5(string_agg(m::text, ',' order by subject, index)) from audit.bulk_member m))
            """);
        return (string)(await command.ExecuteScalarAsync())!;
    }
}
