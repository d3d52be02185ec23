using System.Globalization;
using DataVault.Policy;
using DataVault.Server.Database;
using DataVault.Transparency;
using DataVault.Vault;
using Npgsql;

namespace DataVault.Server.Backup;

/// <summary>
/// The command <c>restore</c>: into a database beside the one that is wanted, which takes its name in one step when everything has been read, restored and
/// counted. Cut off at any moment, it leaves what was there before. What was erased since the backup is erased again by the next start, before it serves.
/// </summary>
internal sealed class RestoreCommand(VaultVisit visit, ServerSettings settings, TimeProvider clock, Action<string> print)
{
    private const string InUse = "55006";

    /// <param name="part">Which database.</param>
    /// <param name="from">A file, or <c>-</c> for standard input.</param>
    /// <param name="replacing">Name of the database that may be lost; null when it must be absent or empty.</param>
    /// <param name="stop">Ends the work early.</param>
    public async Task RestoreAsync(BackupPart part, string from, string? replacing, CancellationToken stop)
    {
        await using var source = from == "-" ? System.Console.OpenStandardInput() : File.OpenRead(from);
        await visit.AloneAsync(async databases =>
        {
            var wanted = new NpgsqlConnectionStringBuilder(databases.Administrator(part)) { Pooling = false };
            await using var cluster = await OpenAsync(wanted, "postgres", stop);
            var exists = await RefuseFullAsync(cluster, wanted, part, replacing, stop);
            var beside = new NpgsqlConnectionStringBuilder(wanted.ConnectionString) { Database = wanted.Database + "_restoring" };
            var facts = await FillAsync(source, part, cluster, beside, stop);
            await CompareAsync(facts, beside, stop);
            // INVARIANT: before the name is taken: the start that finds the older database must find the operator's word as well.
            if (part == BackupPart.Data)
                new RestoreOrder(settings.Home).Give(facts);
            else
                await RefuseUnfitAsync(databases.Administrator(BackupPart.Data), beside, stop);
            await TakeNameAsync(cluster, wanted.Database!, beside.Database!, exists);
            print($"Restored {BackupCommands.Describe(facts)}.");
            print("Now start the server (on outside databases, run migrate before): it carries out the erasures since, and puts the log's newer entries back, before it serves.");
        }, stop);
    }

    // The data come first (docs/backup.md), so that what is there now is what these keys must open.
    private async Task RefuseUnfitAsync(string data, NpgsqlConnectionStringBuilder beside, CancellationToken stop)
    {
        if (!File.Exists(Path.Combine(settings.Home, "vault-id")))
            return;
        var vault = new NpgsqlConnectionStringBuilder(data);
        await using var cluster = await OpenAsync(vault, "postgres", stop);
        if (!await HasTombstonesAsync(cluster, vault, stop))
            return;
        await using var records = await OpenAsync(vault, vault.Database!, stop);
        await using var keys = await OpenAsync(beside, beside.Database!, stop);
        if (await new RestoreLosses(settings.Home).RefusalAsync(records, keys, stop) is { } refusal)
            throw new StartupException("This backup does not fit the data. " + refusal);
    }

    private static async Task<bool> HasTombstonesAsync(NpgsqlConnection cluster, NpgsqlConnectionStringBuilder vault, CancellationToken stop)
    {
        await using var there = new NpgsqlCommand("select 1 from pg_database where datname = $1", cluster) { Parameters = { new() { Value = vault.Database! } } };
        if (await there.ExecuteScalarAsync(stop) is null)
            return false;
        await using var records = await OpenAsync(vault, vault.Database!, stop);
        await using var table = new NpgsqlCommand("select to_regclass('vault.tombstone') is not null", records);
        return await table.ExecuteScalarAsync(stop) is true;
    }

    /// <summary>The command <c>restore accept losses</c>: nobody has a backup of the keys that some records need; the vault is to start without these people.</summary>
    public void AcceptLosses()
    {
        new RestoreLosses(settings.Home).Accept();
        print("The next start serves whoever can be read. What is sealed under keys that no database holds is lost for good; check deep names whose it is.");
    }

