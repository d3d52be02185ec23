using System.Collections.Frozen;
using DataVault.Policy;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Credentials that are stopped for a purpose. Asked on every read, so they are kept in memory: this process knows its own at once and those of others, and
/// their release, within a second (<see cref="WatchKeeper"/>).
/// </summary>
internal sealed class Brakes(VaultDatabase database, AuditLog log, OversightMemory memory, VaultClock clock)
{
    private readonly Lock gate = new();
    private FrozenDictionary<(Guid Actor, string Purpose), DateTimeOffset> stops = FrozenDictionary<(Guid, string), DateTimeOffset>.Empty;

    public bool AreOff => Volatile.Read(ref stops).Count == 0;

    /// <summary>How long the credential is still stopped; null when it is not.</summary>
    public TimeSpan? Wait(Recipient recipient, string purpose)
    {
        var known = Volatile.Read(ref stops);
        if (known.Count == 0 || !known.TryGetValue((EntryShape.TagOf(log.TagOf(recipient)), purpose), out var until)) return null;
        var left = until - clock.Now;
        return left > TimeSpan.Zero ? left : null;
    }

    /// <inheritdoc cref="OversightMemory.TidyAsync"/>
    public Task TidyAsync(CancellationToken ct) => memory.TidyAsync(ct);

    /// <summary>What this process has found out itself.</summary>
    public void Know(Guid actor, string purpose, DateTimeOffset until)
    {
        lock (gate) Volatile.Write(ref stops, stops.Append(new((actor, purpose), until)).GroupBy(stop => stop.Key).ToFrozenDictionary(group => group.Key, group => group.Max(stop => stop.Value)));
    }

    /// <summary>Reads what all processes know. Returns those that are stopped no longer.</summary>
    public async Task<IReadOnlyList<(Guid Actor, string Purpose)>> RefreshAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select actor_tag, purpose, until from vault.brake where until > $1");
        command.Parameters.Add(new() { Value = clock.Now.UtcDateTime });
        var before = Volatile.Read(ref stops);
        var rows = await Rows.ReadAsync(command, row => (Key: (row.GetGuid(0), row.GetString(1)), Until: row.GetFieldValue<DateTimeOffset>(2)), ct);
        lock (gate)
        {
            // What became known here while the rows were read stays.
            var own = ReferenceEquals(before, stops) ? [] : stops.Where(stop => !before.ContainsKey(stop.Key));
            var after = rows.Select(row => KeyValuePair.Create(row.Key, row.Until)).Concat(own).GroupBy(stop => stop.Key).ToFrozenDictionary(group => group.Key, group => group.Max(stop => stop.Value));
            List<(Guid, string)> lifted = [.. stops.Keys.Where(key => !after.ContainsKey(key))];
            Volatile.Write(ref stops, after);
            return lifted;
        }
    }

    /// <summary>Stops a credential in the transaction of the alert that says so; false when it is stopped already.</summary>
    public async Task<bool> PullAsync(DutyWork work, (Guid Actor, string Purpose) whom, Guid alert, DateTimeOffset until)
    {
        await using var command = new NpgsqlCommand(
            """
            insert into vault.brake (actor_tag, purpose, alert_id, until) values ($1, $2, $3, $4)
            on conflict (actor_tag, purpose) do update set alert_id = excluded.alert_id, until = excluded.until where brake.until <= $5
            """, work.Connection, work.Transaction)
        {
            Parameters =
            {
                new() { Value = whom.Actor }, new() { Value = whom.Purpose }, new() { Value = alert }, new() { Value = until.UtcDateTime }, new() { Value = clock.Now.UtcDateTime },
            },
        };
        return await command.ExecuteNonQueryAsync(work.Cancellation) == 1;
    }

    /// <summary>Lets the credential go on, with its budget whole again; false when the alert stops nobody.</summary>
    public static async Task<bool> ReleaseAsync(DutyWork work, Guid alert)
    {
        // In the order in which those who count lock them.
        await using (var locked = new NpgsqlCommand(
            """
            select 1 from vault.budget b join vault.brake k on k.alert_id = $1 and b.actor_tag = k.actor_tag and b.purpose = k.purpose
            order by b.starts_at desc, b.span desc for update of b
            """, work.Connection, work.Transaction)
        { Parameters = { new() { Value = alert } } })
        {
            await locked.ExecuteNonQueryAsync(work.Cancellation);
        }

        await using var command = new NpgsqlCommand(
            """
            with released as (delete from vault.brake where alert_id = $1 returning actor_tag, purpose),
            fresh as (delete from vault.budget b using released r where b.actor_tag = r.actor_tag and b.purpose = r.purpose),
            forgotten as (delete from vault.budget_mark m using released r where m.actor_tag = r.actor_tag and m.purpose = r.purpose)
            select count(*) from released
            """, work.Connection, work.Transaction)
        {
            Parameters = { new() { Value = alert } },
        };
        return await command.ExecuteScalarAsync(work.Cancellation) is > 0L;
    }
}
