using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Vault;
using DataVault.Vault.Keys;

namespace DataVault.Benchmarks;

/// <summary>
/// What a start costs with many erasures behind it: when both databases have carried all of them out, and when both were restored to before the first. Some of
/// the people in the databases are among the erased. No peer: nobody else looks.
/// </summary>
internal static class GateBenchmark
{
    private const int Call = 20 * KeyRegistry.PageSize;

    public static async Task RunAsync(BenchmarkOptions options)
    {
        var (tombstones, people, back) = (options.Number("tombstones", 1_000_000), options.Number("people", 100_000), options.Number("back", 1_000));
        await using var bench = await BenchmarkVault.StartAsync();
        var ids = await PeopleAsync(bench, people);
        WriteJournal(bench, tombstones, [.. ids.Take(back)]);
        Console.WriteLine($"{people:N0} people, {tombstones:N0} erasures in the journal");
        await StartAsync(bench, $"both databases from before all of them, {back:N0} of the erased there again");
        await StartAsync(bench, "both have carried all of them out");
        await StartAsync(bench, "the same again");
    }

    private static async Task<List<SubjectId>> PeopleAsync(BenchmarkVault bench, int count)
    {
        var (keys, random, ids) = (bench.Vault.Get<KeyRegistry>(), new SystemRandomBytes(), new List<SubjectId>());
        while (ids.Count < count)
        {
            var more = Enumerable.Range(0, Math.Min(Call, count - ids.Count)).Select(_ => new SubjectId(Uuid.Version7(TimeProvider.System, random))).ToList();
            foreach (var made in await keys.CreateAsync(more)) made.Dispose();
            await bench.AsOwnerAsync(
                "insert into vault.subject (subject_id, row_version, key_version, record, record_seal, facts, jurisdiction, created_at, updated_at) select s::uuid, 1, 1, decode(repeat('ab', 900), 'hex'), decode(repeat('cd', 32), 'hex'), '\\x01', 'eu', now(), now() from unnest(string_to_array('"
                + string.Join(',', more) + "', ',')) as u (s)");
            ids.AddRange(more);
        }

        await bench.AsOwnerAsync("vacuum analyze vault.subject");
        await bench.OnKeysAsync("vacuum analyze keys.subject_key, keys.page");
        return ids;
    }

    // By docs/formats/keys.md §2, without the flush for each line.
    private static void WriteJournal(BenchmarkVault bench, int count, List<SubjectId> back)
    {
        var keyring = bench.Vault.Get<VaultKeyring>();
        var chain = SHA256.HashData([.. "datavault/v1/tombstones"u8, .. keyring.VaultId.ToByteArray(bigEndian: true)]);
        using var file = new StreamWriter(Path.Combine(bench.Home, "tombstones.journal"), append: false, Encoding.ASCII, 1 << 16);
        for (var i = 0; i < count; i++)
        {
            var hash = i < back.Count ? keyring.TombstoneHash(back[i]) : SHA256.HashData(BitConverter.GetBytes(i));
            var line = string.Create(CultureInfo.InvariantCulture, $"{i:x16} {Convert.ToHexStringLower(hash)} {new string('0', 64)} {1_790_000_000_000:x16} ");
            chain = SHA256.HashData([.. chain, .. Encoding.ASCII.GetBytes(line)]);
            file.Write(line + Convert.ToHexStringLower(chain) + "\n");
        }
    }

    private static async Task StartAsync(BenchmarkVault bench, string what)
    {
        GC.Collect();
        var (before, allocated) = (GC.GetTotalMemory(forceFullCollection: true), GC.GetTotalAllocatedBytes(precise: true));
        var (clock, processor) = (Stopwatch.StartNew(), Machine.ProcessorSeconds());
        await using var vault = await bench.StartBesideAsync();
        clock.Stop();
        var (held, total) = (GC.GetTotalMemory(forceFullCollection: true) - before, GC.GetTotalAllocatedBytes(precise: true) - allocated);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  start, {what}: {clock.Elapsed.TotalSeconds:F2} s, processor {Machine.ProcessorSeconds() - processor:F2} s, held {held / 1e6:F0} MB, allocated {total / 1e6:F0} MB"));
    }
}
