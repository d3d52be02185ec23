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
/// <remarks>What stood there before is kept under another name until the vault has started and something is restored again, or the operator discards it.</remarks>
internal sealed class RestoreCommand(VaultVisit visit, ServerSettings settings, TimeProvider clock, Action<string> print)
{
    private const string InUse = "55006";

    /// <param name="part">Which database.</param>
    /// <param name="from">A file, or <c>-</c> for standard input.</param>
    /// <param name="replacing">Name of the database that may be lost; null when it must be absent or empty.</param>
    /// <param name="beside">What becomes of the other database.</param>
    /// <param name="stop">Ends the work early.</param>
    public async Task RestoreAsync(BackupPart part, string from, string? replacing, OtherPart beside, CancellationToken stop)
    {
        await using var source = from == "-" ? System.Console.OpenStandardInput() : File.OpenRead(from);
        await visit.AloneAsync(async databases =>
        {
            var wanted = new NpgsqlConnectionStringBuilder(databases.Administrator(part)) { Pooling = false };
            await using var cluster = await OpenAsync(wanted, "postgres", stop);
            var exists = await RefuseFullAsync(cluster, wanted, part, replacing, stop);
            var fresh = new NpgsqlConnectionStringBuilder(wanted.ConnectionString) { Database = wanted.Database + "_restoring" };
            var facts = await FillAsync(source, part, cluster, fresh, stop);
            await CompareAsync(facts, fresh, stop);
            if (part == BackupPart.Keys)
                await RefuseUnfitAsync(new(databases.Administrator(BackupPart.Data)), fresh, "the data", stop);
            else if (beside == OtherPart.Stays)
                await RefuseUnfitAsync(fresh, new(databases.Administrator(BackupPart.Keys)), "the keys", stop);
            // INVARIANT: before the name is taken: the start that finds the older database must find the operator's word as well.
            if (part == BackupPart.Data)
                new RestoreOrder(settings.Home).Give(facts);
            var kept = await TakeNameAsync(cluster, part, (wanted.Database!, fresh.Database!), exists);
            print($"Restored {BackupCommands.Describe(facts)}.");
            if (kept is not null)
                print($"What was there before is kept as the database {kept}. When the server has started and is what it should be: restore discard {BackupFacts.NameOf(part)}");
            print("Now start the server (on outside databases, run migrate before): it carries out the erasures since, and puts the log's newer entries back, before it serves.");
        }, stop);
    }

    /// <summary>The command <c>restore discard</c>: the database that an earlier restore replaced goes.</summary>
    public Task DiscardAsync(BackupPart part, CancellationToken stop) => visit.AloneAsync(async databases =>
    {
        if (new UntriedRestores(settings.Home).Has(part))
            throw new StartupException("The vault has not started since the restore: what was there before may still be needed.");
        var wanted = new NpgsqlConnectionStringBuilder(databases.Administrator(part)) { Pooling = false };
        await using var cluster = await OpenAsync(wanted, "postgres", stop);
        var replaced = ReplacedName(wanted.Database!);
        print(await ExistsAsync(cluster, replaced, stop) ? $"The database {replaced} is dropped." : $"There is no database {replaced}.");
        await RunAsync(cluster, $"drop database if exists {Provisioning.Identifier(replaced)}", stop);
    }, stop);

    // The data come first (docs/backup.md): what is there of the other part is what this one must fit, unless that is restored as well.
    private async Task RefuseUnfitAsync(NpgsqlConnectionStringBuilder data, NpgsqlConnectionStringBuilder keys, string other, CancellationToken stop)
    {
        if (!File.Exists(Path.Combine(settings.Home, "vault-id")))
            return;
        if (!await HasTombstonesAsync(data, "vault", stop) || !await HasTombstonesAsync(keys, "keys", stop))
            return;
        await using var records = await OpenAsync(data, data.Database!, stop);
        await using var keyed = await OpenAsync(keys, keys.Database!, stop);
        if (await new RestoreLosses(settings.Home).RefusalAsync(records, keyed, stop) is { } refusal)
            throw new StartupException($"This backup does not fit {other}. {refusal}" + (other == "the keys" ? " If the keys of its time are restored next, add: keys-follow" : ""));
    }

