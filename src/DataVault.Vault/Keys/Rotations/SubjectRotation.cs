using System.Buffers.Binary;
using System.Globalization;
using DataVault.Policy;

namespace DataVault.Vault.Keys;

/// <summary>
/// A new key for everybody, page by page: the next version is made, all values are sealed anew, the next version is put in force. Then, after a grace in which
/// whoever read an old row has long opened it, the former versions are dropped, page by page again.
/// </summary>
internal sealed class SubjectRotation(
    KeysDatabase database, KeyRegistry registry, PersonRenewal renewal, RequestSecrets requests, VaultOptions options, TimeProvider clock) : IRotation
{
    /// <summary>People in one transaction: it holds the locks of their records for some milliseconds.</summary>
    private const int Together = 16;

    // Pages have random numbers, and numbers of pages are never negative.
    private const long Start = -1;

    private enum Phase : byte
    {
        Renewing,
        Settling,
    }

    /// <param name="Phase">What is being done.</param>
    /// <param name="Page">The last page that it was done for.</param>
    /// <param name="LeftOut">People who could not be renewed, or whose former key is still needed.</param>
    /// <param name="NotBefore">When the grace ends, in Unix milliseconds.</param>
    private readonly record struct Position(Phase Phase, long Page, long LeftOut, long NotBefore)
    {
        public static Position Read(byte[]? cursor) => cursor is null
            ? new(Phase.Renewing, Start, 0, 0)
            : new((Phase)cursor[0], BinaryPrimitives.ReadInt64BigEndian(cursor.AsSpan(1)), BinaryPrimitives.ReadInt64BigEndian(cursor.AsSpan(9)), BinaryPrimitives.ReadInt64BigEndian(cursor.AsSpan(17)));

        public byte[] Write()
        {
            var cursor = new byte[25];
            cursor[0] = (byte)Phase;
            BinaryPrimitives.WriteInt64BigEndian(cursor.AsSpan(1), Page);
            BinaryPrimitives.WriteInt64BigEndian(cursor.AsSpan(9), LeftOut);
            BinaryPrimitives.WriteInt64BigEndian(cursor.AsSpan(17), NotBefore);
            return cursor;
        }
    }

    public string Level => RotationLevels.Subjects;

    public async Task<RotationPlan> PlanAsync(string? target, CancellationToken ct)
    {
        if (target is not null) throw VaultException.BadRequest("Everybody's keys are rotated together.");
        await using var command = database.Source.CreateCommand("select count(*) from keys.subject_key");
        return new RotationPlan("all", (long)(await command.ExecuteScalarAsync(ct))!);
    }

    public async Task<RotationStep> StepAsync(RotationJob job, CancellationToken ct)
    {
        var at = Position.Read(job.Cursor);
        if (at.Phase == Phase.Renewing) return await RenewPageAsync(job, at, ct);
        var due = DateTimeOffset.FromUnixTimeMilliseconds(at.NotBefore);
        if (clock.GetUtcNow() < due) return new RotationStep(job.View.Done, job.Cursor, Finished: false, job.View.Error, due);
        return await SettlePageAsync(job, at, ct);
    }

    private async Task<RotationStep> RenewPageAsync(RotationJob job, Position at, CancellationToken ct)
    {
        if (await registry.NextPageAsync(at.Page, ct) is not { } next)
        {
            var due = clock.GetUtcNow() + options.RenewalGrace;
            var settling = new Position(Phase.Settling, Start, at.LeftOut, due.ToUnixTimeMilliseconds());
            return new RotationStep(job.View.Done, settling.Write(), Finished: false, Remark(at.LeftOut), due);
        }

        if (at.Page == Start) await renewal.BeginAsync(await registry.NoteRenewalAsync(job.Id, ct), ct);
        var members = await registry.PrepareAsync(next.Page, ct);
        var sealedUnder = new Dictionary<SubjectId, int>();
        var leftOut = 0;
        foreach (var people in members.OrderBy(m => m.Value).Chunk(Together))
        {
            var (versions, missed) = await renewal.RenewAsync(people, ct);
            foreach (var (person, version) in versions) sealedUnder[person] = version;
            leftOut += missed;
        }

        await requests.RenewAsync(members, ct);
        await registry.SwitchAsync(next.Page, sealedUnder, ct);
        var after = at with { Page = next.Page, LeftOut = at.LeftOut + leftOut };
        return new RotationStep(job.View.Done + members.Count, after.Write(), Finished: false, Remark(after.LeftOut));
    }

    private async Task<RotationStep> SettlePageAsync(RotationJob job, Position at, CancellationToken ct)
    {
        if (await registry.NextPageAsync(at.Page, ct) is not { } next) return new RotationStep(job.View.Done, at.Write(), Finished: true, Remark(at.LeftOut));
        await renewal.WithVersionsAsync(next.Members, versions => registry.SettleAsync(next.Page, versions, ct), ct);
        return new RotationStep(job.View.Done, (at with { Page = next.Page }).Write(), Finished: false, Remark(at.LeftOut));
    }

    private static string? Remark(long leftOut) => leftOut == 0
        ? null
        : string.Create(CultureInfo.InvariantCulture, $"{leftOut} people keep the key they had: something of theirs does not open, or is of a type of events that the policy does not know.");
}
