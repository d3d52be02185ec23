using DataVault.Issuer.Storage;
using Npgsql;

namespace DataVault.Issuer.Outside;

/// <summary>A row of <c>issuer.outside_link</c>.</summary>
internal sealed record OutsideLink(Guid Id, Guid Customer, DateTimeOffset CreatedAt, byte[]? Seal)
{
    public const string Columns = "id, subject_id, created_at, seal";

    public static OutsideLink Read(NpgsqlDataReader r) => new(r.GetGuid(0), r.GetGuid(1), r.Time(2), r.OptionalReference<byte[]>(3));
}
