using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Threading.Channels;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Appends to the log. Entries of all requests queue; one loop takes everything that waits, writes it as one row, and releases the waiters once the commit
/// is durable. While one commit is under way the next batch gathers, so there is no timer. Order is that of the head row, which any number of processes may move.
/// </summary>
/// <remarks>
/// INVARIANT: a waiter gets an index only after a durable commit; in every other case, the queue being full included, it gets an exception. After a failure
/// in doubt an entry may stand in the log although its waiter was refused: logged but not released, never the other way round.
/// </remarks>
internal sealed class AuditLog : IHostedService, IAsyncDisposable
{
    private const int BatchEntries = 512;
    private const int BatchBytes = 1 << 20;

    private readonly VaultDatabase database;
    private readonly KeyRegistry keys;
    private readonly ActivePolicy policy;
    private readonly VaultOptions options;
    private readonly TimeProvider clock;
    private readonly ILogger<AuditLog> logger;
    private readonly Channel<PendingEntry> queue;
    private readonly ConcurrentDictionary<(RecipientKind, string), byte[]> actorTags = new();
    private readonly ConcurrentQueue<ActorName> newActors = new();
    private readonly Lazy<SecretBytes> vaultDetailKey;
    private Task loop = Task.CompletedTask;
    private NpgsqlConnection? connection;
    private DurabilityGuard? guard;
    private LogHead? head;
    private LogBatch? inDoubt;
    private volatile bool headMoved;
    private long size;
    private volatile string? contradiction;
    private long damageMet;
    private long damageAt;

