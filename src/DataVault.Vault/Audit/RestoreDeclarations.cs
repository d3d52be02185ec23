using DataVault.Transparency;
using DataVault.Vault.Keys;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Declares restores in the log, signed with the log's key, so that no entry that somebody writes into the database is taken for one. A restore that an
/// operator carried out by command says so; one that the start merely found excuses nothing until an operator has accepted it.
/// </summary>
internal sealed class RestoreDeclarations(AuditLog log, LogStore store, SignerKeys keys, VaultOptions options, ILogger<RestoreDeclarations> logger)
{
    private readonly RestoreOrder order = new(options.Home);

    /// <summary>The entry about a database that had so many entries, with the index that the head gives it.</summary>
    // SPEC log-entry §9
    public LogEntry Declare(long size, ReadOnlySpan<byte> root, LogHead head)
    {
        var ordered = order.IsFor(size, root);
        if (!ordered) logger.LogWarning("Nobody ordered the restore to entry {From} by command: entry {Index} says that it was found. If it was meant, run: restore accept {Index}", size, head.Size, head.Size);
        return Signed(Entry(head) with { Reference = size, Rules = [ordered ? RestoreDeclaration.OrderedRule : RestoreDeclaration.FoundRule] }, head.Size);
    }

    /// <summary>The word of an operator excuses one restore.</summary>
    public void Declared() => order.UseUp();

    /// <summary>Enters that an operator accepts an earlier declaration.</summary>
    /// <returns>Index of the entry.</returns>
    /// <exception cref="VaultException">The log's key cannot be opened: unavailable.</exception>
    public async Task<long> AcceptAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, long declaration, CancellationToken ct)
    {
        var head = await LogHead.LockAsync(connection, transaction, ct);
        var entry = Signed(Entry(head) with { RecordVersion = declaration, Rules = [RestoreDeclaration.AcceptedRule] }, head.Size);
        if (RestoreDeclaration.Check(entry, head.Size, keys.List) != RestoreWord.Accepted) throw VaultException.Unavailable();
        await using var write = new LogBatch(head, [new PendingEntry(entry, null)]).Write(connection, transaction);
        await write.ExecuteNonQueryAsync(ct);
        return head.Size;
    }

    /// <summary>Enters, one by one, that what is remembered of people's records goes back to these versions: the newest that the log tells of.</summary>
    /// <returns>Index of the first entry.</returns>
    /// <exception cref="VaultException">The log's key cannot be opened: unavailable.</exception>
    public async Task<long> ForgetAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, IReadOnlyList<ProvenVersion> people, CancellationToken ct)
    {
        var head = await LogHead.LockAsync(connection, transaction, ct);
        var entries = people.Select((one, at) => Signed(
            Entry(head) with { Subject = one.Tag, RecordVersion = one.Version, Rules = [RestoreDeclaration.ForgottenRule] }, head.Size + at)).ToList();
        if (entries.Where((entry, at) => RestoreDeclaration.Check(entry, head.Size + at, keys.List) != RestoreWord.Forgotten).Any()) throw VaultException.Unavailable();
        await using var write = new LogBatch(head, entries.ConvertAll(entry => new PendingEntry(entry, null))).Write(connection, transaction);
        await write.ExecuteNonQueryAsync(ct);
        return head.Size;
    }

    /// <summary>The restores that entries of the log declare from an index on, those of before that were accepted since, and how far the log was read.</summary>
    /// <exception cref="VaultException">There are such, and the log's key cannot be opened: unavailable.</exception>
    public async Task<(IReadOnlyCollection<DeclaredRestore> Declared, long Size)> ReadAsync(long from, CancellationToken ct)
    {
        var (size, _) = await store.HeadAsync(ct);
        DeclaredRestores? restores = null;
        await foreach (var (index, encoded) in store.EntriesAsync(from, size, ct))
        {
            var entry = LogEntry.Decode(encoded);
            if (entry.Type != EntryType.RestoreDeclared) continue;
            restores ??= new DeclaredRestores(Verifier());
            if (entry is { Reference: null, Subject.IsEmpty: true, RecordVersion: var earlier } && earlier > 0 && earlier < from) await ReadOneAsync(restores, earlier, ct);
            restores.Read(index, entry);
        }

        return (restores?.All ?? [], size);
    }

    /// <summary>
    /// What was done to applications and accounts in the entries that a restore lost, and is undone by it: what was removed, disabled or rotated since the copy is
    /// in force again as it was.
    /// </summary>
    public async Task<IReadOnlyList<LostAct>> LostActsAsync(DeclaredRestore restore, CancellationToken ct)
    {
        var lost = new List<LostAct>();
        await foreach (var (index, encoded) in store.EntriesAsync(restore.From, restore.Index, ct))
        {
            if (LostAct.Of(index, LogEntry.Decode(encoded)) is { } act) lost.Add(act);
        }

        return lost;
    }

    private async Task ReadOneAsync(DeclaredRestores restores, long index, CancellationToken ct)
    {
        if ((await store.EntriesAtAsync([index], ct)).TryGetValue(index, out var encoded) && LogEntry.Decode(encoded) is { Type: EntryType.RestoreDeclared } entry) restores.Read(index, entry);
    }

    private LogEntry Entry(LogHead head)
    {
        var entry = log.Entry(EntryType.RestoreDeclared, LogWorker.Keeper, default, "", EntryResult.Ok, []);
        return entry with { Time = Math.Max(entry.Time, head.LastTime) };
    }

    // A vault whose signing key is lost must still start, for an operator to see to it: such a declaration is believed when it has been accepted.
    private LogEntry Signed(LogEntry entry, long index)
    {
        try
        {
            return RestoreDeclaration.Sign(entry, index, keys.SignerOf(null));
        }
        catch (SignerRefusalException e)
        {
            logger.LogError("The log's key cannot sign that the database was restored: {Reason}.", e.Message);
            return entry;
        }
    }

    private LogKeys Verifier()
    {
        try
        {
            return keys.List;
        }
        catch (SignerRefusalException e)
        {
            throw VaultException.Unavailable(e);
        }
    }
}

/// <summary>An act upon an application or an account that a restored database has not seen.</summary>
/// <param name="Index">Entry of the log.</param>
/// <param name="What">Such as <c>removed</c>, <c>secret-rotated</c> or <c>disabled</c>.</param>
/// <param name="Object">The application, or the tag of the account, as the log names it; of a customer it names neither; empty in entries of before objects were named.</param>
public sealed record LostAct(long Index, string What, string Object)
{
    // SPEC log-entry §15
    internal static LostAct? Of(long index, LogEntry entry) => entry switch
    {
        { Type: not (EntryType.ClientChange or EntryType.AccountChange) } => null,
        { Rules: ["done", var what] } => new LostAct(index, what, "the account of a customer"),
        { Rules: ["done", var what, var of] } => new LostAct(index, what, of),
        { Rules.Count: 0 } => new LostAct(index, "changed", ""),
        _ => null,
    };
}
