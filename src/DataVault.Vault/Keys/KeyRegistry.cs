using System.Data;
using System.Security.Cryptography;
using System.Text;
using DataVault.Cryptography;
using DataVault.Policy;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault.Keys;

/// <summary>What is left of a destroyed key.</summary>
/// <param name="Commitment">The commitment that was logged when the key was made.</param>
/// <param name="PageId">The page it was wrapped under.</param>
/// <param name="Generation">The page's generation that replaced it.</param>
/// <param name="EpochId">The epoch whose destruction makes every older copy useless.</param>
internal sealed record KeyDestruction(byte[] Commitment, long PageId, int Generation, int EpochId, DateTimeOffset At);

/// <summary>
/// Subject keys: made, fetched, destroyed. A subject key and the person's identity secret are wrapped together under a page key that up to 256 people share;
/// page keys are wrapped under the epoch root.
/// </summary>
/// <remarks>
/// INVARIANT: a cached key is used only in a request that also reads the person's row in the vault database, and only after
/// <see cref="MatchAsync(SubjectKeys, SealedRecord, CancellationToken)"/>. Erasure closes that row before it destroys the key, so a key that another process
/// still holds opens nothing; the notification sent on destruction only makes it forget sooner. Whoever reads no row asks for fresh keys.
/// </remarks>
internal sealed partial class KeyRegistry : IServiceKeys
{
    public const int PageSize = 256;
    public const string GoneChannel = "datavault_key_gone";

    private const int FitAttempts = 3;

    private const string Select =
        """
        select s.subject_id, s.key_version, s.wrapped, p.page_id, p.generation, p.epoch_id, p.wrapped, p.damaged_at is not null, s.other, s.newest
        from keys.subject_key s join keys.page p on p.page_id = s.page_id
        """;

    // INVARIANT: the order of locks in the keys database. Whoever takes several of them takes them in this order and skips what he does not need; another
    // order would be a deadlock sooner or later.
    //   1. keys.page, the table     here; the turn of an epoch alone locks it against this, and then every row
    //   2. keys.page, one row       its members, and all that is wrapped under it, change with it only
    //   3. keys.subject_key, rows   in the order of their ids (LockMembers); NewestVersions, which takes no page, keeps to it too
    //   4. keys.index_epoch
    public const string StandBack = "lock table keys.page in row exclusive mode";

    private const string LockMembers = " order by s.subject_id for update of s";

    private readonly KeysDatabase database;
    private readonly VaultKeyring keyring;
    private readonly TombstoneJournal journal;
    private readonly IRandomBytes random;
    private readonly TimeProvider clock;
    private readonly KeyCache cache;
    private readonly byte[] logContext;

    public KeyRegistry(KeysDatabase database, VaultKeyring keyring, TombstoneJournal journal, VaultOptions options, IRandomBytes random, TimeProvider clock)
    {
        (this.database, this.keyring, this.journal, this.random, this.clock) = (database, keyring, journal, random, clock);
        cache = new KeyCache(options.KeyCacheLimit);
        logContext = SHA256.HashData(Encoding.UTF8.GetBytes(options.Origin));
    }

    public Guid VaultId => keyring.VaultId;

    public SecretBytes Derive(string label) => keyring.Derive(label);

    public BlindIndexKey Index(int indexId) => keyring.Index(indexId);

    public PseudonymKey Pseudonyms(string domain) => keyring.Pseudonyms(domain);

    public byte[] ActorTag(Recipient recipient) => keyring.ActorTag(recipient);

    /// <summary>Who a line of the tombstone journal is about.</summary>
    public byte[] TombstoneHash(SubjectId subject) => keyring.TombstoneHash(subject);

    /// <summary>To be matched with the person's row before anything is opened or sealed.</summary>
    /// <exception cref="VaultException">Unknown or destroyed: not-found.</exception>
    public async Task<SubjectKeys> GetAsync(SubjectId subject, CancellationToken ct = default) =>
        cache.TryGet(subject, out var wrapped, out var page) ? Unwrap(wrapped, page) : await GetFreshAsync(subject, ct);