    /// <summary>The command <c>restore accepted</c>: every restore that the log declares, and whether anybody stands behind it.</summary>
    public Task ListAsync(CancellationToken stop) => WithAcceptanceAsync(async acceptance =>
    {
        var declared = await acceptance.ListAsync(stop);
        foreach (var restore in declared)
        {
            print(string.Create(CultureInfo.InvariantCulture, $"Entry {restore.Index}: restored to the state at entry {restore.From}; {Say(restore)}"));
            foreach (var act in await acceptance.LostActsAsync(restore, stop))
                print(string.Create(CultureInfo.InvariantCulture, $"    undone by it: entry {act.Index}, {act.What} {act.Object}"));
        }
        if (declared.Count == 0)
            print("The log declares no restore.");
    }, stop);

    /// <summary>The command <c>restore accept ENTRY</c>: an operator says that a restore was meant which no command of ours carried out.</summary>
    public Task AcceptAsync(string entry, CancellationToken stop) => WithAcceptanceAsync(async acceptance =>
    {
        if (!long.TryParse(entry, NumberStyles.None, CultureInfo.InvariantCulture, out var index))
            throw new StartupException("Name the entry that declares the restore: restore accepted lists them.");
        var (said, taken, refused) = await acceptance.AcceptAsync(index, stop);
        print(string.Create(CultureInfo.InvariantCulture, $"Entry {said} says that the restore of entry {index} was meant. {taken} records are older by it and are served as they stand."));
        if (refused > 0)
            print(string.Create(CultureInfo.InvariantCulture, $"{refused} records are older than the restore explains: somebody put them back. They are not served; datavault-verify records names them."));
    }, stop);

    /// <summary>The command <c>restore accept versions PERSON…</c>: nothing of what the log tells of these people is newer than their records, and they are refused all the same.</summary>
    public Task ForgetAsync(string[] ids, CancellationToken stop) => WithAcceptanceAsync(async acceptance =>
    {
        var people = new List<SubjectId>();
        foreach (var id in ids)
        {
            if (!SubjectId.TryParse(id, out var person))
                throw new StartupException("Name the people by their ids: check deep lists whose records are refused.");
            people.Add(person);
        }
        var (entry, count) = await acceptance.ForgetAsync(people, stop);
        print(count == 0
            ? "Of none of them a newer version is remembered than the log tells of. Who is refused has an older record than the log tells of, or a damaged one: datavault-verify records says which."
            : string.Create(CultureInfo.InvariantCulture, $"From entry {entry} on the log says of {count} people that their record is as new as the log tells, and no newer. Records older than that stay refused."));
    }, stop);

    private Task WithAcceptanceAsync(Func<RestoreAcceptance, Task> work, CancellationToken stop) => visit.BesideServersAsync(async databases =>
    {
        await using var app = visit.Assemble(databases.Logins);
        try
        {
            await work(app.Services.GetRequiredService<RestoreAcceptance>());
        }
        catch (VaultException e)
        {
            throw new StartupException(e.Message);
        }
    }, stop);

    private static string Say(DeclaredRestore restore) => restore switch
    {
        { Word: RestoreWord.Ordered } => "carried out by command.",
        { AcceptedAt: { } at } => string.Create(CultureInfo.InvariantCulture, $"accepted in entry {at}."),
        { Word: RestoreWord.Found } => "found by the vault. If it was meant: restore accept " + restore.Index.ToString(CultureInfo.InvariantCulture),
        _ => "not signed: written by an earlier version, or by somebody who writes to the database. If you know of it: restore accept " + restore.Index.ToString(CultureInfo.InvariantCulture),
    };

    private async Task<BackupFacts> FillAsync(
        Stream source, BackupPart part, NpgsqlConnection cluster, NpgsqlConnectionStringBuilder beside, CancellationToken stop)
    {
        var tools = await PostgresTools.FindAsync(settings.SearchPath, cluster.PostgreSqlVersion.Major, stop);
        PostgresTool? tool = null;
        try
        {
            var facts = await BackupFile.OpenAsync(source, found => PassphraseOf(part, found), async said =>
            {
                Refuse(said);
                print($"Restoring {BackupCommands.Describe(said)}");
                await PrepareAsync(cluster, beside.Database!, said.Roles, stop);
                tool = PostgresTool.Restore(tools, beside.ConnectionString);
                return tool.Input;
            }, new BackupProgress("restored", clock, print), stop);
            await tool!.EndAsync();
            return facts;
        }
        catch (IOException) when (tool is not null)
        {
            // The pipe broke because the tool gave up: it says why.
            throw new StartupException($"pg_restore failed: {await tool.LastErrorAsync()}");
        }
        finally
        {
            if (tool is not null)
                await tool.DisposeAsync();
        }
    }

