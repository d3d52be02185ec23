using System.Text;
using System.Text.Json;
using DataVault.Testing;
using Npgsql;

namespace DataVault.Server.Tests.Plaintext;

/// <summary>What an erasure leaves behind, and whom it tells: a person with everything that the API takes is erased, and then looked for everywhere.</summary>
public sealed class ErasedWholeTests(RecipientServer recipients) : IClassFixture<RecipientServer>
{
    private RunningServer Server => recipients.Server;

    // The dumps hold what the tables hold. The cluster's own files also hold dead versions of rows, the log of changes and the planner's samples: of values only
    // what the destroyed key had sealed, so that the planted texts are looked for there too; of ids what VACUUM and the recycling of the log take away in time,
    // so that the id is looked for in the files of the home folder beside the cluster, and in the tables row by row.
    [Fact]
    [Requirement("R39", "R50", "R53", "R58")]
    public async Task Nothing_of_an_erased_person_is_in_a_row_a_dump_or_a_file_in_any_encoding()
    {
        var canaries = new Canaries("vbnmcanary", 953168);
        var drive = new PlaintextDrive(Server, canaries);
        await drive.RunAsync();
        var oversight = new OversightDrive(Server, canaries, drive.Customer);
        await oversight.RunAsync();
        GoldenCustomer.IsPlantedEverywhere(await TablesNamingAsync(drive.Customer), await TablesNamingAsync(null));
        GoldenCustomer.IsFoundIn(await drive.PackageAsync(), canaries);
        Assert.Contains(canaries.Said("review"), await oversight.OfficersSightAsync(), StringComparison.Ordinal);
        var account = (Guid)(await ScalarAsync($"SELECT id FROM issuer.account WHERE subject_id = '{drive.Customer}'"))!;
        Assert.NotEmpty(Packages());

        await drive.FinishAsync();
        Assert.Empty(await TablesNamingAsync(drive.Customer));
        Assert.Empty(await TablesNamingAsync(account));
        Assert.DoesNotContain(canaries.Planted.First(), await oversight.OfficersSightAsync(), StringComparison.OrdinalIgnoreCase);
        Assert.Equal(0L, await CountAsync("SELECT count(*) FROM analytics_insight.customer WHERE segment = 'dormant'"));
        Assert.Empty(Packages());

        Assert.Equal(0, await Server.Process.StopAsync());
        var planted = new PlaintextHunt([.. canaries.Planted]);
        var sent = Path.Combine(Server.Process.Home, "mail");
        planted.SearchSent(sent);
        Directory.Delete(sent, recursive: true);
        planted.SearchFolder(Path.GetDirectoryName(Server.Process.Home)!);
        planted.Search("the server's output", Encoding.UTF8.GetBytes(Server.Process.Output));
        var names = new PlaintextHunt(drive.Customer.ToString("D"), drive.Customer.ToString("N"));
        foreach (var file in BesideTheCluster()) names.Search(file, [.. Encoding.UTF8.GetBytes(file), .. await File.ReadAllBytesAsync(file)]);
        await Server.Process.RestartAsync();
        foreach (var database in new[] { "vault", "keys" })
        {
            var dump = await NoPlaintextTests.DumpAsync(Server, database);
            planted.Search($"dump of {database}", dump);
            names.Search($"dump of {database}", dump);
        }
        Assert.True(planted.Findings.Count == 0 && names.Findings.Count == 0, string.Join('\n', planted.Findings.Concat(names.Findings)));
    }

    [Fact]
    [Requirement("R60")]
    public async Task A_recipient_is_told_until_it_has_answered_with_one_id_and_a_signature_that_it_verifies()
    {
        const string Email = "told.of.erasure@vault.example";
        var customer = await Server.CreateCustomerAsync(Email);
        var request = await PlaintextDrive.EraseAsync(Server, customer);
        // The first is answered with 500, the second cut off after it was received.
        await Waiting.UntilAsync("the recipient has answered", async () =>
        {
            await Server.Process.DatabaseAsync("vault", "UPDATE vault.outbox SET due_at = now() - interval '1 second' WHERE recipient = 'billing'");
            return recipients.About(customer).Count >= 3 && await CountAsync("SELECT count(*) FROM vault.outbox WHERE recipient = 'billing'") == 0;
        });
        var told = recipients.About(customer);
        Assert.Equal(3, told.Count);
        Assert.All(told, one => Assert.True(one.Verified, one.Body));
        Assert.Single(told.Select(one => (one.Id, one.Body)).Distinct());
        using var body = JsonDocument.Parse(told[0].Body);
        Assert.Equal("person.erased", body.RootElement.GetProperty("type").GetString());
        Assert.Equal(request, body.RootElement.GetProperty("data").GetProperty("request").GetGuid());
        Assert.DoesNotContain(Email, told[0].Body, StringComparison.Ordinal);
        Assert.False(RecipientServer.Verifies([.. RecipientServer.Key.Reverse()], told[0]));
    }

