using System.Collections.Frozen;
using System.Text;
using DataVault.Policy;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Credentials that are stopped for a purpose. Asked on every read, so they are kept in memory: this process knows its own at once and those of others, and
/// their release, within a second (<see cref="WatchKeeper"/>).
/// </summary>
internal sealed class Brakes(VaultDatabase database, AuditLog log, OversightMemory memory, VaultClock clock)
{
    private const int GuidSize = 16;
    private const string Whose = "(actor_tag, purpose) in (select * from unnest($1, $2))";

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

    /// <summary>What this process has found out itself, once it is committed: it is kept, so that nobody lifts it in the vault database.</summary>
    public async Task KnowAsync(Guid actor, string purpose, Guid alert, DateTimeOffset until, CancellationToken ct)
    {
        lock (gate) Volatile.Write(ref stops, Latest(stops.Append(new((actor, purpose), until))));
        await memory.KeepAsync([new Kept(OversightMemory.Brake, IdOf(actor, purpose)) { Value = alert.ToByteArray(bigEndian: true), Until = until }], ct);
    }

    /// <summary>Reads what all processes know. Returns those that are stopped no longer.</summary>
    public async Task<IReadOnlyList<(Guid Actor, string Purpose)>> RefreshAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select actor_tag, purpose, until from vault.brake where until > $1");
        command.Parameters.Add(new() { Value = clock.Now.UtcDateTime });
        var before = Volatile.Read(ref stops);
        var rows = await Rows.ReadAsync(command, row => KeyValuePair.Create((row.GetGuid(0), row.GetString(1)), row.GetFieldValue<DateTimeOffset>(2)), ct);
        rows.AddRange(await KeptAsync(before, ct));
        lock (gate)
        {
            // What became known here while the rows were read stays.
            var own = ReferenceEquals(before, stops) ? [] : stops.Where(stop => !before.ContainsKey(stop.Key));
            var after = Latest(rows.Concat(own));
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
    public async Task<bool> ReleaseAsync(DutyWork work, Guid alert)
    {
        var whom = await StoppedByAsync(work, alert);
        if (whom.Count == 0) return false;
        var (actors, purposes) = (whom.Select(one => one.Actor).ToArray(), whom.Select(one => one.Purpose).ToArray());
        // In the order in which those who count lock them.
        await ExecuteAsync(work, $"select 1 from vault.budget where {Whose} order by starts_at desc, span desc for update", actors, purposes);
        await memory.ForgetAsync(OversightMemory.Brake, [.. whom.Select(one => IdOf(one.Actor, one.Purpose))], work.Cancellation);
        await memory.ForgetAsync(OversightMemory.Budget, [.. whom.SelectMany(one => DisclosureBudgets.IdsAt(one.Actor, one.Purpose, clock.Now))], work.Cancellation);
        foreach (var table in (string[])["vault.brake", "vault.budget", "vault.budget_mark"]) await ExecuteAsync(work, $"delete from {table} where {Whose}", actors, purposes);
        return true;
    }

    /// <summary>Whom a kept brake stops.</summary>
    public static (Guid Actor, string Purpose) WhomOf(Kept kept) => (new Guid(kept.Id.AsSpan(0, GuidSize), bigEndian: true), Encoding.UTF8.GetString(kept.Id.AsSpan(GuidSize)));

    private static byte[] IdOf(Guid actor, string purpose) => [.. actor.ToByteArray(bigEndian: true), .. Encoding.UTF8.GetBytes(purpose)];

    private static FrozenDictionary<(Guid, string), DateTimeOffset> Latest(IEnumerable<KeyValuePair<(Guid, string), DateTimeOffset>> stops) =>
        stops.GroupBy(stop => stop.Key).ToFrozenDictionary(group => group.Key, group => group.Max(stop => stop.Value));

    // While the keys are away nobody is let go.
    private async Task<IEnumerable<KeyValuePair<(Guid, string), DateTimeOffset>>> KeptAsync(FrozenDictionary<(Guid, string), DateTimeOffset> before, CancellationToken ct)
    {
        try
        {
            return (await memory.ReadAsync(OversightMemory.Brake, ct)).Select(kept => KeyValuePair.Create(WhomOf(kept), kept.Until!.Value));
        }
        catch (Exception e) when (DatabaseFailure.IsOutage(e))
        {
            return before;
        }
    }

    // By what is kept too: an officer lets go whom nobody can find in the rows any more.
    private async Task<IReadOnlyList<(Guid Actor, string Purpose)>> StoppedByAsync(DutyWork work, Guid alert)
    {
        await using var command = new NpgsqlCommand("select actor_tag, purpose from vault.brake where alert_id = $1", work.Connection, work.Transaction) { Parameters = { new() { Value = alert } } };
        var rows = await Rows.ReadAsync(command, row => (row.GetGuid(0), row.GetString(1)), work.Cancellation);
        var kept = (await memory.ReadAsync(OversightMemory.Brake, work.Cancellation)).Where(one => one.Value.AsSpan().SequenceEqual(alert.ToByteArray(bigEndian: true)));
        return [.. rows.Concat(kept.Select(WhomOf)).Distinct()];
    }

    private static async Task ExecuteAsync(DutyWork work, string sql, Guid[] actors, string[] purposes)
    {
        await using var command = new NpgsqlCommand(sql, work.Connection, work.Transaction) { Parameters = { new() { Value = actors }, new() { Value = purposes } } };
        await command.ExecuteNonQueryAsync(work.Cancellation);
    }
}