    /// <summary>The same; null when they are unknown or destroyed.</summary>
    public async Task<SubjectKeys?> FindAsync(SubjectId subject, CancellationToken ct)
    {
        try
        {
            return await GetAsync(subject, ct);
        }
        catch (VaultException e) when (e.Slug == "not-found")
        {
            return null;
        }
    }

    /// <summary>As the keys database has them at this moment.</summary>
    /// <exception cref="VaultException">Unknown or destroyed: not-found.</exception>
    public async Task<SubjectKeys> GetFreshAsync(SubjectId subject, CancellationToken ct = default) => await FindFreshAsync(subject, ct) ?? throw VaultException.NotFound();

    /// <summary>The same; null when the person is unknown or erased.</summary>
    public async Task<SubjectKeys?> FindFreshAsync(SubjectId subject, CancellationToken ct = default) =>
        await FetchAsync([subject], ct) is [var found] ? Unwrap(found.Wrapped, found.Page) : null;

    /// <summary>Of those who exist at this moment; one round trip. Whose keys do not open is left out.</summary>
    public Task<IReadOnlyList<SubjectKeys>> GetManyFreshAsync(IReadOnlyList<SubjectId> subjects, CancellationToken ct = default) => GetManyFreshAsync(subjects, null, ct);

    /// <param name="subjects">Whose.</param>
    /// <param name="damaged">Told who exists and whose keys do not open: they keep nobody else from being had.</param>
    /// <param name="ct">Ends the wait.</param>
    public async Task<IReadOnlyList<SubjectKeys>> GetManyFreshAsync(IReadOnlyList<SubjectId> subjects, ICollection<SubjectId>? damaged, CancellationToken ct) =>
        [.. (await FetchAsync(subjects, ct)).Select(found => TryUnwrap(found.Wrapped, found.Page, damaged)).OfType<SubjectKeys>()];

    /// <summary>Makes keys fit the row as it was just read: of the same version, and of a person whose erasure has not begun.</summary>
    /// <exception cref="VaultException">The person is being erased: not-found.</exception>
    /// <exception cref="StaleKeyException">The row is older than the key that opened it: read it again.</exception>
    public ValueTask MatchAsync(SubjectKeys held, SealedRecord record, CancellationToken ct = default) => MatchAsync(held, record.KeyVersion, ct);

    /// <param name="held">Perhaps from the cache.</param>
    /// <param name="version">The version that the row names, or a value read together with it.</param>
    /// <param name="ct">Ends the wait.</param>
    public ValueTask MatchAsync(SubjectKeys held, int version, CancellationToken ct = default)
    {
        if (!held.Has(version)) return RefreshAsync(held, version, ct);
        held.Select(version);
        return ValueTask.CompletedTask;
    }

    /// <summary>For a row that was read without a lock: the row that fits the keys, read again if it was renewed in between; null when the person is gone.</summary>
    /// <exception cref="VaultException">Unavailable: it is renewed faster than it can be read.</exception>
    public ValueTask<SealedRecord?> FitAsync(SubjectKeys held, SealedRecord record, VaultDatabase vault, CancellationToken ct = default)
    {
        if (!held.Has(record.KeyVersion) || record.RowVersion < held.NotBefore) return FitAgainAsync(held, record, vault, ct);
        held.Select(record.KeyVersion);
        return ValueTask.FromResult<SealedRecord?>(record);
    }

    /// <summary>Sees to it that keys of all versions are at hand that values name which were read after the row. One that cannot be had is missed when the value is opened.</summary>
    public async ValueTask HoldAsync(SubjectKeys held, IEnumerable<byte[]> values, CancellationToken ct = default)
    {
        var selected = held.KeyVersion;
        foreach (var version in values.Select(value => SealedValue.KeyVersionOf(value)).Distinct().Where(version => !held.Has(version)).ToList())
        {
            if (await FindFreshAsync(held.Subject, ct) is not { } fresh) return;
            if (fresh.Has(version) && fresh.Has(selected)) held.Adopt(fresh);
            else fresh.Dispose();
        }

        held.Select(selected);
    }

