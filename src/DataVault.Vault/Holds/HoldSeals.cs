using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Vault.Keys;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace DataVault.Vault;

/// <summary>That somebody is among the people of a hold, as its row has it.</summary>
/// <param name="Behind">The hold has ended and the person's facts still name it.</param>
internal sealed record HoldMember(Guid Hold, SubjectId Subject, bool Behind, byte[]? Seal);

/// <summary>
/// What tells the rows that this program wrote from those that somebody else changed: a keyed hash over everything in them that decides.
/// <code>
/// seal = origin(1): 1 placed under seal, 2 taken as it stood when seals came | HMAC-SHA-256(key, the row)
/// </code>
/// INVARIANT: what does not match ends nothing by itself.
/// </summary>
internal sealed class HoldSeals(IServiceKeys keys)
{
    public const byte Placed = 1;

    /// <summary>The facts of its people name such a hold without its id.</summary>
    public const byte Adopted = 2;

    private const string Label = "hold-seal";

    public static bool IsAdopted(byte[]? seal) => seal is [not Placed, ..] or null or [];

    public bool Matches(HoldRow row) => IsOf(row.Seal, origin => Of(row, origin));

    public bool Matches(HoldMember member) => IsOf(member.Seal, origin => Of(member, origin));

    public byte[] Of(HoldRow row, byte origin) => Hash(origin, writer =>
    {
        writer.Write("hold");
        writer.Add(row.Id);
        writer.Write(row.Authority);
        foreach (var list in (IReadOnlyList<int>[])[row.Scope.Items, row.Scope.Classes, row.Scope.Purposes])
        {
            writer.Write(list.Count);
            foreach (var number in list) writer.Write(number);
        }

        writer.Write(row.People);
        writer.Write(row.PlacedBy);
        writer.Write(row.ReleasedBy ?? "");
        foreach (var at in (DateTimeOffset?[])[row.PlacedAt, row.ReviewAt, row.ExpiresAt, row.ReleasedAt]) writer.Add(at);
    });

    public byte[] Of(HoldMember member, byte origin) => Hash(origin, writer =>
    {
        writer.Write("hold-subject");
        writer.Add(member.Hold);
        writer.Add(member.Subject.Value);
        writer.Write(member.Behind);
    });

    private static bool IsOf(byte[]? seal, Func<byte, byte[]> make) => seal is [Placed or Adopted, ..] && RowSeal.Is(seal, make(seal[0]));

    private byte[] Hash(byte origin, Action<BinaryWriter> write) =>
    [
        origin,
        .. RowSeal.Of(keys, Label, writer =>
        {
            writer.Write(origin);
            write(writer);
        }),
    ];
}

/// <summary>
/// Seals the holds from before there were seals, once, as they stand. That it was done is kept in the keys database: who empties a seal later is not helped.
/// </summary>
internal sealed class HoldAdoption(HoldStore holds, KeysDatabase keys, TimeProvider clock) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await using var connection = await keys.OpenAsync(cancellationToken);
        await using (var done = new NpgsqlCommand("select exists (select from keys.hold_seal_mark)", connection))
        {
            if (await done.ExecuteScalarAsync(cancellationToken) is true) return;
        }

        await holds.AdoptAsync(cancellationToken);
        await using var mark = new NpgsqlCommand("insert into keys.hold_seal_mark (id, sealed_at) values (1, $1) on conflict do nothing", connection)
        {
            Parameters = { new() { Value = clock.GetUtcNow().UtcDateTime } },
        };
        await mark.ExecuteNonQueryAsync(cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
