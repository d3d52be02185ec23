using Npgsql;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Vault.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Keys;

public sealed class KeyRegistryTests(VaultDatabases databases) : IClassFixture<VaultDatabases>
{
    [Fact]
    public async Task Every_process_gets_the_same_keys()
    {
        await using var one = await databases.StartVaultAsync();
        await using var two = await databases.StartVaultAsync();
        var record = await People.CreateAsync(one, "ada@example.com");
        Assert.Equal("ada@example.com", await People.ReadEmailAsync(two, record));
        using var mine = await one.Get<KeyRegistry>().GetAsync(record.Subject);
        using var theirs = await two.Get<KeyRegistry>().GetAsync(record.Subject);
        Assert.Equal(mine.Tag.ToArray(), theirs.Tag.ToArray());
        Assert.Equal(mine.Commitment, theirs.Commitment);
        Assert.Equal(one.Get<KeyRegistry>().Index(4).Term("x"), two.Get<KeyRegistry>().Index(4).Term("x"));
        Assert.NotEqual(one.Get<KeyRegistry>().Index(4).Term("x"), two.Get<KeyRegistry>().Index(5).Term("x"));
        using var service = one.Get<KeyRegistry>().Derive("issuer/tokens");
        using var same = two.Get<KeyRegistry>().Derive("issuer/tokens");
        Assert.True(service.Span.SequenceEqual(same.Span));
    }

    [Fact]
    public async Task An_unknown_person_is_not_found()
    {
        await using var vault = await databases.StartVaultAsync();
        var refusal = await Assert.ThrowsAsync<VaultException>(() => vault.Get<KeyRegistry>().GetAsync(People.NewId()));
        Assert.Equal("not-found", refusal.Slug);
    }

    [Fact]
    public async Task A_batch_fills_pages_of_256_and_comes_back_in_order()
    {
        await using var vault = await databases.StartVaultAsync();
        var subjects = Enumerable.Range(0, 600).Select(_ => People.NewId()).ToList();
        foreach (var keys in await vault.Get<KeyRegistry>().CreateAsync(subjects)) keys.Dispose();
        Assert.Equal(0, await People.CountAsync(vault, "keys.page where count > 256 or count <> (select count(*) from keys.subject_key s where s.page_id = page.page_id)"));

        await using var other = await databases.StartVaultAsync();
        var asked = subjects.AsEnumerable().Reverse().Append(People.NewId()).ToList();
        var found = await other.Get<KeyRegistry>().GetManyAsync(asked);
        Assert.Equal(asked[..^1], found.Select(keys => keys.Subject));
        foreach (var keys in found) keys.Dispose();
    }

    [Fact]
    public async Task Processes_that_create_at_once_lose_nobody()
    {
        await using var one = await databases.StartVaultAsync();
        await using var two = await databases.StartVaultAsync();
        var batches = Enumerable.Range(0, 24).Select(i => (Vault: i % 2 == 0 ? one : two, Subjects: Enumerable.Range(0, 37).Select(_ => People.NewId()).ToList())).ToList();
        await Task.WhenAll(batches.Select(async batch =>
        {
            foreach (var keys in await batch.Vault.Get<KeyRegistry>().CreateAsync(batch.Subjects)) keys.Dispose();
        }));
        await using var third = await databases.StartVaultAsync();
        Assert.Equal(24 * 37, (await third.Get<KeyRegistry>().GetManyAsync([.. batches.SelectMany(b => b.Subjects)])).Count);
        Assert.Equal(0, await People.CountAsync(third, "keys.page where count > 256"));
    }

