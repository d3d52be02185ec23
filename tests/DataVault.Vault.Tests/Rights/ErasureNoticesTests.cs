using DataVault.Testing;
using System.Text.Json;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

public sealed class ErasureNoticesTests : IAsyncLifetime
{
    private readonly RecordedCalls calls = new();
    private RightsWorld world = null!;

    public async ValueTask InitializeAsync() => world = await RightsWorld.CreateAsync();

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    [Requirement("R41", "R60")]
    public async Task A_message_is_delivered_at_least_once_with_one_id_and_nothing_of_it_stands_in_the_table_in_clear()
    {
        var outbox = world.Vault.Get<OutboxStore>();
        var worker = new OutboxWorker(outbox, world.Vault.Get<LetterMail>(), world.Vault.Get<VaultClock>(), Microsoft.Extensions.Logging.Abstractions.NullLogger<OutboxWorker>.Instance, [calls], world.Vault.Get<RecipientNotices>());
        var message = new OutboxMessage(Guid.NewGuid(), "test", "billing", JsonSerializer.SerializeToUtf8Bytes("planted-reference"), 0);
        await world.Vault.Get<VaultDatabase>().RunAsync(async (connection, transaction) =>
        {
            await outbox.EnqueueAsync(connection, transaction, message, default);
            await outbox.EnqueueAsync(connection, transaction, message, default);
            return true;
        }, default);
        Assert.Empty(await world.TablesNamingAsync("planted-reference"));
        calls.Fails = true;
        Assert.Equal(0, await worker.RunAsync(default));
        Assert.Equal((1, 0), await StateAsync(outbox));
        world.Clock.Advance(TimeSpan.FromSeconds(11));
        calls.Fails = false;
        worker.Delivered = () => throw new InvalidOperationException("cut off");
        await Assert.ThrowsAsync<InvalidOperationException>(() => worker.RunAsync(default));
        worker.Delivered = static () => { };
        Assert.Equal(0, await worker.RunAsync(default));
        world.Clock.Advance(TimeSpan.FromMinutes(3));
        Assert.Equal(1, await worker.RunAsync(default));
        Assert.Equal((0, 0), await StateAsync(outbox));
        Assert.Equal([message.Id, message.Id], calls.Received);
    }

    [Fact]
    public async Task A_message_that_somebody_damaged_keeps_no_other_from_being_delivered()
    {
        var outbox = world.Vault.Get<OutboxStore>();
        var worker = new OutboxWorker(outbox, world.Vault.Get<LetterMail>(), world.Vault.Get<VaultClock>(), Microsoft.Extensions.Logging.Abstractions.NullLogger<OutboxWorker>.Instance, [calls], world.Vault.Get<RecipientNotices>());
        OutboxMessage[] messages = [.. Enumerable.Range(0, 3).Select(i => new OutboxMessage(Guid.NewGuid(), "test", "billing", [(byte)i], 0))];
        await world.Vault.Get<VaultDatabase>().RunAsync(async (connection, transaction) =>
        {
            foreach (var message in messages) await outbox.EnqueueAsync(connection, transaction, message, default);
            return true;
        }, default);
        await world.ExecuteAsync($"update vault.outbox set sealed = set_byte(sealed, 30, get_byte(sealed, 30) # 1) where message_id = '{messages[1].Id}'");
        Assert.Equal(2, await worker.RunAsync(default));
        Assert.Equal(new[] { messages[0].Id, messages[2].Id }.Order(), calls.Received.Order());
        Assert.Equal((1, 0), await StateAsync(outbox));
    }

    [Fact]
    public async Task What_waits_behind_a_slow_recipient_is_delivered_once_although_others_take_part()
    {
        var outbox = world.Vault.Get<OutboxStore>();
        OutboxWorker Worker(IRecipientCalls by) => new(outbox, world.Vault.Get<LetterMail>(), world.Vault.Get<VaultClock>(), Microsoft.Extensions.Logging.Abstractions.NullLogger<OutboxWorker>.Instance, [by], world.Vault.Get<RecipientNotices>());
        var slow = new SlowCalls(calls, world.Clock, Worker(calls));
        OutboxMessage[] messages = [.. Enumerable.Range(0, 4).Select(i => new OutboxMessage(Guid.NewGuid(), "test", "billing", [(byte)i], 0))];
        foreach (var message in messages)
        {
            await world.Vault.Get<VaultDatabase>().RunAsync(async (connection, transaction) =>
            {
                await outbox.EnqueueAsync(connection, transaction, message, default);
                return true;
            }, default);
        }

        await Worker(slow).RunAsync(default);
        Assert.Equal(messages.Select(message => message.Id).Order(), calls.Received.Order());
        Assert.Equal((0, 0), await StateAsync(outbox));
    }

    [Fact]
    [Requirement("R60")]
    public void Pauses_grow_and_the_dead_are_tried_once_a_day()
    {
        var pauses = Enumerable.Range(1, OutboxStore.DeadAfter).Select(OutboxStore.PauseAfter).ToList();
        Assert.Equal(pauses.Order(), pauses);
        Assert.Equal((TimeSpan.FromSeconds(10), TimeSpan.FromDays(1)), (pauses[0], pauses[^1]));
    }

    private static async Task<(long, long)> StateAsync(OutboxStore outbox)
    {
        var state = await outbox.StateAsync(default);
        return (state.Waiting, state.Dead);
    }

    /// <summary>Each call takes eighty seconds, and at the end of the second another process looks for work.</summary>
    private sealed class SlowCalls(RecordedCalls calls, ManualClock clock, OutboxWorker other) : IRecipientCalls
    {
        private int called;

        public async Task CallAsync(RecipientCall call, CancellationToken cancellation)
        {
            clock.Advance(TimeSpan.FromSeconds(80));
            if (++called == 2) await other.RunAsync(cancellation);
            await calls.CallAsync(call, cancellation);
        }
    }

    private sealed class RecordedCalls : IRecipientCalls
    {
        public bool Fails { get; set; }

        public List<Guid> Received { get; } = [];

        public Task CallAsync(RecipientCall call, CancellationToken cancellation)
        {
            if (Fails) throw new RecipientCallException("unreachable");
            Received.Add(call.Id);
            return Task.CompletedTask;
        }
    }
}