    /// <summary>Keys of those that exist, in the order asked for; one round trip. To be matched with the people's rows, like those of one. Whose keys do not open is left out.</summary>
    public Task<IReadOnlyList<SubjectKeys>> GetManyAsync(IReadOnlyList<SubjectId> subjects, CancellationToken ct = default) => GetManyAsync(subjects, null, ct);

    /// <inheritdoc cref="GetManyFreshAsync(IReadOnlyList{SubjectId}, ICollection{SubjectId}, CancellationToken)"/>
    public async Task<IReadOnlyList<SubjectKeys>> GetManyAsync(IReadOnlyList<SubjectId> subjects, ICollection<SubjectId>? damaged, CancellationToken ct)
    {
        var at = new Dictionary<SubjectId, (WrappedKey Wrapped, SecretBytes? Page)>(subjects.Count);
        var missing = new List<SubjectId>();
        foreach (var subject in subjects)
        {
            if (cache.TryGet(subject, out var known, out var its)) at[subject] = (known, its);
            else missing.Add(subject);
        }

        if (missing.Count > 0)
        {
            foreach (var (wrapped, page) in await FetchAsync(missing, ct)) at[wrapped.Subject] = (wrapped, page);
        }

        var keys = new List<SubjectKeys>(subjects.Count);
        foreach (var subject in subjects)
        {
            if (at.TryGetValue(subject, out var found) && TryUnwrap(found.Wrapped, found.Page, damaged) is { } opened) keys.Add(opened);
        }

        return keys;
    }

    /// <summary>Makes keys for new subjects, all or none; one transaction.</summary>
    public async Task<IReadOnlyList<SubjectKeys>> CreateAsync(IReadOnlyList<SubjectId> subjects, CancellationToken ct = default)
    {
        try
        {
            var began = cache.Now;
            await using var connection = await database.OpenAsync(ct);
            await using var transaction = await connection.BeginTransactionAsync(ct);
            var (epoch, open) = await TakeOpenPageAsync(connection, ct);
            var plan = new PagePlan(subjects.Count, open);
            for (var room = plan.Room; room < subjects.Count; room += PageSize) plan.Add(NewPage(epoch));
            var made = MakeFresh(subjects, plan);
            using (var root = await keyring.EpochRootAsync(epoch, connection, ct)) await WriteAsync(connection, plan, root, made.ConvertAll(keys => keys.Wrapped), ct);
            await DurabilityGuard.CommitAsync(transaction);
            Publish(plan, made, began);
            return made;
        }
        catch (Exception e) when (DatabaseFailure.IsOutage(e))
        {
            throw VaultException.Unavailable(e);
        }
    }

    /// <summary>
    /// Destroys one person's keys for ever: tombstone to the journal, then, in one transaction, the row goes, the tombstone comes, and the page gets a new key
    /// under which its other members are wrapped again. Done twice it answers the same.
    /// </summary>
    public Task<KeyDestruction> DestroyAsync(SubjectId subject, CancellationToken ct = default) => DestroyAsync(subject, null, ct);

    /// <param name="subject">Whose.</param>
    /// <param name="committed">The commitment that the log has, for a key that does not open by now; null when it must.</param>
    /// <param name="ct">Ends the wait; not once the tombstone is written.</param>
    /// <exception cref="CryptographicException">The key does not open, and nobody knows what it was committed to.</exception>
    public async Task<KeyDestruction> DestroyAsync(SubjectId subject, byte[]? committed, CancellationToken ct)
    {
        var hash = keyring.TombstoneHash(subject);
        cache.Remove(subject);
        var found = await FetchAsync([subject], ct);
        if (found.Count == 0) return await FindDestructionAsync(hash, ct) ?? throw VaultException.NotFound();
        var tombstone = new Tombstone(hash, CommitmentOf(found[0], committed), clock.GetUtcNow());
        await journal.AppendAsync(VaultId, tombstone, ct);
        var destruction = await DestroyRowAsync(subject, tombstone, CancellationToken.None);
        cache.Remove(subject);
        return destruction ?? await FindDestructionAsync(hash, ct) ?? throw VaultException.NotFound();
    }