    private string PassphraseOf(BackupPart part, BackupPart found) => found == part
        ? settings.BackupPassphrase(part)
        : throw new StartupException($"This is a backup of {BackupFacts.NameOf(found)}, not of {BackupFacts.NameOf(part)}.");

    private void Refuse(BackupFacts said)
    {
        if (said.Outdated(settings.Home) is { } outdated)
            throw new StartupException("This backup is of no use. " + outdated);
    }

    // What a restore that was cut off left behind goes first.
    private static async Task PrepareAsync(NpgsqlConnection cluster, string beside, IReadOnlyList<string> roles, CancellationToken stop)
    {
        await RunAsync(cluster, $"drop database if exists {Provisioning.Identifier(beside)}", stop);
        await RunAsync(cluster, $"create database {Provisioning.Identifier(beside)} encoding 'UTF8' template template0", stop);
        foreach (var role in roles)
            await RunAsync(cluster, $"do $$ begin if not exists (select from pg_roles where rolname = {Provisioning.Literal(role)}) then create role {Provisioning.Identifier(role)} nologin; end if; end $$", stop);
    }

    private static async Task CompareAsync(BackupFacts facts, NpgsqlConnectionStringBuilder beside, CancellationToken stop)
    {
        await using var restored = await OpenAsync(beside, beside.Database!, stop);
        if (facts.Difference(await BackupFacts.ReadAsync(facts.Part, restored, stop)) is { } difference)
            throw new StartupException($"The restored database is not what was backed up: {difference}.");
    }

    private static async Task<bool> RefuseFullAsync(
        NpgsqlConnection cluster, NpgsqlConnectionStringBuilder wanted, BackupPart part, string? replacing, CancellationToken stop)
    {
        await using var command = new NpgsqlCommand("select 1 from pg_database where datname = $1", cluster) { Parameters = { new() { Value = wanted.Database! } } };
        if (await command.ExecuteScalarAsync(stop) is null)
            return false;
        await using var there = await OpenAsync(wanted, wanted.Database!, stop);
        await using var count = new NpgsqlCommand("select count(*) from pg_class c where c.relkind in ('r', 'p') and c.relnamespace::regnamespace::text not in ('pg_catalog', 'information_schema')", there);
        var tables = (long)(await count.ExecuteScalarAsync(stop))!;
        if (tables > 0 && replacing != wanted.Database)
            throw new StartupException($"The database {wanted.Database} holds {tables} tables. To lose them: restore {BackupFacts.NameOf(part)} FROM replacing {wanted.Database}");
        return true;
    }

    // INVARIANT: both names change in one transaction, so there is always exactly one database of the wanted name, the old one or the new.
    private static async Task TakeNameAsync(NpgsqlConnection cluster, string wanted, string beside, bool exists)
    {
        var replaced = wanted + "_replaced";
        try
        {
            await RunAsync(cluster, $"drop database if exists {Provisioning.Identifier(replaced)}", CancellationToken.None);
            await using (var transaction = await cluster.BeginTransactionAsync())
            {
                if (exists)
                    await RunAsync(cluster, $"alter database {Provisioning.Identifier(wanted)} rename to {Provisioning.Identifier(replaced)}", CancellationToken.None);
                await RunAsync(cluster, $"alter database {Provisioning.Identifier(beside)} rename to {Provisioning.Identifier(wanted)}", CancellationToken.None);
                await transaction.CommitAsync();
            }
            await RunAsync(cluster, $"drop database if exists {Provisioning.Identifier(replaced)}", CancellationToken.None);
        }
        catch (PostgresException e) when (e.SqlState == InUse)
        {
            throw new StartupException($"Somebody is connected to the database {wanted}: stop the servers and whoever else works on it, and restore again.");
        }
    }

    private static async Task<NpgsqlConnection> OpenAsync(NpgsqlConnectionStringBuilder settings, string database, CancellationToken stop)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(settings.ConnectionString) { Database = database, Pooling = false }.ConnectionString);
        await connection.OpenAsync(stop);
        return connection;
    }

    private static async Task RunAsync(NpgsqlConnection connection, string statement, CancellationToken stop)
    {
        await using var command = new NpgsqlCommand(statement, connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(stop);
    }
}