    public AuditLog(VaultDatabase database, KeyRegistry keys, ActivePolicy policy, VaultOptions options, TimeProvider clock, ILogger<AuditLog> logger)
    {
        (this.database, this.keys, this.policy, this.options, this.clock, this.logger) = (database, keys, policy, options, clock, logger);
        queue = Channel.CreateBounded<PendingEntry>(new BoundedChannelOptions(options.AuditQueueLimit) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });
        vaultDetailKey = new Lazy<SecretBytes>(() => keys.Derive("audit-detail"));
    }

    public string Origin => options.Origin;

    /// <summary>Cosignatures that a checkpoint should have before proofs are made under it.</summary>
    public int WitnessQuorum => options.WitnessQuorum;

    /// <summary>Entries that this process knows of; other processes may have appended more.</summary>
    public long Size => Interlocked.Read(ref size);

    /// <summary>
    /// Why the database's log is not the one that was signed; null while it is. INVARIANT: until it is again, no entry is made, so nothing is released: what is released on another log than the one that was signed
    /// can be proved to nobody.
    /// </summary>
    public string? Contradiction
    {
        get => contradiction;
        set => contradiction = value;
    }

    /// <summary>How many calls of this process met what the vault did not write, and the entry of the last.</summary>
    public (long Calls, long Last) DamageMet => (Interlocked.Read(ref damageMet), Volatile.Read(ref damageAt));

    public Task StartAsync(CancellationToken cancellationToken)
    {
        loop = Task.Run(RunAsync, CancellationToken.None);
        return Task.CompletedTask;
    }

    /// <summary>Writes what is queued, then ends; appends that come later are refused.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        queue.Writer.TryComplete();
        await loop.WaitAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        queue.Writer.TryComplete();
        await loop;
        await DropConnectionAsync();
        if (vaultDetailKey.IsValueCreated) vaultDetailKey.Value.Dispose();
    }

    /// <summary>An entry with time, actor, policy and request filled in.</summary>
    /// <param name="items">Catalogue ids; event types as 1000 + id (<see cref="ItemCode"/>).</param>
    public LogEntry Entry(
        EntryType type, Recipient recipient, ReadOnlyMemory<byte> subjectTag, string purpose, EntryResult result, IReadOnlyList<int> items,
        Guid requestId = default) => new()
        {
            Type = type,
            Time = clock.GetUtcNow().ToUnixTimeMilliseconds(),
            Actor = TagOf(recipient),
            Subject = subjectTag,
            Purpose = IsCode(purpose) ? purpose : "",
            Result = result,
            Items = items,
            RequestId = requestId.ToByteArray(bigEndian: true),
            Policy = policy.Current.VersionBytes,
        };

    /// <summary>An entry that says of one person who it is, and of several their number and the root over their tags, with the list of them beside the tree.</summary>
    public static PendingEntry Concerning(LogEntry entry, IEnumerable<ReadOnlyMemory<byte>> tags)
    {
        var members = BulkMembers.Of(tags);
        return members.Count switch
        {
            0 => new PendingEntry(entry, null),
            1 => new PendingEntry(entry with { Subject = members.Tags }, null),
            _ => new PendingEntry(entry with { BulkCount = members.Count, BulkRoot = members.Root() }, null, members),
        };
    }

    /// <summary>The number that stands for an item in the log.</summary>
    public static int ItemCode(CatalogueItem item) => item.Code;

    /// <summary>Seals a detail under the person's own key; without a person, under a key of the vault. Its hash goes into the entry.</summary>
    public (LogEntry Entry, SealedDetail Detail) WithDetail(LogEntry entry, SubjectKeys? subject, ReadOnlySpan<byte> content, IRandomBytes random)
    {
        Span<byte> key = stackalloc byte[KeyDerivation.KeySize];
        DetailKey(subject, key);
        var value = SealedValue.Seal(key, (uint)(subject?.KeyVersion ?? 1), 0, content, DetailContext(entry, stackalloc byte[AssociatedData.Limit]), random);
        CryptographicOperations.ZeroMemory(key);
        return (entry with { DetailHash = SHA256.HashData(value) }, new SealedDetail(subject?.Subject, value));
    }

    /// <exception cref="CryptographicException">The detail is not the one of this entry.</exception>
    public byte[] OpenDetail(LogEntry entry, SubjectKeys? subject, ReadOnlySpan<byte> value)
    {
        Span<byte> key = stackalloc byte[KeyDerivation.KeySize];
        DetailKey(subject, key);
        var content = new byte[SealedValue.OpenedLength(value.Length)];
        SealedValue.Open(key, value, DetailContext(entry, stackalloc byte[AssociatedData.Limit]), content);
        CryptographicOperations.ZeroMemory(key);
        return content;
    }

    /// <summary>Appends; durable when it returns. Cancelling stops the waiting, not the entry.</summary>
    /// <returns>The entry's index.</returns>
    /// <exception cref="VaultException">The queue is full or the database is away: nothing may be released.</exception>
    public Task<long> AppendAsync(LogEntry entry, SealedDetail? detail = null, CancellationToken ct = default) => AppendAsync(new PendingEntry(entry, detail), ct);

    /// <inheritdoc cref="AppendAsync(LogEntry, SealedDetail?, CancellationToken)"/>
    public Task<long> AppendAsync(PendingEntry pending, CancellationToken ct = default)
    {
        if (!queue.Writer.TryWrite(pending)) throw VaultException.Unavailable();
        VaultMeters.Queued();
        return ct.CanBeCanceled ? pending.Appended.Task.WaitAsync(ct) : pending.Appended.Task;
    }

    /// <summary>What is stored about a person is not what was sealed, or cannot be read: nothing of it is served, and the log says so.</summary>
    /// <returns>What to throw.</returns>
    public async Task<VaultException> FailedAsync(LogEntry entry, CryptographicException? cause, CancellationToken ct) => Met(cause, await AppendAsync(Failed(entry), null, ct));

    /// <summary>Tells the operator of the damage that an entry records.</summary>
    /// <returns>What to throw.</returns>
    public VaultException Met(CryptographicException? cause, long index)
    {
        VaultMeters.Damaged();
        Volatile.Write(ref damageAt, index);
        Interlocked.Increment(ref damageMet);
        logger.LogCritical("Entry {Index} of the log records a call that met something that the vault did not write: it was changed, mixed or put back in the database. Nothing of it was served; run check deep.", index);
        return VaultException.Damaged(cause);
    }

    public static LogEntry Failed(LogEntry entry) => entry with { Result = EntryResult.Error, DetailHash = default };

    /// <summary>
    /// Appends within the caller's transaction, so that a change and its entry stand or fall together. Takes the head row: call it last, commit at once.
    /// </summary>
    /// <returns>Index of the first entry.</returns>
    public Task<long> AppendWithinAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, IReadOnlyList<LogEntry> entries, CancellationToken ct = default) =>
        AppendWithinAsync(connection, transaction, entries.Select(entry => new PendingEntry(entry, null)).ToList(), ct);

    /// <inheritdoc cref="AppendWithinAsync(NpgsqlConnection, NpgsqlTransaction, IReadOnlyList{LogEntry}, CancellationToken)"/>
    public async Task<long> AppendWithinAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, IReadOnlyList<PendingEntry> entries, CancellationToken ct = default)
    {
        await using var select = new NpgsqlCommand(LogHead.Select + " for update", connection, transaction);
        var batch = new LogBatch(Continuing(await ReadHeadAsync(select, ct)), entries);
        await using var write = batch.Write(connection, transaction);
        await write.ExecuteNonQueryAsync(ct);
        headMoved = true;
        return batch.First;
    }

    /// <summary>Applications and roles that acted for the first time since this process started, for the table of names.</summary>
    internal IEnumerable<ActorName> TakeNewActors()
    {
        while (newActors.TryDequeue(out var actor)) yield return actor;
    }

    internal void Observe(long known)
    {
        for (var seen = Size; seen < known; seen = Size)
        {
            if (Interlocked.CompareExchange(ref size, known, seen) == seen) return;
        }
    }

    private async Task RunAsync()
    {
        var batch = new List<PendingEntry>(BatchEntries);
        while (await queue.Reader.WaitToReadAsync())
        {
            // Requests that are ready to append at this moment get in: fewer, larger batches for less work per entry.
            await Task.Yield();
            Drain(batch);
            VaultMeters.Taken(batch.Count);
            await CommitAsync(batch);
            batch.Clear();
        }
    }

    private void Drain(List<PendingEntry> batch)
    {
        var bytes = 0;
        while (batch.Count < BatchEntries && bytes < BatchBytes && queue.Reader.TryRead(out var entry))
        {
            batch.Add(entry);
            bytes += entry.Encoded.Length;
        }
    }