    private byte[] CommitmentOf((WrappedKey Wrapped, SecretBytes? Page) found, byte[]? committed)
    {
        using var opened = TryUnwrap(found.Wrapped, found.Page, damaged: null);
        return opened?.Commitment ?? committed ?? throw new CryptographicException("The key of somebody who is to be erased does not open.");
    }

    /// <summary>The second half of <see cref="DestroyAsync(SubjectId, byte[], CancellationToken)"/>, whose tombstone is in the journal already. Null when there is no such key.</summary>
    internal async Task<KeyDestruction?> DestroyRowAsync(SubjectId subject, Tombstone tombstone, CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var (epoch, members) = await LockPageAsync(connection, subject, ct);
        if (members.Count == 0) return null;
        var page = members[0].Wrapped;
        var destruction = new KeyDestruction(tombstone.Commitment, page.PageId, page.Generation + 1, epoch, tombstone.At);
        await using (var batch = new NpgsqlBatch(connection))
        {
            AddDestruction(batch, subject, tombstone.SubjectHash, destruction);
            await AddRekeyingAsync(batch, members.FindAll(m => m.Wrapped.Subject != subject), (page.PageId, page.Generation + 1, epoch), members[0].Page is not null, ct);
            AddNotice(batch, subject);
            await batch.ExecuteNonQueryAsync(ct);
        }

        await DurabilityGuard.CommitAsync(transaction);
        return destruction;
    }

    /// <summary>True when no copy of the keys database, however old, opens what was destroyed in this epoch or before.</summary>
    public async Task<bool> IsEpochDestroyedAsync(int epoch, CancellationToken ct = default)
    {
        await using var command = database.Source.CreateCommand("select not exists (select from keys.epoch where epoch_id <= $1 and destroyed_at is null)");
        command.Parameters.Add(new() { Value = epoch });
        return await command.ExecuteScalarAsync(ct) is true;
    }

    /// <summary>The person's record has had this version: keys that are taken from now on know.</summary>
    internal void Saw(SubjectId subject, long version) => cache.Saw(subject, version);

    /// <summary>Another process destroyed this key.</summary>
    internal void Forget(SubjectId subject) => cache.Remove(subject);

    /// <summary>Notifications may have been missed.</summary>
    internal void ForgetAll() => cache.Clear();

