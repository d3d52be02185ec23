using System.Globalization;
using Spectre.Console;

namespace DataVault.Cli.Import;

/// <summary>Shows how far an import is: a bar on a terminal, a line every few seconds elsewhere. Writes to standard error.</summary>
internal sealed class ImportProgress(TextWriter error, bool terminal, TimeProvider time)
{
    private static readonly TimeSpan s_every = TimeSpan.FromSeconds(5);

    public Task<Account> ShowAsync(SourceFile input, long alreadyRead, Func<Action<Account>, Task<Account>> run) =>
        terminal ? BarAsync(input, alreadyRead, run) : LinesAsync(input, alreadyRead, run);

    private async Task<Account> BarAsync(SourceFile input, long alreadyRead, Func<Action<Account>, Task<Account>> run)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(error) });
        var account = Account.Empty;
        await console.Progress().AutoClear(true)
            .Columns(new ProgressBarColumn(), new PercentageColumn(), new TaskDescriptionColumn())
            .StartAsync(async context =>
            {
                var pace = new Pace(time, alreadyRead, input.Progress);
                var bar = context.AddTask("starting", maxValue: 1);
                account = await run(now =>
                {
                    bar.Value = input.Progress;
                    bar.Description = pace.Say(now, input.Progress);
                });
            });
        return account;
    }

    private async Task<Account> LinesAsync(SourceFile input, long alreadyRead, Func<Action<Account>, Task<Account>> run)
    {
        var pace = new Pace(time, alreadyRead, input.Progress);
        var last = time.GetTimestamp();
        return await run(now =>
        {
            if (time.GetElapsedTime(last) < s_every) return;
            last = time.GetTimestamp();
            error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{input.Progress:P0}  {pace.Say(now, input.Progress)}"));
        });
    }

    private sealed class Pace(TimeProvider time, long startLines, double startProgress)
    {
        private readonly long _started = time.GetTimestamp();

        public string Say(Account now, double progress)
        {
            var elapsed = time.GetElapsedTime(_started);
            var rate = elapsed > TimeSpan.Zero ? (now.Read - startLines) / elapsed.TotalSeconds : 0;
            var gone = progress - startProgress;
            var left = gone > 0 ? elapsed * ((1 - progress) / gone) : (TimeSpan?)null;
            return string.Create(CultureInfo.InvariantCulture, $"{now.Read:N0} lines, {rate:N0} a second, {Words(left)} left, {now.Rejected:N0} rejected");
        }

        private static string Words(TimeSpan? left) => left switch
        {
            null => "?",
            { TotalHours: >= 1 } hours => string.Create(CultureInfo.InvariantCulture, $"{(int)hours.TotalHours} h {hours.Minutes} min"),
            { TotalMinutes: >= 1 } minutes => string.Create(CultureInfo.InvariantCulture, $"{minutes.Minutes} min {minutes.Seconds} s"),
            { } seconds => string.Create(CultureInfo.InvariantCulture, $"{seconds.Seconds} s"),
        };
    }
}
