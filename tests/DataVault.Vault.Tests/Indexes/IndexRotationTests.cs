using System.Collections.Concurrent;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Vault.Indexes;
using DataVault.Vault.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Indexes;

public sealed class IndexRotationTests
{
    [Fact]
    public async Task A_rotation_that_dies_after_any_step_is_carried_on_by_another_process_and_everybody_is_found_all_the_while()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var reader = await IndexWorld.StartAsync(databases);
        var people = await IndexWorld.AddAsync(reader, Enumerable.Range(0, 20).Select(number => IndexWorld.Person(number)));
        foreach (var name in new[] { "email", IndexWorld.NameIndex }) await IndexWorld.RotateAsync(reader, name);
        for (var more = true; more;)
        {
            await using var process = await IndexWorld.StartAsync(databases);
            more = false;
            foreach (var name in new[] { "email", IndexWorld.NameIndex }) more |= await process.Get<IndexBuilder>().StepAsync(IndexWorld.Index(process, name), default);
            foreach (var vault in new[] { reader, process })
            {
                Assert.Equal([people[7]], await IndexWorld.FindAsync(vault, ("email", SearchCondition.Equal("PERSON7@example.com"))));
                Assert.Equal(4, (await IndexWorld.FindAsync(vault, ("familyName", SearchCondition.Prefix("Hop")))).Count);
                Assert.Equal("conflict", (await Assert.ThrowsAsync<VaultException>(() => IndexWorld.AddAsync(vault, [IndexWorld.Person(7, more: """{"customerNumber":"other"}""")]))).Slug);
            }
        }

