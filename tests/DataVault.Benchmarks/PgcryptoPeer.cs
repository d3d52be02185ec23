using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace DataVault.Benchmarks;

/// <summary>
/// Peer (c): PostgreSQL's own pgcrypto as its manual shows it, every column under <c>pgp_sym_encrypt</c> with one passphrase handed over with each query, nothing
/// audited. Prepared statements over Npgsql's pool, no mapper.
/// </summary>
internal sealed class PgcryptoPeer(string connection) : IDisposable
{
    private const string Passphrase = "a passphrase that every process which reads has to know";
    private readonly NpgsqlDataSource _source = NpgsqlDataSource.Create($"{connection};Max Auto Prepare=10;Auto Prepare Min Usages=1");

    /// <summary>Encrypts the plaintext rows that the context has just written.</summary>
    public async Task SeedAsync(BaselineContext context)
    {
        var table = context.Model.FindEntityType(typeof(Person))!;
        string[] columns = [.. table.GetProperties().Where(property => property.ClrType == typeof(string)).Select(property => $"\"{property.GetColumnName()}\"")];
        var encrypted = string.Join(", ", columns.Select(column => $"pgp_sym_encrypt({column}, $1) as {column}"));
        await ExecuteAsync("create extension if not exists pgcrypto");
        await ExecuteAsync($"create table pgcrypto_people as select \"Id\", {encrypted} from \"{table.GetTableName()}\"", Passphrase);
        await ExecuteAsync("alter table pgcrypto_people add primary key (\"Id\")");
        await ExecuteAsync("analyze pgcrypto_people");
    }

    public async Task<IResult> ReadAsync(Guid id)
    {
        await using var command = _source.CreateCommand(
            """
            select pgp_sym_decrypt("GivenName", $2), pgp_sym_decrypt("FamilyName", $2), pgp_sym_decrypt("Email", $2), pgp_sym_decrypt("Phone", $2),
                   pgp_sym_decrypt("CustomerNumber", $2), pgp_sym_decrypt("LoyaltyTier", $2)
            from pgcrypto_people where "Id" = $1
            """);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = Passphrase });
        await using var row = await command.ExecuteReaderAsync();
        return await row.ReadAsync()
            ? Results.Ok(new PersonAnswer(id, row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetString(4), row.GetString(5)))
            : Results.NotFound();
    }

    public void Dispose() => _source.Dispose();

    private async Task ExecuteAsync(string sql, params string[] values)
    {
        await using var command = _source.CreateCommand(sql);
        command.CommandTimeout = 600;
        foreach (var value in values) command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = value });
        await command.ExecuteNonQueryAsync();
    }
}
