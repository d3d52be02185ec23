using System.Globalization;
using DataVault.Policy;
using DataVault.Vault;
using DataVault.Vault.Indexes;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Benchmarks;

/// <summary>
/// Times finding a customer by e-mail address and reading six of their twelve fields: through the blind index, decided, with the record verified and three
/// sealed groups opened (not logged), against a plaintext table with a b-tree on the address. Both read over a connection that callers share.
/// </summary>
internal static class LookupBenchmark
{
    private static readonly string[] Wanted = ["givenName", "familyName", "email", "phone", "loyaltyTier", "customerSince"];

    public static async Task RunAsync(BenchmarkOptions options)
    {
        var (subjects, rounds, each) = (options.Number("subjects", 1_000_000), options.Number("rounds", 7), options.Number("each", 2_000));
        await using var vault = await BenchmarkVault.StartAsync();
        var (blind, clear) = (new BlindLookup(vault), new ClearLookup(vault));
        await FillAsync(vault, subjects);
        await ReportSizesAsync(vault);
        if (options.Number("truncated", 0) == 1)
        {
            await CompareTruncatedAsync(vault, blind, subjects, rounds, each);
            return;
        }

        foreach (var (name, people) in new[] { ("keys in the cache", Math.Min(subjects, 10_000)), ("anybody of all", subjects) })
        {
            foreach (var callers in new[] { 1, 16 })
            {
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"lookup: {callers} callers, {name}: {people:N0} of {subjects:N0} subjects"));
                await new Paired("blind index, decided, opened", "b-tree on the address in clear", rounds).RunAsync(
                    each * callers, "look-ups", () => LookAsync(callers, each, people, blind.FindAsync), () => LookAsync(callers, each, people, clear.FindAsync));
            }
        }
    }

    /// <summary>
    /// The same release, found by family name and date of birth over a truncated index (bits as the planner chooses them, candidates opened and compared) against
    /// the full-length index on the address.
    /// </summary>
    private static async Task CompareTruncatedAsync(BenchmarkVault vault, BlindLookup blind, int subjects, int rounds, int each)
    {
        await vault.Vault.Get<IndexWorker>().TurnAsync(CancellationToken.None);
        foreach (var index in (await vault.Vault.Get<IndexReporter>().ReportAsync(CancellationToken.None)).Indexes.Where(index => index.Stored is not null))
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"  {index.Definition.Name,-24} {index.Standing.Bits,4} bits {index.Standing.Partitions,3} partitions {index.Stored!.Coincidences,9:F1} others in a bucket"));
        }

        var people = Enumerable.Range(0, Math.Min(subjects, 10_000)).Select(MadeUpCustomer.Make).ToList();
        foreach (var callers in new[] { 1, 16 })
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"lookup: {callers} callers, {people.Count:N0} of {subjects:N0} subjects"));
            await new Paired("name and birth date, truncated", "e-mail, full length", rounds).RunAsync(
                each * callers, "look-ups", () => LookAsync(callers, each, people, blind.FindByNameAsync), () => LookAsync(callers, each, people, person => blind.FindAsync(person.Values[2])));
        }
    }

    private static Task LookAsync(int callers, int each, List<MadeUpCustomer> people, Func<MadeUpCustomer, Task<int>> find) =>
        LookAsync(callers, each, random => find(people[random.Next(people.Count)]));

    private static Task LookAsync(int callers, int each, int people, Func<string, Task<int>> find) =>
        LookAsync(callers, each, random => find(MadeUpCustomer.EmailOf(random.Next(people))));

    private static Task LookAsync(int callers, int each, Func<Random, Task<int>> find) =>
        Task.WhenAll(Enumerable.Range(0, callers).Select(caller => Task.Run(async () =>
        {
            var random = new Random(caller);
            for (var i = 0; i < each; i++)
            {
                if (await find(random) != Wanted.Length) throw new InvalidOperationException("Not found, or not all of it.");
            }
        })));

    private static async Task FillAsync(BenchmarkVault vault, int subjects)
    {
        var (run, copy) = (new IngestRun(vault, 2), new CopyPeer(vault));
        await copy.CreateAsync(indexed: true);
        for (var first = 0; first < subjects; first += 10_000)
        {
            var part = Enumerable.Range(first, Math.Min(10_000, subjects - first)).Select(MadeUpCustomer.Make).ToList();
            await run.CustomersAsync(part);
            await copy.WriteAsync(part);
        }
        await vault.AsOwnerAsync("vacuum analyze");
        await vault.OnKeysAsync("vacuum analyze");
        await vault.OnPeerAsync("vacuum analyze");
    }

    private static async Task ReportSizesAsync(BenchmarkVault vault)
    {
        async Task LineAsync(string what, string ours, string theirs)
        {
            var (a, b) = (await vault.SizeAsync(ofPeer: false, ours), await vault.SizeAsync(ofPeer: true, theirs));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {what,-44} {a / 1048576.0,9:F1} MiB against {b / 1048576.0:F1} MiB: {(double)a / b:F2}"));
        }

        await LineAsync("index on e-mail", "vault.identifier_pkey", "customer_email_idx");
        await LineAsync("telephone and two truncated, to telephone", "vault.search_term_bucket", "customer_phone_idx");
        await LineAsync("records with their key", "vault.subject", "customer");
    }

    private sealed class BlindLookup(BenchmarkVault vault)
    {
        private static readonly Recipient Support = new(RecipientKind.Application, "support-desk", "Support", ["customer-support"], ["customer-support"]);

        private readonly VaultDatabase database = vault.Vault.Get<VaultDatabase>();
        private readonly KeyRegistry keys = vault.Vault.Get<KeyRegistry>();
        private readonly IndexPlans plans = vault.Vault.Get<IndexPlans>();
        private readonly CandidateFinder finder = vault.Vault.Get<CandidateFinder>();
        private readonly RecordCipher cipher = vault.Vault.Get<RecordCipher>();
        private readonly Decider decider = vault.Vault.Get<Decider>();
        private readonly PolicySet policy = vault.Vault.Get<ActivePolicy>().Current;
        private readonly List<RequestedItem> items = [.. Wanted.Select(name => new RequestedItem(vault.Vault.Get<ActivePolicy>().Current.Catalogue.Find(name)!, null))];

        public async Task<int> FindAsync(string email)
        {
            var conditions = SubjectSearch.Read(new Dictionary<string, SearchCondition> { ["email"] = SearchCondition.Equal(email) }, policy.Catalogue);
            var search = SubjectSearch.Over(await plans.CurrentAsync(CancellationToken.None), conditions);
            return await ReleaseAsync((await search.FindAsync(database, 1, CancellationToken.None))[0]);
        }

        public async Task<int> FindByNameAsync(MadeUpCustomer customer)
        {
            var where = new Dictionary<string, SearchCondition> { ["familyName"] = SearchCondition.Equal(customer.Values[1]), ["birthDate"] = SearchCondition.Equal(customer.Values[5]) };
            return await ReleaseAsync((await finder.FindAsync(Support, "customer-support", SubjectSearch.Read(where, policy.Catalogue), 20, [], CancellationToken.None))[0]);
        }

        private async Task<int> ReleaseAsync(SealedRecord record)
        {
            using var held = await keys.GetAsync(record.Subject);
            var decision = decider.Decide(Support, record.Subject, AccessAction.Read, "customer-support", items, FactsCodec.Decode(record.Facts));
            using var opened = cipher.Open(record, held, decision.Permits);
            return opened.Count;
        }
    }

    private sealed class ClearLookup(BenchmarkVault vault)
    {
        public async Task<int> FindAsync(string email)
        {
            await using var command = vault.PeerReads.CreateCommand("select givenname, familyname, email, phone, loyaltytier, customersince from customer where email = $1");
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = email });
            await using var reader = await command.ExecuteReaderAsync();
            if (!await reader.ReadAsync()) return 0;
            var read = 0;
            for (var column = 0; column < reader.FieldCount; column++) read += reader.GetString(column).Length > 0 ? 1 : 0;
            return read;
        }
    }
}