    private async ValueTask<SealedRecord?> FitAgainAsync(SubjectKeys held, SealedRecord record, VaultDatabase vault, CancellationToken ct)
    {
        // Read before a change that is known by now; if it still is older, its seal is refused (RecordCipher.Verify).
        if (record.RowVersion < held.NotBefore)
        {
            if (await SubjectRows.FindAsync(vault, held.Subject, ct) is not { } since) return null;
            record = since;
        }

        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await MatchAsync(held, record, ct);
                return record;
            }
            catch (VaultException e) when (e.Slug == "not-found")
            {
                return null;
            }
            catch (StaleKeyException) when (attempt < FitAttempts)
            {
                if (await SubjectRows.FindAsync(vault, held.Subject, ct) is not { } again) return null;
                record = again;
            }
            catch (StaleKeyException e)
            {
                throw VaultException.Unavailable(e);
            }
        }
    }

    private async ValueTask RefreshAsync(SubjectKeys held, int version, CancellationToken ct)
    {
        cache.Remove(held.Subject);
        var fresh = version == SubjectRows.Closed ? null : await FindFreshAsync(held.Subject, ct);
        held.Adopt(fresh ?? throw VaultException.NotFound());
        held.Select(version);
    }

    private SubjectKeys? TryUnwrap(WrappedKey wrapped, SecretBytes? page, ICollection<SubjectId>? damaged)
    {
        try
        {
            return Unwrap(wrapped, page);
        }
        catch (CryptographicException)
        {
            damaged?.Add(wrapped.Subject);
            return null;
        }
    }

    private SubjectKeys Unwrap(WrappedKey wrapped, SecretBytes? page)
    {
        if (page is null) throw new CryptographicException("The key of the page does not open.");
        var context = SubjectContext(wrapped.Subject, wrapped.PageId, wrapped.Generation, stackalloc byte[AssociatedData.Limit]);
        if (SealedValue.KeyVersionOf(wrapped.Wrapped) != wrapped.KeyVersion) throw new CryptographicException("The wrapped key is of another version.");
        var secrets = SealedValue.OpenSecret(page.Span, wrapped.Wrapped, context);
        (int, SecretBytes)? other = wrapped.Other is { } two ? (SealedValue.KeyVersionOf(two), SealedValue.OpenSecret(page.Span, two, context)) : null;
        // INVARIANT: the page key must not be finalised while its span is in use.
        GC.KeepAlive(page);
        return new SubjectKeys(wrapped, logContext, secrets, other);
    }

    private async Task<List<(WrappedKey Wrapped, SecretBytes? Page)>> FetchAsync(IReadOnlyList<SubjectId> subjects, CancellationToken ct)
    {
        try
        {
            var began = cache.Now;
            await using var command = database.Reads.CreateCommand(Select + " where s.subject_id = any($1)");
            command.Parameters.Add(new() { Value = subjects.Select(s => s.Value).ToArray() });
            // The connection goes back before anything else is asked for: whoever holds one must not wait for another.
            var found = await WithPagesAsync(await Rows.ReadAsync(database, command, Member, ct), null, ct);
            foreach (var (wrapped, page) in found)
            {
                if (page is not null) cache.Add(wrapped, began);
            }

            return found;
        }
        catch (Exception e) when (DatabaseFailure.IsOutage(e))
        {
            throw VaultException.Unavailable(e);
        }
    }

    private Page NewPage(int epoch)
    {
        Span<byte> id = stackalloc byte[8];
        random.Fill(id);
        var number = System.Buffers.Binary.BinaryPrimitives.ReadInt64BigEndian(id) & long.MaxValue;
        return new Page(number, 1, epoch, SecretBytes.Random(KeyDerivation.KeySize, random)) { IsNew = true };
    }

    private List<SubjectKeys> MakeFresh(IReadOnlyList<SubjectId> subjects, PagePlan plan)
    {
        var made = new List<SubjectKeys>(subjects.Count);
        Span<byte> context = stackalloc byte[AssociatedData.Limit];
        foreach (var subject in subjects)
        {
            var page = plan.Next();
            var secrets = SecretBytes.Random(SubjectKeys.SecretSize, random);
            var wrapped = SealedValue.Seal(page.Key.Span, 1, 0, secrets.Span, SubjectContext(subject, page.Id, page.Generation, context), random);
            made.Add(new SubjectKeys(new WrappedKey(subject, 1, page.Id, page.Generation, wrapped, null), logContext, secrets));
        }

        return made;
    }

    private async Task WriteAsync(NpgsqlConnection connection, PagePlan plan, SecretBytes root, List<WrappedKey> made, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection);
        foreach (var page in plan.Pages)
        {
            batch.BatchCommands.Add(page.IsNew
                ? new NpgsqlBatchCommand("insert into keys.page (page_id, generation, epoch_id, wrapped, count) values ($1, $2, $3, $4, $5)")
                {
                    Parameters = { new() { Value = page.Id }, new() { Value = page.Generation }, new() { Value = page.Epoch }, new() { Value = WrapPage(page, root) }, new() { Value = page.Count } },
                }
                : new NpgsqlBatchCommand("update keys.page set count = $2 where page_id = $1") { Parameters = { new() { Value = page.Id }, new() { Value = page.Count } } });
        }

        batch.BatchCommands.Add(new NpgsqlBatchCommand(
            "insert into keys.subject_key (subject_id, page_id, key_version, wrapped) select u.s, u.p, 1, u.w from unnest($1, $2, $3) as u (s, p, w)")
        {
            Parameters =
            {
                new() { Value = made.Select(m => m.Subject.Value).ToArray() },
                new() { Value = made.Select(m => m.PageId).ToArray() },
                new() { Value = made.Select(m => m.Wrapped).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea },
            },
        });
        await batch.ExecuteNonQueryAsync(ct);
    }

    private void Publish(PagePlan plan, List<SubjectKeys> made, long began)
    {
        foreach (var page in plan.Pages) cache.AddPage(page.Id, page.Generation, page.Key);
        foreach (var keys in made) cache.Add(keys.Wrapped, began);
    }

    // What the journal tells of stands here by its name, with or after what was done.
    private static NpgsqlBatchCommand Note(byte[] name, KeyDestruction d) =>
        new("insert into keys.tombstone (subject_hash, commitment, page_id, generation, epoch_id, at) values ($1, $2, $3, $4, $5, $6) on conflict do nothing")
        {
            Parameters =
            {
                new() { Value = name }, new() { Value = d.Commitment }, new() { Value = d.PageId },
                new() { Value = d.Generation }, new() { Value = d.EpochId }, new() { Value = d.At.UtcDateTime },
            },
        };

    /// <summary>Writes wrapped keys that exist already.</summary>
    internal static NpgsqlBatchCommand UpdateKeys(IReadOnlyList<WrappedKey> keys) =>
        new("update keys.subject_key k set key_version = u.v, wrapped = u.w, other = u.o from unnest($1, $2, $3, $4) as u (s, v, w, o) where k.subject_id = u.s")
        {
            Parameters =
            {
                new() { Value = keys.Select(k => k.Subject.Value).ToArray() },
                new() { Value = keys.Select(k => k.KeyVersion).ToArray() },
                new() { Value = keys.Select(k => k.Wrapped).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea },
                new() { Value = keys.Select(k => k.Other).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea },
            },
        };

    private async Task<KeyDestruction?> FindDestructionAsync(byte[] hash, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select commitment, page_id, generation, epoch_id, at from keys.tombstone where subject_hash = $1");
        command.Parameters.Add(new() { Value = hash });
        await using var reader = await command.ExecuteReaderAsync(CommandBehavior.SingleRow, ct);
        if (!await reader.ReadAsync(ct)) return null;
        return new KeyDestruction(
            reader.GetFieldValue<byte[]>(0), reader.GetInt64(1), reader.GetInt32(2), reader.GetInt32(3), reader.GetFieldValue<DateTimeOffset>(4));
    }

    private ReadOnlySpan<byte> PageContext(long page, int generation, Span<byte> buffer) =>
        new AssociatedData(buffer, "page").Add(VaultId).Add(page).Add(generation).Bytes;

    private ReadOnlySpan<byte> SubjectContext(SubjectId subject, long page, int generation, Span<byte> buffer) =>
        new AssociatedData(buffer, "subject-key").Add(VaultId).Add(subject.Value).Add(page).Add(generation).Bytes;

    private sealed record Page(long Id, int Generation, int Epoch, SecretBytes Key)
    {
        public int Count { get; set; }
        public bool IsNew { get; init; }
    }

    /// <summary>Which new key goes to which page.</summary>
    private sealed class PagePlan(int wanted, Page? open)
    {
        private int next;

        public List<Page> Pages { get; } = open is null ? [] : [open];

        public int Room => open is null ? 0 : Math.Min(wanted, PageSize - open.Count);

        public void Add(Page page) => Pages.Add(page);

        public Page Next()
        {
            while (Pages[next].Count == PageSize) next++;
            Pages[next].Count++;
            return Pages[next];
        }
    }
}
