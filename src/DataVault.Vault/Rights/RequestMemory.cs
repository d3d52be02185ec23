using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Remembers in the keys database which entry put each request where it stands, so that a row that the vault wrote once and somebody put back is not carried
/// out again.
/// <code>
/// begin   the row's entry, which was checked under the row's lock, is the oldest that the row may name from now on
/// note    the entry of the change, under the lock of the log's head, before the commit
/// ask     older than what was begun: put back.  older than what was noted: put back if that entry is about the request, for otherwise it was never committed
/// </code>
/// INVARIANT: nothing is to be done after the commit, so that no crash leaves a window.
/// </summary>
internal sealed class RequestMemory(KeysDatabase keys, LogStore log, LogMirror mirror)
{
    private const byte Kind = 1;

    /// <summary>Before the head of the log is locked: a keys database that is away is met here.</summary>
    public Task BeginAsync(Guid request, long index, CancellationToken ct) =>
        WriteAsync("greatest(m.version, excluded.version), greatest(m.pending, excluded.pending)", [(request, index)], ct);

    /// <summary>The entry of a change that is about to be committed.</summary>
    public Task NoteAsync(Guid request, long index, CancellationToken ct) => WriteAsync("m.version, greatest(m.pending, excluded.pending)", [(request, index)], ct);

    public async Task<bool> IsNewestAsync(Guid request, long index, CancellationToken ct) => (await OlderAsync([(request, index)], ct)).Count == 0;

    /// <summary>Of these rows those that are older than they were.</summary>
    public async Task<HashSet<Guid>> OlderAsync(IReadOnlyList<(Guid Request, long Index)> rows, CancellationToken ct) =>
        [.. (await RememberedAsync(rows, ct)).Select(one => one.Request)];

    /// <summary>
    /// Rows that a believed restore explains are as old as they are by right: what is remembered of them was lost by it, and they are what they were before.
    /// </summary>
    /// <returns>How many.</returns>
    public async Task<int> AcceptAsync(IReadOnlyList<DeclaredRestore> believed, IReadOnlyList<(Guid Request, long Index)> rows, CancellationToken ct)
    {
        var older = await RememberedAsync(rows, ct);
        var explained = older.SelectMany(one => believed.Where(restore => one.Index < restore.From && one.Newest >= restore.From && one.Newest < restore.Index).Take(1)
            .Select(restore => (one.Request, one.Index, restore.From))).ToList();
        if (explained.Count == 0) return 0;
        var told = await ToldSinceAsync(explained, ct);
        (Guid, long)[] taken = [.. explained.Where(one => !told.Contains(one.Request)).Select(one => (one.Request, one.Index))];
        if (taken.Length > 0) await WriteAsync("excluded.version, excluded.pending", taken, ct);
        return taken.Length;
    }

    // From the mirror, which whoever writes to the database does not reach: an entry about a request between the row's own and the restore makes the row older than that.
    private async Task<HashSet<Guid>> ToldSinceAsync(List<(Guid Request, long Index, long From)> rows, CancellationToken ct)
    {
        var (wanted, told) = (rows.ToDictionary(one => RuleOf(one.Request)), new HashSet<Guid>());
        var index = rows.Min(one => one.Index);
        await foreach (var encoded in mirror.EntriesAsync(index, rows.Max(one => one.From), ct))
        {
            foreach (var rule in ChangesIn(LogEntry.Decode(encoded)))
            {
                if (wanted.TryGetValue(rule, out var row) && index > row.Index && index < row.From) told.Add(row.Request);
            }

            index++;
        }

        return told;
    }

    private async Task<List<(Guid Request, long Index, long Newest)>> RememberedAsync(IReadOnlyList<(Guid Request, long Index)> rows, CancellationToken ct)
    {
        if (rows.Count == 0) return [];
        await using var command = keys.Source.CreateCommand(
            "select u.n, m.version, m.pending from unnest($1, $2) as u (n, i) join keys.newest_row m on m.name = u.n where m.pending > u.i");
        Add(command, rows);
        var by = rows.ToDictionary(row => Convert.ToHexString(NameOf(row.Request)));
        var behind = (await Rows.ReadAsync(command, row => (Row: by[Convert.ToHexString(row.GetFieldValue<byte[]>(0))], Version: row.GetInt64(1), Pending: row.GetInt64(2)), ct)).ToList();
        var entries = await log.EntriesAtAsync([.. behind.Where(one => one.Row.Index >= one.Version).Select(one => one.Pending)], ct);
        return [.. behind.Where(one => one.Row.Index < one.Version || IsAbout(entries, one.Pending, one.Row.Request)).Select(one => (one.Row.Request, one.Row.Index, one.Pending))];
    }

    // An entry that was pruned away says nothing; nor is there one while the transaction that noted it runs, or when it ended the log.
    private static bool IsAbout(IReadOnlyDictionary<long, ReadOnlyMemory<byte>> entries, long index, Guid request) =>
        entries.TryGetValue(index, out var encoded) && ChangesIn(LogEntry.Decode(encoded)).Contains(RuleOf(request));

    // Looks at a request, and what is released for one, name it too, and put it nowhere.
    private static IReadOnlyList<string> ChangesIn(LogEntry entry) =>
        entry.Type is EntryType.RequestChange or EntryType.EraseRequest or EntryType.EraseExecuted ? entry.Rules : [];

    private async Task WriteAsync(string values, IReadOnlyList<(Guid Request, long Index)> rows, CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand(
            $"insert into keys.newest_row as m (name, version, pending) select n, i, i from unnest($1, $2) as u (n, i) on conflict (name) do update set (version, pending) = ({values})");
        Add(command, rows);
        await command.ExecuteNonQueryAsync(ct);
    }

    private static void Add(NpgsqlCommand command, IReadOnlyList<(Guid Request, long Index)> rows)
    {
        command.Parameters.Add(new NpgsqlParameter<byte[][]> { TypedValue = [.. rows.Select(row => NameOf(row.Request))] });
        command.Parameters.Add(new NpgsqlParameter<long[]> { TypedValue = [.. rows.Select(row => row.Index)] });
    }

    private static byte[] NameOf(Guid request) => [Kind, .. request.ToByteArray(bigEndian: true)];

    private static string RuleOf(Guid request) => $"request:{request:D}";
}
