using DataVault.Testing;
using Microsoft.Extensions.Logging;
using Xunit;

namespace DataVault.Vault.Tests;

/// <summary>Work in the background: what fails is tried again, ever more rarely, said once, and stops nothing else.</summary>
public sealed class RoundsWorkerTests
{
    [Fact]
    public async Task A_round_that_fails_is_tried_again_ever_more_rarely_until_it_goes_well()
    {
        var log = new RecordedLog();
        using var worker = new Worker(log, rounds: 10, round => round is > 1 and < 9 ? throw new InvalidOperationException("a value of somebody") : true);
        await worker.RunAsync();
        Assert.Equal([5, 1, 2, 4, 8, 16, 32, 60, 5, 5], worker.Pauses.Select(pause => (int)pause.TotalSeconds));
        Assert.Equal(["Worker: round failed (InvalidOperationException); it is tried again.", "Worker: round works again."], log.Said);
    }

    [Fact]
    public async Task A_part_that_fails_keeps_no_other_from_being_done_and_the_round_is_tried_again_soon()
    {
        var log = new RecordedLog();
        using var worker = new Worker(log, rounds: 3, _ => false);
        await worker.RunAsync();
        Assert.Equal([1, 2, 4], worker.Pauses.Select(pause => (int)pause.TotalSeconds));
    }

    [Fact]
    public async Task Each_item_has_its_turn_whichever_fails_and_the_first_failure_is_thrown_in_the_end()
    {
        var (done, failed) = (new List<int>(), new List<int>());
        var thrown = await Assert.ThrowsAsync<InvalidOperationException>(() => Separately.EachAsync(
            [1, 2, 3, 4],
            item =>
            {
                done.Add(item);
                return item % 2 == 0 ? throw new InvalidOperationException($"{item}") : Task.CompletedTask;
            },
            (item, _) => failed.Add(item), default));
        Assert.Equal(("2", "1 2 3 4", "2 4"), (thrown.Message, string.Join(' ', done), string.Join(' ', failed)));
    }

    private sealed class Worker(ILogger logger, int rounds, Func<int, bool> work) : RoundsWorker(new ManualClock(DateTimeOffset.UnixEpoch), logger)
    {
        private readonly CancellationTokenSource end = new();

        public List<TimeSpan> Pauses { get; } = [];

        protected override TimeSpan Rhythm => TimeSpan.FromSeconds(5);

        public Task RunAsync() => ExecuteAsync(end.Token);

        public override Task<bool> RoundAsync(CancellationToken cancellation) => Task.FromResult(work(Pauses.Count + 1));

        public override void Dispose()
        {
            end.Dispose();
            base.Dispose();
        }

        protected override Task RestAsync(TimeSpan pause, CancellationToken cancellation)
        {
            Pauses.Add(pause);
            return Pauses.Count == rounds ? end.CancelAsync() : Task.CompletedTask;
        }
    }

    private sealed class RecordedLog : ILogger
    {
        public List<string> Said { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel > LogLevel.Debug) Said.Add(formatter(state, exception));
        }
    }
}
