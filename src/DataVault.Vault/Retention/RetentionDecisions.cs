using DataVault.Policy;
using DataVault.Transparency;
using Npgsql;

namespace DataVault.Vault;

/// <summary>An automated decision that has been kept long enough.</summary>
internal sealed record DecisionDue(Guid Id, RetentionRule Rule);

/// <summary>
/// Automated decisions among what is kept of a person: each by the retention rule of its model, counted from when it was recorded, decided, or from the last activity, as the rule has it. What a
/// model decided that is declared no more stays until the person is erased: nothing says how long it is kept.
/// </summary>
internal static class RetentionDecisions
{
    private const int Most = 500;

    /// <param name="connection">Of the transaction that holds the person's row.</param>
    /// <param name="due">What is due besides.</param>
    /// <param name="schedule">In force.</param>
    /// <param name="look">By what clock, and whether anything may be forgotten now.</param>
    /// <param name="ct">Ends the look.</param>
    public static async Task<PersonDue> AddAsync(NpgsqlConnection connection, PersonDue due, RetentionSchedule schedule, (DateTimeOffset Now, bool MayForget) look, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select decision_id, model, decided_at, recorded_at from vault.automated_decision where subject_id = $1 order by decision_id", connection)
        {
            Parameters = { new() { Value = due.Record.Subject.Value } },
        };
        var all = await Rows.ReadAsync(command, row => (Id: row.GetGuid(0), Model: row.GetString(1), Decided: row.GetFieldValue<DateTimeOffset>(2), Recorded: row.GetFieldValue<DateTimeOffset>(3)), ct);
        if (all.Count == 0) return due;
        var (over, next) = (new List<DecisionDue>(), due.LookAt);
        foreach (var one in all)
        {
            if (schedule.Models.FirstOrDefault(model => model.Name == one.Model)?.Retention is not { } rule) continue;
            var from = rule.Trigger switch { RetentionRule.LastActivity => due.ActiveAt, RetentionRule.Occurred => one.Decided, _ => one.Recorded };
            var at = from.ToUniversalTime().AddMonths(rule.Months);
            if (at <= look.Now) over.Add(new DecisionDue(one.Id, rule));
            else if (at < next) next = at;
        }

        var frozen = over.Count > 0 && !look.MayForget;
        if (frozen && look.Now + RetentionEye.Again < next) next = look.Now + RetentionEye.Again;
        if (!frozen && over.Count > Most) next = look.Now;
        return due with
        {
            Decisions = frozen ? [] : [.. over.Take(Most)],
            Frozen = due.Frozen || frozen,
            LookAt = next,
            Whole = due.Whole && !frozen && over.Count == all.Count,
        };
    }

    /// <summary>Deletes them; an entry of each, so that nobody misses it.</summary>
    /// <param name="connection">Of the transaction that holds the person's row.</param>
    /// <param name="due">What is due.</param>
    /// <param name="about">The entry of the sweep about this person.</param>
    /// <param name="ct">Ends it.</param>
    public static async Task<IReadOnlyList<LogEntry>> ForgetAsync(NpgsqlConnection connection, PersonDue due, LogEntry about, CancellationToken ct)
    {
        if (due.Decisions.Count == 0) return [];
        await using var command = new NpgsqlCommand("delete from vault.automated_decision where subject_id = $1 and decision_id = any($2)", connection)
        {
            Parameters = { new() { Value = due.Record.Subject.Value }, new NpgsqlParameter<Guid[]> { TypedValue = [.. due.Decisions.Select(one => one.Id)] } },
        };
        await command.ExecuteNonQueryAsync(ct);
        return
        [
            .. due.Decisions.Select(one => about with
            {
                Type = EntryType.DecisionChange, Items = [], Rules = [DecisionLog.Of(one.Id), DecisionLog.StateRule + DecisionLog.Forgotten, "retention:" + one.Rule.Name],
            }),
        ];
    }
}