    private static async Task<bool> HasTombstonesAsync(NpgsqlConnectionStringBuilder database, string schema, CancellationToken stop)
    {
        await using (var cluster = await OpenAsync(database, "postgres", stop))
        {
            if (!await ExistsAsync(cluster, database.Database!, stop))
                return false;
        }

        await using var there = await OpenAsync(database, database.Database!, stop);
        await using var table = new NpgsqlCommand("select to_regclass($1) is not null", there) { Parameters = { new() { Value = schema + ".tombstone" } } };
        return await table.ExecuteScalarAsync(stop) is true;
    }

    private static async Task<bool> ExistsAsync(NpgsqlConnection cluster, string database, CancellationToken stop)
    {
        await using var command = new NpgsqlCommand("select exists (select from pg_database where datname = $1)", cluster) { Parameters = { new() { Value = database } } };
        return await command.ExecuteScalarAsync(stop) is true;
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
        if (!await ExistsAsync(cluster, wanted.Database!, stop))
            return false;
        await using var there = await OpenAsync(wanted, wanted.Database!, stop);
        await using var count = new NpgsqlCommand("select count(*) from pg_class c where c.relkind in ('r', 'p') and c.relnamespace::regnamespace::text not in ('pg_catalog', 'information_schema')", there);
        var tables = (long)(await count.ExecuteScalarAsync(stop))!;
        if (tables > 0 && replacing != wanted.Database)
            throw new StartupException($"The database {wanted.Database} holds {tables} tables. To lose them: restore {BackupFacts.NameOf(part)} FROM replacing {wanted.Database}");
        return true;
    }

    // INVARIANT: both names change in one transaction, so there is always exactly one database of the wanted name, the old one or the new.
    // INVARIANT: what the vault last started with is never dropped here: a restore that was not tried gives way to the next one instead.
    private async Task<string?> TakeNameAsync(NpgsqlConnection cluster, BackupPart part, (string Wanted, string Fresh) names, bool exists)
    {
        var (untried, replaced) = (new UntriedRestores(settings.Home), ReplacedName(names.Wanted));
        var (wanted, former, fresh) = (Provisioning.Identifier(names.Wanted), Provisioning.Identifier(replaced), Provisioning.Identifier(names.Fresh));
        try
        {
            if (!untried.Has(part))
                await RunAsync(cluster, $"drop database if exists {former}", CancellationToken.None);
            untried.Note(part);
            var keeps = await ExistsAsync(cluster, replaced, CancellationToken.None);
            var useless = Provisioning.Identifier(names.Wanted + "_untried");
            await RunAsync(cluster, $"drop database if exists {useless}", CancellationToken.None);
            await using (var transaction = await cluster.BeginTransactionAsync())
            {
                if (exists)
                    await RunAsync(cluster, $"alter database {wanted} rename to {(keeps ? useless : former)}", CancellationToken.None);
                await RunAsync(cluster, $"alter database {fresh} rename to {wanted}", CancellationToken.None);
                await transaction.CommitAsync();
            }
            await RunAsync(cluster, $"drop database if exists {useless}", CancellationToken.None);
            return exists || keeps ? replaced : null;
        }
        catch (PostgresException e) when (e.SqlState == InUse)
        {
            throw new StartupException($"Somebody is connected to the database {names.Wanted}: stop the servers and whoever else works on it, and restore again.");
        }
    }

    private static string ReplacedName(string database) => database + "_replaced";

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

/// <summary>What becomes of the other of the two databases when one is restored.</summary>
internal enum OtherPart
{
    /// <summary>It stays, and must fit.</summary>
    Stays,

    /// <summary>The backup of its time is restored next.</summary>
    Follows,
}