    [Fact]
    public async Task Destroying_one_persons_key_leaves_the_neighbours_readable_everywhere()
    {
        await using var vault = await databases.StartVaultAsync();
        await using var warm = await databases.StartVaultAsync();
        var gone = await People.CreateAsync(vault, "gone@example.com");
        var neighbour = await People.CreateAsync(vault, "neighbour@example.com");
        var second = await People.CreateAsync(vault, "second@example.com");
        Assert.Equal("neighbour@example.com", await People.ReadEmailAsync(warm, neighbour));
        byte[] commitment;
        using (var keys = await vault.Get<KeyRegistry>().GetAsync(gone.Subject)) commitment = keys.Commitment;

        var destruction = await vault.Get<KeyRegistry>().DestroyAsync(gone.Subject);

        Assert.Equal(commitment, destruction.Commitment);
        await using var cold = await databases.StartVaultAsync();
        foreach (var process in new[] { vault, warm, cold })
        {
            Assert.Equal("neighbour@example.com", await People.ReadEmailAsync(process, neighbour));
            Assert.Equal("second@example.com", await People.ReadEmailAsync(process, second));
        }

        foreach (var process in new[] { vault, cold }) await Assert.ThrowsAsync<VaultException>(() => process.Get<KeyRegistry>().GetAsync(gone.Subject));
        var again = await cold.Get<KeyRegistry>().DestroyAsync(gone.Subject);
        Assert.Equal((destruction.PageId, destruction.Generation, destruction.EpochId), (again.PageId, again.Generation, again.EpochId));
        Assert.Equal(destruction.Commitment, again.Commitment);
    }

    [Fact]
    public async Task A_wrapped_key_put_back_by_hand_does_not_open()
    {
        await using var vault = await databases.StartVaultAsync();
        var gone = await People.CreateAsync(vault, "gone@example.com");
        await People.CreateAsync(vault, "neighbour@example.com");
        await databases.Cluster.ExecuteAsync(databases.KeysName, "drop table if exists public.stolen; create table public.stolen as select * from keys.subject_key");
        await vault.Get<KeyRegistry>().DestroyAsync(gone.Subject);
        await databases.Cluster.ExecuteAsync(databases.KeysName, $"insert into keys.subject_key select * from public.stolen where subject_id = '{gone.Subject}'; drop table public.stolen");

        await Assert.ThrowsAnyAsync<System.Security.Cryptography.CryptographicException>(() => vault.Get<KeyRegistry>().GetAsync(gone.Subject));
        await databases.Cluster.ExecuteAsync(databases.KeysName, $"delete from keys.subject_key where subject_id = '{gone.Subject}'");
    }

    [Fact]
    public async Task A_damaged_neighbour_does_not_keep_an_erasure_from_being_done()
    {
        await using var vault = await databases.StartVaultAsync();
        var gone = await People.CreateAsync(vault, "gone@example.com");
        var damaged = await People.CreateAsync(vault, "damaged@example.com");
        var well = await People.CreateAsync(vault, "well@example.com");
        await databases.Cluster.ExecuteAsync(databases.KeysName, $"update keys.subject_key set wrapped = set_byte(wrapped, 40, 255 - get_byte(wrapped, 40)) where subject_id = '{damaged.Subject}'");
        await vault.Get<KeyRegistry>().DestroyAsync(gone.Subject);
        Assert.Equal("well@example.com", await People.ReadEmailAsync(vault, well));
        await Assert.ThrowsAsync<VaultException>(() => vault.Get<KeyRegistry>().GetAsync(gone.Subject));
    }