        foreach (var name in new[] { "email", IndexWorld.NameIndex }) Assert.Equal((2, IndexStates.Ready), ((await IndexWorld.RowAsync(reader, name)).Complete!.Value.Epoch, (await IndexWorld.RowAsync(reader, name)).State));
        Assert.Equal(20, await IndexWorld.CountAsync(databases, "vault.identifier where index_id = 5 and epoch = 2"));
        Assert.Equal(0, await IndexWorld.CountAsync(databases, "vault.identifier where index_id = 5 and epoch <> 2"));
        Assert.Equal(0, await IndexWorld.CountAsync(databases, "vault.search_term where index_id = 1000 and epoch <> 2"));
        Assert.Null(await reader.Get<IndexKeys>().OpenAsync(5, new IndexShape(1, 128, 1), default));
    }

    [Fact]
    public async Task Somebody_erased_after_a_copy_from_the_middle_of_a_rotation_is_in_no_epoch_once_the_copy_is_put_back()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        List<SubjectId> people;
        await using (var vault = await IndexWorld.StartAsync(databases))
        {
            people = await IndexWorld.AddAsync(vault, Enumerable.Range(0, 20).Select(number => IndexWorld.Person(number)));
            people.Sort((one, other) => one.Value.CompareTo(other.Value));
            foreach (var name in new[] { "email", IndexWorld.NameIndex })
            {
                await IndexWorld.RotateAsync(vault, name);
                // It is begun, and the first seven are filled in.
                for (var step = 0; step < 2; step++) await vault.Get<IndexBuilder>().StepAsync(IndexWorld.Index(vault, name), default);
            }
        }

        Assert.Equal(2, await IndexWorld.CountAsync(databases, $"vault.identifier where index_id = 5 and subject_id = '{people[0]}'"));
        await databases.BackUpAsync(databases.VaultName);
        await using (var vault = await IndexWorld.StartAsync(databases)) await vault.Get<KeyRegistry>().DestroyAsync(people[0], default);
        await databases.RestoreAsync(databases.VaultName);
        await using var next = await IndexWorld.StartAsync(databases);
        foreach (var name in new[] { "email", IndexWorld.NameIndex })
        {
            Assert.Equal(0, await IndexWorld.CountAsync(databases, $"(select subject_id from vault.identifier union all select subject_id from vault.search_term) t where subject_id = '{people[0]}'"));
            await next.Get<IndexBuilder>().FinishAsync(IndexWorld.Index(next, name), default);
        }

        Assert.Equal(19, await IndexWorld.CountAsync(databases, "vault.identifier where index_id = 5"));
        Assert.Equal(0, await IndexWorld.CountAsync(databases, $"vault.search_term where subject_id = '{people[0]}'"));
    }

    [Fact]
    public async Task No_identifier_is_ever_held_twice_while_two_processes_write_and_a_third_rotates()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var one = await IndexWorld.StartAsync(databases);
        await using var two = await IndexWorld.StartAsync(databases);
        await using var rotating = await IndexWorld.StartAsync(databases, batch: 3);
        await IndexWorld.AddAsync(one, Enumerable.Range(0, 30).Select(number => IndexWorld.Person(number)));
        var done = false;
        var winners = new ConcurrentBag<int>();
        async Task WriteAsync(RunningVault vault)
        {
            for (var number = 100; !Volatile.Read(ref done); number++)
            {
                // New addresses that both want, and one that somebody has had from the beginning.
                var outcomes = await vault.Get<ProfileEditor>().CreateManyAsync(
                    IndexWorld.Ingest, [IndexWorld.Person(number), IndexWorld.Person(number % 30, more: $$"""{"customerNumber":"X-{{Guid.NewGuid()}}"}""")], null, Guid.NewGuid(), default);
                if (outcomes[0].Value is not null) winners.Add(number);
                Assert.Equal("conflict", outcomes[1].Error?.Slug);
            }
        }

        var writers = new[] { WriteAsync(one), WriteAsync(two) };
        for (var turn = 0; turn < 3; turn++)
        {
            await IndexWorld.RotateAsync(rotating, "email");
            Assert.True(await IndexWorld.TurnAsync(rotating));
        }

        Volatile.Write(ref done, true);
        await Task.WhenAll(writers);
        Assert.NotEmpty(winners);
        Assert.Equal(winners.Count, winners.Distinct().Count());
        Assert.Equal(4, (await IndexWorld.RowAsync(one, "email")).Complete!.Value.Epoch);
        Assert.Equal(30 + winners.Count, await IndexWorld.CountAsync(databases, "vault.identifier where index_id = 5 and epoch = 4"));
        Assert.Equal(30 + winners.Count, await IndexWorld.CountAsync(databases, "vault.subject"));
        foreach (var number in winners.Take(5)) Assert.Single(await IndexWorld.FindAsync(two, ("email", SearchCondition.Equal($"person{number}@example.com"))));
    }

    [Fact]
    public async Task Changes_during_a_rotation_are_in_the_new_epoch_whether_the_job_has_passed_the_person_or_not()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var rotating = await IndexWorld.StartAsync(databases, batch: 5);
        await using var writing = await IndexWorld.StartAsync(databases);
        var people = await IndexWorld.AddAsync(rotating, Enumerable.Range(0, 10).Select(number => IndexWorld.Person(number)));
        var index = IndexWorld.Index(rotating, "email");
        await IndexWorld.RotateAsync(rotating, "email");
        Assert.True(await rotating.Get<IndexBuilder>().StepAsync(index, default));
        Assert.True(await rotating.Get<IndexBuilder>().StepAsync(index, default));
        Assert.Equal(5, (await IndexWorld.RowAsync(rotating, "email")).Done);
        foreach (var number in new[] { 1, 8 }) await ChangeEmailAsync(writing, people[number], $"moved{number}@example.com");
        await rotating.Get<IndexBuilder>().FinishAsync(index, default);
        foreach (var number in new[] { 1, 8 })
        {
            Assert.Equal([people[number]], await IndexWorld.FindAsync(writing, ("email", SearchCondition.Equal($"moved{number}@example.com"))));
            Assert.Empty(await IndexWorld.FindAsync(writing, ("email", SearchCondition.Equal($"person{number}@example.com"))));
        }
    }

    [Fact]
    public async Task Bits_and_partitions_change_in_the_background_and_an_index_that_is_not_declared_any_more_goes_with_its_keys()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using (var first = await IndexWorld.StartAsync(databases, IndexWorld.PolicyWith("  names: { id: 1000, on: { familyName: whole }, bits: 3 }")))
            await IndexWorld.AddAsync(first, Enumerable.Range(0, 30).Select(number => IndexWorld.Person(number)));
        await using (var second = await IndexWorld.StartAsync(databases, IndexWorld.PolicyWith("  names: { id: 1000, on: { familyName: whole }, bits: 2, partitions: 3 }")))
        {
            Assert.Equal(3, (await IndexWorld.FindAsync(second, ("familyName", SearchCondition.Equal("Curie")))).Count);
            await IndexWorld.TurnAsync(second);
            Assert.Equal(new IndexShape(2, 2, 3), (await IndexWorld.RowAsync(second, "names")).Complete);
            Assert.Equal(3, (await IndexWorld.FindAsync(second, ("familyName", SearchCondition.Equal("Curie")))).Count);
        }

        await using (var changed = await IndexWorld.StartAsync(databases, IndexWorld.PolicyWith("  names: { id: 1000, on: { familyName: prefix 4 }, bits: 2 }")))
        {
            await Assert.ThrowsAsync<VaultException>(() => IndexWorld.FindAsync(changed, ("familyName", SearchCondition.Equal("Curie"))));
            await IndexWorld.TurnAsync(changed);
            Assert.Equal(3, (await IndexWorld.FindAsync(changed, ("familyName", SearchCondition.Prefix("Curi")))).Count);
        }

        await using var last = await IndexWorld.StartAsync(databases, IndexWorld.PolicyWith("  other: { id: 1002, on: { familyName: prefix 2 }, bits: 2 }"));
        await IndexWorld.TurnAsync(last);
        Assert.Equal(0, await IndexWorld.CountAsync(databases, "vault.search_term where index_id = 1000"));
        Assert.Equal(0, await IndexWorld.CountAsync(databases, "vault.index_plan where index_id = 1000"));
        for (var epoch = 1; epoch <= 3; epoch++) Assert.Null(await last.Get<IndexKeys>().OpenAsync(1000, new IndexShape(epoch, 2, 1), default));
    }

    [Fact]
    public async Task Identifiers_whose_key_is_lost_are_built_again_before_anything_is_served()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using (var vault = await IndexWorld.StartAsync(databases)) await IndexWorld.AddAsync(vault, Enumerable.Range(0, 12).Select(number => IndexWorld.Person(number)));
        await databases.Cluster.ExecuteAsync(databases.KeysName, "update keys.index_epoch set wrapped = null");
        await using var after = await IndexWorld.StartAsync(databases);
        Assert.Single(await IndexWorld.FindAsync(after, ("email", SearchCondition.Equal("person3@example.com"))));
        Assert.Equal("conflict", (await Assert.ThrowsAsync<VaultException>(() => IndexWorld.AddAsync(after, [IndexWorld.Person(3, more: """{"customerNumber":"n"}""")]))).Slug);
        await IndexWorld.TurnAsync(after);
        Assert.Equal(4, (await IndexWorld.FindAsync(after, ("familyName", SearchCondition.Prefix("Hop")))).Count);
        Assert.Equal(0, await IndexWorld.CountAsync(databases, "vault.identifier where epoch = 1"));
    }

    [Fact]
    public async Task What_a_vault_held_before_there_were_epochs_is_found_and_rotated_away_from_its_derived_key()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using (var vault = await IndexWorld.StartAsync(databases))
        {
            var people = await IndexWorld.AddAsync(vault, Enumerable.Range(0, 5).Select(number => IndexWorld.Person(number)));
            await databases.Cluster.ExecuteAsync(databases.VaultName, "truncate vault.identifier, vault.search_term, vault.index_plan");
            var email = vault.Get<KeyRegistry>().Index(5);
            foreach (var (subject, number) in people.Select((subject, number) => (subject, number)))
            {
                await databases.Cluster.ExecuteAsync(
                    databases.VaultName, $"insert into vault.identifier (lookup, index_id, subject_id) values ('\\x{Convert.ToHexString(email.Term($"person{number}@example.com"))}', 5, '{subject}')");
            }

            await databases.Cluster.ExecuteAsync(databases.VaultName, "insert into vault.index_plan (index_id, signature, state, epoch, bits, partitions) values (5, '', 'ready', 0, 128, 1)");
        }

        await using var upgraded = await IndexWorld.StartAsync(databases);
        Assert.Single(await IndexWorld.FindAsync(upgraded, ("email", SearchCondition.Equal("person2@example.com"))));
        await IndexWorld.TurnAsync(upgraded);
        Assert.Single(await IndexWorld.FindAsync(upgraded, ("email", SearchCondition.Equal("person2@example.com"))));
        Assert.Equal(0, await IndexWorld.CountAsync(databases, "vault.identifier where epoch = 0"));
    }

    [Fact]
    public async Task An_index_is_rotated_when_it_is_old_enough()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        var clock = new ManualClock(new DateTimeOffset(2026, 6, 15, 12, 0, 0, TimeSpan.Zero));
        await using var vault = await IndexWorld.StartAsync(databases, clock: clock);
        await IndexWorld.AddAsync(vault, [IndexWorld.Person(1)]);
        clock.Advance(TimeSpan.FromDays(89));
        await IndexWorld.TurnAsync(vault);
        Assert.Equal(1, (await IndexWorld.RowAsync(vault, "email")).Complete!.Value.Epoch);
        clock.Advance(TimeSpan.FromDays(1));
        await IndexWorld.TurnAsync(vault);
        Assert.Equal(2, (await IndexWorld.RowAsync(vault, "email")).Complete!.Value.Epoch);
        Assert.Single(await IndexWorld.FindAsync(vault, ("email", SearchCondition.Equal("person1@example.com"))));
    }

    [Fact]
    public async Task An_identifier_that_several_people_hold_cannot_become_unique()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using (var before = await IndexWorld.StartAsync(databases))
            await IndexWorld.AddAsync(before, [IndexWorld.Person(1, more: """{"phone":"+491700000001"}"""), IndexWorld.Person(2, more: """{"phone":"+491700000001"}""")]);
        var policy = Repository.ChangedPolicy(("catalogue.yaml", "category: \"pd:TelephoneNumber\", index: equality", "category: \"pd:TelephoneNumber\", index: unique"));
        await using var vault = await IndexWorld.StartAsync(databases, policy);
        Assert.Equal(IndexStates.Refused, (await IndexWorld.RowAsync(vault, "phone")).State);
        var error = await Assert.ThrowsAsync<VaultException>(() => IndexWorld.FindAsync(vault, ("phone", SearchCondition.Equal("+491700000001"))));
        Assert.Contains("cannot be unique", error.Errors[0].Message, StringComparison.Ordinal);
        await IndexWorld.AddAsync(vault, [IndexWorld.Person(3, more: """{"phone":"+491700000001"}""")]);
    }

    private static Task<WriteOutcome> ChangeEmailAsync(RunningVault vault, SubjectId subject, string email) => vault.Get<ProfileEditor>().PatchAsync(
        StoreVault.Ingest, subject, 1, new ProfilePatch(new Dictionary<string, System.Text.Json.JsonElement> { ["email"] = IndexWorld.Json($"\"{email}\"") }, "crm", null, null, "service-delivery"),
        Guid.NewGuid(), default);
}
