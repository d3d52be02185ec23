using System.Buffers.Binary;
using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace DataVault.Vault.Keys;

/// <summary>What the log proves of one person's record: that it has had this version, and none after it that is not known to be lost.</summary>
internal sealed record ProvenVersion(SubjectId Subject, byte[] Tag, long Version);

/// <summary>
/// Before anything is served: a database that was restored holds older records by right. A record is taken as it stands when a restore behind which an operator
/// stands explains it exactly: it is of the version that it had at the first lost entry, and the newest that is remembered was written by a lost one.
/// </summary>
internal sealed class RestoredVersions(
    NewestVersions newest, RestoreDeclarations restores, LogMirror mirror, KeyRegistry registry, VaultDatabase vault, ILogger<RestoredVersions> logger) : IHostedService
{
    private const int Chunk = 1024;

    /// <summary>What was lost of one person.</summary>
    /// <param name="Oldest">The version that the record had before, at least.</param>
    /// <param name="Youngest">The same, at most: a renewal of the key leaves the version as it is, the erasure of a part does not.</param>
    /// <param name="Newest">The newest version that was lost.</param>
    private readonly record struct Loss(long Oldest, long Youngest, long Newest);

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            await AcceptAsync(cancellationToken);
        }
        catch (VaultException e)
        {
            // The records in question are refused until the next start can look; everything else is served.
            logger.LogError("Restores that the log declares cannot be looked at now ({Slug}).", e.Slug);
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Looks at the restores that were declared or accepted since this was last done.</summary>
    /// <returns>How many records were taken as they stand, and how many are older without a reason.</returns>
    public async Task<(int Taken, int Refused)> AcceptAsync(CancellationToken ct)
    {
        var (declared, size) = await restores.ReadAsync(await newest.LogSeenAsync(ct), ct);
        var outcome = declared.Count > 0 ? await LookAsync([.. declared.Where(restore => restore.IsBelieved)], ct) : default;
        await newest.SawLogAsync(size, ct);
        foreach (var restore in declared.Where(restore => !restore.IsBelieved))
            logger.LogWarning("Entry {Index} declares a restore to entry {From}, and no operator stands behind it ({Word}).", restore.Index, restore.From, restore.Word);
        if (outcome != default)
            logger.LogWarning("Of a declared restore {Taken} records are older and taken as they stand; {Refused} are older than it explains, and are not served.", outcome.Taken, outcome.Refused);
        return outcome;
    }

    /// <summary>
    /// Of these people those whose record is remembered in a newer version than the log tells of, with that of the log. Reads the whole mirror: whoever writes to
    /// the database does not reach it, and can add to the log but take nothing away. What a restore lost behind which an operator stands does not count.
    /// </summary>
    public async Task<IReadOnlyList<ProvenVersion>> ProvenAsync(IReadOnlyList<SubjectId> people, CancellationToken ct)
    {
        var told = (await TagsAsync([.. people], ct)).ToDictionary(pair => pair.Value, pair => (Subject: pair.Key, Version: 0L));
        var (declared, _) = await restores.ReadAsync(0, ct);
        var believed = declared.Where(restore => restore.IsBelieved).ToList();
        var index = -1L;
        await foreach (var encoded in mirror.EntriesAsync(0, mirror.Read().Size, ct))
        {
            index++;
            var entry = LogEntry.Decode(encoded);
            if (!IsWrite(entry) || believed.Exists(restore => index >= restore.From && index < restore.Index)) continue;
            var tag = BinaryPrimitives.ReadUInt128BigEndian(entry.Subject.Span);
            if (told.TryGetValue(tag, out var one) && entry.RecordVersion > one.Version) told[tag] = one with { Version = entry.RecordVersion };
        }

        var proven = told.Where(pair => pair.Value.Version > 0).ToDictionary(pair => pair.Value.Subject, pair => (Tag: pair.Key, pair.Value.Version));
        var ahead = await newest.OlderAsync([.. proven.Select(pair => (pair.Key.Value, pair.Value.Version))], ct);
        return [.. ahead.Select(one => new ProvenVersion(one.Subject, TagOf(proven[one.Subject].Tag), one.Version))];
    }

    /// <summary>Remembers no newer versions of these records than those.</summary>
    public async Task ForgetAsync(IReadOnlyList<ProvenVersion> people, CancellationToken ct)
    {
        await newest.LowerAsync([.. people.Select(one => (one.Subject.Value, one.Version))], ct);
        foreach (var one in people) registry.Forget(one.Subject);
    }

    private static byte[] TagOf(UInt128 tag)
    {
        var bytes = new byte[SubjectKeys.TagSize];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, tag);
        return bytes;
    }

    private static bool IsWrite(LogEntry entry) => entry.Result == EntryResult.Ok && !entry.Seal.IsEmpty && entry.RecordVersion > 0 && !entry.Subject.IsEmpty;

    private async Task<(int Taken, int Refused)> LookAsync(IReadOnlyList<DeclaredRestore> believed, CancellationToken ct)
    {
        var lost = await LostAsync(believed, ct);
        await using var command = vault.Source.CreateCommand("select subject_id, row_version from vault.subject");
        command.CommandTimeout = 0;
        var (taken, refused) = (0, 0);
        await foreach (var chunk in NewestVersions.RowsAsync(command, ct).Chunk(Chunk).WithCancellation(ct))
        {
            var older = await newest.OlderAsync(chunk, ct);
            if (older.Count == 0) continue;
            var explained = await ExplainedAsync(older, lost, ct);
            await newest.LowerAsync(explained, ct);
            foreach (var (subject, _) in explained) registry.Forget(new SubjectId(subject));
            (taken, refused) = (taken + explained.Length, refused + older.Count - explained.Length);
        }

        return (taken, refused);
    }

    // From the mirror: it holds what was put back, and whoever writes to the database does not reach it.
    private async Task<Dictionary<UInt128, Loss>> LostAsync(IReadOnlyList<DeclaredRestore> believed, CancellationToken ct)
    {
        var lost = new Dictionary<UInt128, Loss>();
        foreach (var restore in believed)
        {
            var seen = new HashSet<UInt128>();
            await foreach (var encoded in mirror.EntriesAsync(restore.From, restore.Index, ct))
            {
                var entry = LogEntry.Decode(encoded);
                if (!IsWrite(entry)) continue;
                var tag = BinaryPrimitives.ReadUInt128BigEndian(entry.Subject.Span);
                var before = lost.GetValueOrDefault(tag);
                var loss = seen.Add(tag) ? new Loss(entry.RecordVersion - 1, entry.Type == EntryType.KeyRotate ? entry.RecordVersion : entry.RecordVersion - 1, 0) : before;
                lost[tag] = loss with { Newest = Math.Max(before.Newest, entry.RecordVersion) };
            }
        }

        return lost;
    }

    private async Task<(Guid Subject, long Version)[]> ExplainedAsync(List<(SubjectId Subject, long Version, long Newest)> older, Dictionary<UInt128, Loss> lost, CancellationToken ct)
    {
        var tags = await TagsAsync(older.ConvertAll(one => one.Subject), ct);
        return [.. older.Where(one => tags.TryGetValue(one.Subject, out var tag) && lost.TryGetValue(tag, out var loss)
            && one.Version >= loss.Oldest && one.Version <= loss.Youngest && one.Newest <= loss.Newest).Select(one => (one.Subject.Value, one.Version))];
    }

    private async Task<Dictionary<SubjectId, UInt128>> TagsAsync(List<SubjectId> subjects, CancellationToken ct)
    {
        try
        {
            var tags = new Dictionary<SubjectId, UInt128>();
            foreach (var held in await registry.GetManyFreshAsync(subjects, ct))
            {
                using (held) tags[held.Subject] = BinaryPrimitives.ReadUInt128BigEndian(held.Tag.Span);
            }

            return tags;
        }
        catch (CryptographicException) when (subjects.Count > 1)
        {
            // One key that somebody damaged keeps its own record from being taken, and nobody else's.
            var half = subjects.Count / 2;
            return (await TagsAsync([.. subjects.Take(half)], ct)).Concat(await TagsAsync([.. subjects.Skip(half)], ct)).ToDictionary();
        }
        catch (CryptographicException)
        {
            return [];
        }
    }
}