    [Fact]
    public async Task An_erasure_and_whoever_writes_to_several_keys_take_the_rows_in_one_order()
    {
        await using var vault = await databases.StartVaultAsync();
        SubjectId[] people = [(await People.CreateAsync(vault, "one@example.com")).Subject, (await People.CreateAsync(vault, "two@example.com")).Subject];
        Array.Sort(people, (one, other) => one.Value.CompareTo(other.Value));
        await using var source = NpgsqlDataSource.Create(databases.KeysAdmin);
        await using var connection = await source.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await LockAsync(people[0]);
        var erasing = vault.Get<KeyRegistry>().DestroyAsync(people[1]);
        while (true)
        {
            await using var waiting = source.CreateCommand("select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')");
            if (await waiting.ExecuteScalarAsync(TestContext.Current.CancellationToken) is true) break;
            Assert.False(erasing.IsCompleted);
        }

        await LockAsync(people[1]);
        await transaction.CommitAsync(TestContext.Current.CancellationToken);
        await erasing;

        async Task LockAsync(SubjectId subject)
        {
            await using var command = new NpgsqlCommand($"set local lock_timeout = '10s'; select newest from keys.subject_key where subject_id = '{subject}' for update", connection, transaction);
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public async Task Keys_are_written_and_versions_remembered_at_once_without_a_deadlock()
    {
        await using var vault = await databases.StartVaultAsync();
        var (registry, versions) = (vault.Get<KeyRegistry>(), vault.Get<NewestVersions>());
        var records = new List<SealedRecord>();
        for (var i = 0; i < 24; i++) records.Add(await People.CreateAsync(vault, $"person{i}@example.com"));
        var pages = new List<long>();
        for (var page = await registry.NextPageAsync(-1, default); page is { } at; page = await registry.NextPageAsync(at.Page, default)) pages.Add(at.Page);
        var writing = Task.Run(async () =>
        {
            for (var i = 0; i < 40; i++)
            {
                foreach (var page in pages)
                {
                    await registry.PrepareAsync(page, default);
                    await registry.SettleAsync(page, records.ToDictionary(record => record.Subject, record => record.KeyVersion), default);
                }
            }
        });
        for (var version = 2L; !writing.IsCompleted; version++)
        {
            foreach (var record in records)
            {
                using var held = await registry.GetFreshAsync(record.Subject);
                versions.Saw(held, version);
            }

            await versions.FlushAsync(default);
        }

        await writing;
        Assert.True(await People.CountAsync(vault, "keys.subject_key where newest > 1") >= 24);
    }

    [Fact]
    public async Task Other_processes_are_told_to_forget_a_destroyed_key()
    {
        await using var vault = await databases.StartVaultAsync();
        await using var listener = await databases.StartVaultAsync(workers: true);
        var gone = await People.CreateAsync(vault, "gone@example.com");
        Assert.Equal("gone@example.com", await People.ReadEmailAsync(listener, gone));
        await vault.Get<KeyRegistry>().DestroyAsync(gone.Subject);
        var deadline = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(deadline) < TimeSpan.FromMinutes(2))
        {
            try
            {
                using var keys = await listener.Get<KeyRegistry>().GetAsync(gone.Subject);
                await Task.Yield();
            }
            catch (VaultException)
            {
                return;
            }
        }

        Assert.Fail("The other process kept the key.");
    }

    [Fact]
    public async Task An_epoch_turns_while_keys_are_made_and_destroyed()
    {
        await using var vault = await databases.StartVaultAsync();
        var registry = vault.Get<KeyRegistry>();
        async Task MakeAndDestroyAsync()
        {
            for (var i = 0; i < 25; i++)
            {
                var subject = People.NewId();
                foreach (var keys in await registry.CreateAsync([subject])) keys.Dispose();
                await registry.DestroyAsync(subject);
            }
        }

        async Task TurnAsync()
        {
            for (var i = 0; i < 25; i++) await vault.Get<EpochTurn>().RunAsync(now: true, default);
        }

        await Task.WhenAll(Task.Run(MakeAndDestroyAsync), Task.Run(MakeAndDestroyAsync), Task.Run(TurnAsync));
    }

    [Fact]
    public async Task Staff_and_applications_have_tags_of_their_own_and_customers_share_one()
    {
        await using var vault = await databases.StartVaultAsync();
        var keys = vault.Get<KeyRegistry>();
        Recipient Of(RecipientKind kind, string id) => new(kind, id, id, [], []);
        Assert.Equal(keys.ActorTag(Of(RecipientKind.Customer, "a")), keys.ActorTag(Of(RecipientKind.Customer, "b")));
        Assert.NotEqual(keys.ActorTag(Of(RecipientKind.Staff, "a")), keys.ActorTag(Of(RecipientKind.Staff, "b")));
        Assert.NotEqual(keys.ActorTag(Of(RecipientKind.Staff, "a")), keys.ActorTag(Of(RecipientKind.Application, "a")));
        Assert.Equal(16, keys.ActorTag(Of(RecipientKind.Staff, "a")).Length);
    }
}