    [Fact]
    public async Task The_status_names_notices_that_fail_for_good_and_holds_to_be_reviewed()
    {
        var (erased, held) = (await Server.CreateCustomerAsync("dead.letter@vault.example"), await Server.CreateCustomerAsync("overdue.hold@vault.example"));
        Assert.Equal("ok", await StatusAsync("holds"));
        var hold = await HoldAsync(held, "File 12");
        Assert.Equal("ok", await StatusAsync("holds"));
        await Server.Process.DatabaseAsync("vault", $"UPDATE vault.hold SET review_at = now() - interval '1 day' WHERE hold_id = '{hold}'");
        Assert.Equal("1 changed in the database, 1 overdue for review", await StatusAsync("holds"));
        await Server.JsonAsync("compliance-officer", HttpMethod.Post, $"/v1/holds/{hold}/release");
        Assert.Equal("ok", await StatusAsync("holds"));

        await PlaintextDrive.EraseAsync(Server, erased);
        Assert.Contains("waiting", await StatusAsync("outbox"), StringComparison.Ordinal);
        // What two days of failures do.
        await Waiting.UntilAsync("the notice is dead", async () =>
        {
            await Server.Process.DatabaseAsync("vault", "UPDATE vault.outbox SET attempts = 16 WHERE recipient = 'gone'");
            return (await StatusAsync("outbox")).Contains(" dead, ", StringComparison.Ordinal);
        });
    }

    private async Task<Guid> HoldAsync(Guid customer, string reference) => (await Server.JsonAsync(
        "compliance-officer", HttpMethod.Post, "/v1/holds",
        new { customers = new[] { customer }, items = new[] { "event:purchase" }, authority = "legal-claim", caseReference = reference, reviewAt = DateTimeOffset.UtcNow.AddDays(30) },
        System.Net.HttpStatusCode.Created)).GetProperty("id").GetGuid();

    private async Task<string> StatusAsync(string part) =>
        (await Server.JsonAsync("administrator", HttpMethod.Get, "/v1/status")).GetProperty("health").GetProperty(part).GetString()!;

    private string[] Packages() => Directory.GetFiles(Path.Combine(Server.Process.Home, "packages"));

    private IEnumerable<string> BesideTheCluster() =>
        Directory.EnumerateFiles(Server.Process.Home, "*", SearchOption.AllDirectories).Where(file => !file.StartsWith(Path.GetDirectoryName(Server.Process.DatabaseFolder)!, StringComparison.Ordinal));

    private async Task<long> CountAsync(string query) => (long)(await ScalarAsync(query))!;

    private async Task<object?> ScalarAsync(string query)
    {
        await using var connection = new NpgsqlConnection(Server.Process.DatabaseConnection("vault"));
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(query, connection);
        return await command.ExecuteScalarAsync();
    }

    // A row as text has ids with hyphens, and bytes as hexadecimal digits. Without an id: the tables that have any row.
    private async Task<List<string>> TablesNamingAsync(Guid? id)
    {
        var found = new List<string>();
        foreach (var database in new[] { "vault", "keys" })
        {
            await using var connection = new NpgsqlConnection(Server.Process.DatabaseConnection(database));
            await connection.OpenAsync();
            await using var list = new NpgsqlCommand(
                "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema')",
                connection);
            var tables = new List<string>();
            await using (var reader = await list.ExecuteReaderAsync())
            {
                while (await reader.ReadAsync()) tables.Add(reader.GetString(0));
            }
            foreach (var table in tables)
            {
                await using var rows = new NpgsqlCommand($"SELECT count(*) FROM {table} t WHERE strpos(t::text, $1) > 0 OR strpos(t::text, $2) > 0", connection)
                {
                    Parameters = { new() { Value = id?.ToString("D") ?? "(" }, new() { Value = id?.ToString("N") ?? "(" } },
                };
                if ((long)(await rows.ExecuteScalarAsync())! > 0) found.Add(table);
            }
        }
        return found;
    }
}
