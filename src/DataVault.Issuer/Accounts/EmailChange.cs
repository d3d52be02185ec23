using DataVault.Issuer.Storage;
using Npgsql;

namespace DataVault.Issuer.Accounts;

/// <summary>A row of <c>issuer.email_change</c>.</summary>
/// <param name="Id">Its own; a later one of the account is greater.</param>
/// <param name="Account">Whose address.</param>
/// <param name="NextSealed">The address that was asked for.</param>
/// <param name="FormerSealed">The one before.</param>
/// <param name="CodeMac">Of the code that went to the next address.</param>
/// <param name="StopHash">Of what went to the former one.</param>
/// <param name="CodeUntil">How long the code can be used.</param>
/// <param name="StopUntil">How long the change can be stopped or undone.</param>
/// <param name="IsMade">The code was shown.</param>
/// <param name="Seal"><see cref="Keys.RowSeals"/>.</param>
internal sealed record EmailChange(
    Guid Id, Guid Account, byte[] NextSealed, byte[] FormerSealed, byte[] CodeMac, byte[] StopHash, DateTimeOffset CodeUntil, DateTimeOffset StopUntil, bool IsMade,
    byte[]? Seal)
{
    public const string Columns = "id, account_id, next_sealed, former_sealed, code_mac, stop_hash, code_until, stop_until, is_made, seal";

    public static EmailChange Read(NpgsqlDataReader r) =>
        new(r.GetGuid(0), r.GetGuid(1), (byte[])r[2], (byte[])r[3], (byte[])r[4], (byte[])r[5], r.Time(6), r.Time(7), r.GetBoolean(8), r.OptionalReference<byte[]>(9));

    public static string NextContext(Guid id) => $"email-change/{id:N}/next";

    public static string FormerContext(Guid id) => $"email-change/{id:N}/former";
}
