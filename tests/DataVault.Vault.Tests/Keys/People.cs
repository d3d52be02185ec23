using System.Text;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault.Tests.Keys;

/// <summary>People made up for tests, written below the gate: keys, a sealed record, a row.</summary>
internal static class People
{
    public static readonly FieldProvenance Provenance = new("crm", DateTimeOffset.FromUnixTimeSeconds(1_700_000_000), "provided", "2024-05");

    public static SubjectId NewId() => new(Uuid.Version7(TimeProvider.System, new SystemRandomBytes()));

    public static FieldDefinition Field(string name) => Repository.Policy.Catalogue.Find(name)!;

    public static FieldPermit Permit(SubjectId subject, string name, AccessAction action = AccessAction.Read) => new(Field(name), Form.Plain, action, subject);

    public static IReadOnlyList<FieldPermit> Permits(SubjectId subject, AccessAction action, params string[] names) => [.. names.Select(name => Permit(subject, name, action))];

    public static byte[] Json(string text) => Encoding.UTF8.GetBytes($"\"{text}\"");

    public static RecordContent Content(SubjectId subject, params (string Field, string Value)[] values)
    {
        var content = new RecordContent(Repository.Policy.Catalogue);
        foreach (var (field, value) in values) content.Set(Permit(subject, field, AccessAction.Create), Json(value), Provenance);
        return content;
    }

    /// <summary>Keys, record and row of a new person whose e-mail address is <paramref name="email"/>.</summary>
    public static async Task<SealedRecord> CreateAsync(RunningVault vault, string email)
    {
        var subject = NewId();
        using var keys = (await vault.Get<KeyRegistry>().CreateAsync([subject]))[0];
        using var content = Content(subject, ("email", email), ("givenName", "Ada"));
        var record = vault.Get<RecordCipher>().Seal(keys, 1, content, [1, 2, 3]);
        await InsertAsync(vault, record);
        return record;
    }

    public static async Task InsertAsync(RunningVault vault, SealedRecord record)
    {
        await using var command = vault.Get<VaultDatabase>().Source.CreateCommand(
            "insert into vault.subject (subject_id, row_version, key_version, record, record_seal, facts, jurisdiction, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, 'eu', now(), now())");
        foreach (object value in new object[] { record.Subject.Value, record.RowVersion, record.KeyVersion, record.Record, record.RecordSeal, record.Facts })
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>The e-mail address that opens from a record.</summary>
    public static async Task<string> ReadEmailAsync(RunningVault vault, SealedRecord record)
    {
        using var keys = await vault.Get<KeyRegistry>().GetAsync(record.Subject);
        using var opened = vault.Get<RecordCipher>().Open(record, keys, [Permit(record.Subject, "email")]);
        return Encoding.UTF8.GetString(opened[0].Utf8Json.Span).Trim('"');
    }

    public static async Task<long> CountAsync(RunningVault vault, string table)
    {
        var source = table.StartsWith("keys.", StringComparison.Ordinal) ? vault.Get<KeysDatabase>().Source : vault.Get<VaultDatabase>().Source;
        await using var command = source.CreateCommand($"select count(*) from {table}");
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
