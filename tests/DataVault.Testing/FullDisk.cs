using Npgsql;

namespace DataVault.Testing;

/// <summary>
/// The databases of one test as on a disk that is full, or that fills up at the nth statement that writes: it fails as PostgreSQL says it does then, and its
/// transaction with it. Reads go on. Needs no rights on the machine, and disturbs nobody else on the cluster; <see cref="PostgresCluster.LimitFilesAsync"/> is the
/// real thing, and stops the server where its log of changes cannot be written.
/// </summary>
public sealed class FullDisk
{
    // A sequence counts for good, whatever becomes of the transaction.
    private const string Stand =
        """
        create schema disk;
        create sequence disk.written;
        create table disk.state (room bigint);
        insert into disk.state values (null);
        create function disk.write() returns trigger language plpgsql security definer as $$
        declare room_left bigint := (select room from disk.state);
        begin
          if room_left is not null then
            if nextval('disk.written') > room_left then raise exception 'could not extend file: No space left on device' using errcode = 'disk_full'; end if;
          end if;
          return null;
        end $$;
        do $$
        declare one record;
        begin
          for one in select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
                     where c.relkind in ('r', 'p') and not c.relispartition and n.nspname not in ('disk', 'pg_catalog', 'information_schema')
          loop
            execute format('create trigger full_disk before insert or update or delete on %I.%I for each statement execute function disk.write()', one.nspname, one.relname);
          end loop;
        end $$;
        """;

    private readonly string[] connections;

    private FullDisk(string[] connections) => this.connections = connections;

    /// <summary>Stands under both databases from now on, with room.</summary>
    public static async Task<FullDisk> UnderAsync(DatabasePerClass databases)
    {
        ArgumentNullException.ThrowIfNull(databases);
        var disk = new FullDisk([databases.VaultAdmin, databases.KeysAdmin]);
        await disk.RunAsync(Stand);
        return disk;
    }

    /// <summary>Room for so many statements more in each database.</summary>
    public Task FillAsync(int room = 0) => RunAsync($"select setval('disk.written', 1, false); update disk.state set room = {room}");

    /// <summary>There is room again.</summary>
    public Task MakeRoomAsync() => RunAsync("update disk.state set room = null");

    private async Task RunAsync(string sql)
    {
        foreach (var connection in connections)
        {
            await using var open = new NpgsqlConnection(connection + ";Pooling=false");
            await open.OpenAsync();
            await using var command = new NpgsqlCommand(sql, open);
            await command.ExecuteNonQueryAsync();
        }
    }
}