#pragma warning disable CA1031 // The one place that may catch everything: whatever went wrong, those who wait must be told, and the loop must live.
    private async Task CommitAsync(List<PendingEntry> batch)
    {
        try
        {
            var start = clock.GetTimestamp();
            var first = await WriteAsync(batch);
            VaultMeters.Committed(batch, clock.GetElapsedTime(start));
            for (var i = 0; i < batch.Count; i++) batch[i].Appended.SetResult(first + i);
        }
        catch (Exception e)
        {
            logger.LogError("The log could not be written ({Kind}); {Count} requests are refused.", e.GetType().Name, batch.Count);
            head = null;
            // INVARIANT: whoever waits is told first; putting the connection away may fail too.
            foreach (var entry in batch) entry.Appended.TrySetException(VaultException.Unavailable(e));
            VaultMeters.Failed(batch.Count);
            database.Forget(e);
            await DropConnectionAsync();
        }
    }
#pragma warning restore CA1031

    private async Task<long> WriteAsync(List<PendingEntry> entries)
    {
        inDoubt = null;
        while (true)
        {
            try
            {
                return await WriteOnceAsync(entries);
            }
            catch (Exception e) when (DatabaseFailure.IsBroken(e))
            {
                // Nobody was told anything yet. A connection that died is no reason to refuse, nor is a server that is restarted; one that stays away is.
                logger.LogWarning("The log's connection broke ({Kind}); it is opened again.", e.GetType().Name);
                head = null;
                await DropConnectionAsync();
                if (!await database.ComesBackAsync(e, CancellationToken.None)) throw;
            }
        }
    }

    private async Task<long> WriteOnceAsync(List<PendingEntry> entries)
    {
        var open = await ConnectedAsync();
        var written = headMoved || head is null || contradiction is not null ? null : await TryMoveAsync(open, new LogBatch(head, entries));
        written ??= await LockAndWriteAsync(open, entries);
        guard!.ThrowIfDoubtful();
        inDoubt = null;
        head = written.After;
        Observe(head.Size);
        return written.First;
    }

    private async Task<LogBatch?> TryMoveAsync(NpgsqlConnection open, LogBatch batch)
    {
        await using var command = batch.MoveIfUnmoved(open);
        command.CommandTimeout = Timeout;
        inDoubt = batch;
        if (await command.ExecuteScalarAsync() is 1L) return batch;
        inDoubt = null;
        return null;
    }

    // Two round trips: begin and lock, then write and commit. An error in between leaves the transaction open; the connection is dropped then.
    private async Task<LogBatch> LockAndWriteAsync(NpgsqlConnection open, List<PendingEntry> entries)
    {
        headMoved = false;
        await using var select = new NpgsqlBatch(open) { BatchCommands = { new("begin"), new(LogHead.Select + " for update") }, Timeout = Timeout };
        LogHead current;
        await using (var reader = await select.ExecuteReaderAsync())
        {
            if (!await reader.ReadAsync()) throw new InvalidOperationException("The log has no head.");
            current = Continuing(LogHead.Read(reader));
        }

        if (inDoubt is { } tried && await IsWrittenAsync(open, tried, current)) return await ConfirmAsync(open, tried, current);
        var batch = new LogBatch(current, entries);
        await using var write = batch.Write(open);
        write.Timeout = Timeout;
        write.BatchCommands.Add(new("commit"));
        inDoubt = batch;
        await write.ExecuteNonQueryAsync();
        return batch;
    }

    // Entries that this process knows to be durable are there, whoever wrote since; and who rewrote them without making them fewer is met by the signer.
    private LogHead Continuing(LogHead current)
    {
        if (current.Size < Size)
        {
            if (contradiction is null) logger.LogCritical("The log has {Size} entries, fewer than the {Known} that were written: the database is an older copy. No entry is made, so nothing is released.", current.Size, Size);
            throw VaultException.Unavailable();
        }

        return contradiction is null ? current : throw VaultException.Unavailable();
    }

    // INVARIANT: asked while the head is locked, when whoever wrote the batch in doubt has committed or never will. So no entry is written twice.
    private async Task<bool> IsWrittenAsync(NpgsqlConnection open, LogBatch tried, LogHead current)
    {
        if (current.Size < tried.After.Size) return false;
        await using var command = new NpgsqlCommand("select leaf_hashes from audit.batch where first_index = $1", open) { CommandTimeout = Timeout, Parameters = { new() { Value = tried.First } } };
        return await command.ExecuteScalarAsync() is byte[] stored && stored.AsSpan().SequenceEqual(tried.LeafHashes);
    }

    // Its own commit may not have been waited for, by the standby least of all: a later one that is makes it as durable.
    private async Task<LogBatch> ConfirmAsync(NpgsqlConnection open, LogBatch tried, LogHead current)
    {
        await using var confirm = new NpgsqlBatch(open) { BatchCommands = { new("update audit.head set t_last = t_last where log_id = 1"), new("commit") }, Timeout = Timeout };
        await confirm.ExecuteNonQueryAsync();
        headMoved = current.Size != tried.After.Size;
        return tried;
    }

    private int Timeout => (int)Math.Ceiling(options.AuditTimeout.TotalSeconds);

    private async Task<NpgsqlConnection> ConnectedAsync()
    {
        if (connection is { FullState: System.Data.ConnectionState.Open }) return connection;
        await DropConnectionAsync();
        using var patience = new CancellationTokenSource(options.AuditTimeout, clock);
        connection = await database.Source.OpenConnectionAsync(patience.Token);
        guard = new DurabilityGuard(connection);
        return connection;
    }

    private async Task DropConnectionAsync()
    {
        guard?.Dispose();
        guard = null;
        if (connection is not null) await connection.DisposeAsync();
        connection = null;
    }

    private static async Task<LogHead> ReadHeadAsync(NpgsqlCommand select, CancellationToken ct)
    {
        await using var reader = await select.ExecuteReaderAsync(ct);
        if (!await reader.ReadAsync(ct)) throw new InvalidOperationException("The log has no head.");
        return LogHead.Read(reader);
    }

    /// <summary>The tag of an actor who is known by kind and id alone.</summary>
    public byte[] ActorOf(RecipientKind kind, string id) => keys.ActorTag(new Recipient(kind, id, id, [], []));

    /// <summary>The tag by which the log knows a recipient; all customers have one.</summary>
    public byte[] TagOf(Recipient recipient)
    {
        var key = (recipient.Kind, recipient.Kind == RecipientKind.Customer ? "customer" : recipient.Id);
        if (actorTags.TryGetValue(key, out var known)) return known;
        var tag = keys.ActorTag(recipient);
        if (actorTags.TryAdd(key, tag)) newActors.Enqueue(ActorName.Of(tag, recipient));
        return tag;
    }

    // SPEC log-entry §6: what was asked for may be anything; only what can be a purpose's name is named.
    private static bool IsCode(string purpose) => purpose.Length <= LogEntry.MaxPurposeLength && !purpose.AsSpan().ContainsAnyExceptInRange('!', '~');

    private void DetailKey(SubjectKeys? subject, Span<byte> key)
    {
        if (subject is null) vaultDetailKey.Value.Span.CopyTo(key);
        else subject.AuditDetailKey(key);
    }

    private ReadOnlySpan<byte> DetailContext(LogEntry entry, Span<byte> buffer) =>
        new AssociatedData(buffer, "audit-detail").Add(keys.VaultId).Add(entry.RequestId.Span).Add((int)entry.Type).Bytes;
}

/// <summary>The name by which an actor's tag is shown: of an application, a process or the roles of staff, never of a person.</summary>
internal sealed record ActorName(byte[] Tag, string Name, string Kind)
{
    public static ActorName Of(byte[] tag, Recipient recipient) => recipient.Kind switch
    {
        RecipientKind.Customer => new(tag, "customer", "customer"),
        RecipientKind.Staff => new(tag, recipient.Roles.Count > 0 ? string.Join(", ", recipient.Roles) : recipient.DisplayName, "staff"),
        RecipientKind.Process => new(tag, recipient.Id, "process"),
        _ => new(tag, recipient.DisplayName, "application"),
    };
}
