using DataVault.Policy;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// What time does to letters: people are reminded once of a package that waits and of a question they have not answered, officers once a day of requests whose time
/// runs out, and letters to people who were erased are deleted when they have been kept long enough. Several processes may.
/// </summary>
internal sealed class LetterRounds(RequestReminders reminders, DeadlineDigest digest, PartingLetters parting, ActivePolicy policy, VaultClock clock, ILogger<LetterRounds> logger)
    : RoundsWorker(clock.Provider, logger)
{
    protected override TimeSpan Rhythm => TimeSpan.FromMinutes(1);

    public override async Task<bool> RoundAsync(CancellationToken cancellation)
    {
        await policy.EnsureNewestAsync(cancellation);
        using var taken = policy.Take();
        return await TryAsync("reminders to people", reminders.RunAsync, cancellation)
            & await TryAsync("the digest of deadlines", digest.RunAsync, cancellation)
            & await TryAsync("letters that were kept long enough", parting.SweepAsync, cancellation);
    }
}

/// <summary>Reminds people, each once of each thing: that there is such a letter is the memory of it.</summary>
internal sealed class RequestReminders(RequestStore store, LetterBook letters, VaultDatabase database)
{
    /// <summary>So long a package waits before its person is reminded.</summary>
    public static readonly TimeSpan PackageWaits = TimeSpan.FromDays(7);

    /// <summary>So long before the end of the time for an answer somebody is reminded.</summary>
    public static readonly TimeSpan AnswerNear = TimeSpan.FromDays(7);

    private const int Most = 500;

    // To whom nobody writes must not fill the round of those to whom somebody does: see LetterAbout.
    private const string OfPeople = $"r.opened_by <> 'retention' and not starts_with(r.opened_by, '{OpenDsrCourier.RecipientPrefix}')";

    /// <returns>How many were reminded.</returns>
    public async Task<int> RunAsync(CancellationToken ct)
    {
        var done = 0;
        await Separately.EachAsync(await DueAsync(ct), async due =>
        {
            if (await RemindAsync(due.Request, due.Kind, ct)) done++;
        }, static (_, _) => { }, ct);
        return done;
    }

    private async Task<List<(Guid Request, LetterKind Kind)>> DueAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            $"""
            select r.request_id, true from vault.request r
            where r.package_key is not null and r.completed_at <= $1 and r.package_expires_at > $2 and {OfPeople} and {NotYet("package-waiting")}
            union all select r.request_id, false from vault.request r
            where r.answer_by > $2 and r.answer_by <= $3 and {OfPeople} and {NotYet("answer-awaited")}
            limit {Most}
            """);
        command.Parameters.Add(new() { Value = (store.Now - PackageWaits).UtcDateTime });
        command.Parameters.Add(new() { Value = store.Now.UtcDateTime });
        command.Parameters.Add(new() { Value = (store.Now + AnswerNear).UtcDateTime });
        return await Rows.ReadAsync(command, row => (row.GetGuid(0), row.GetBoolean(1) ? LetterKind.PackageWaiting : LetterKind.AnswerAwaited), ct);
    }

    private static string NotYet(string letter) => $"not exists (select from vault.message m where m.subject_id = r.subject_id and m.request_id = r.request_id and m.letter = '{letter}')";

    private Task<bool> RemindAsync(Guid request, LetterKind kind, CancellationToken ct) => store.TransactAsync(async (connection, transaction) =>
    {
        var work = new DutyWork(connection, transaction, ct);
        var row = await store.LockAsync(connection, request, ct);
        // Under the lock: fetched, answered, or reminded by another process meanwhile.
        var until = kind == LetterKind.PackageWaiting ? row.PackageKey is null ? null : row.PackageExpires : AnswerBy(row);
        if (until is null || until <= store.Now || await LetterStore.ExistsAsync(work, row, LetterKinds.NameOf(kind))) return false;
        using var letter = await letters.WriteAsync(work, LetterAbout.Of(row), new LetterOrder(kind) { Until = until }, request);
        if (letter is null) return false;
        await letters.KeepAsync(work, letter, await store.AppendAsync(connection, transaction, letter.Entry, ct));
        return true;
    }, ct);

    // Not before half of the time is over, however short it is.
    private DateTimeOffset? AnswerBy(RequestRow row) => row.Course.Questions.Where(question => question.Until is null).MinBy(question => question.AnswerBy) is { } question
        && store.Now >= question.From + ((question.AnswerBy - question.From) / 2) ? question.AnswerBy : null;
}
