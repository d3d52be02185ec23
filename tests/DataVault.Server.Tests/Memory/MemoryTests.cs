using System.Net;
using DataVault.Testing;

namespace DataVault.Server.Tests.Memory;

/// <summary>What a dump of the server's process shows of people who were written and who were read.</summary>
public sealed class MemoryTests(ITestOutputHelper output)
{
    private const string Marker = "Wqzkplanted";
    private const int Early = 4_000;
    private const int Late = 1_000;
    private const int LateReads = 6_000;
    private const int Callers = 8;

    // Of 4,000. With values left to the collector there were 800 to 1,500, and 250 to 470 after the other reads.
    private const int MostAtOnce = 200;
    private const int MostLater = 50;

    // Of 5,000, straight after the last of them was written. With request bodies and parsed values left to the collector there were 2,100 to 3,300.
    private const int MostWritten = 1_500;

    [Fact]
    public async Task Of_people_written_few_bytes_and_of_people_read_long_before_hardly_a_value_are_left_in_the_process()
    {
        await using var server = new RunningServer();
        server.Attach(await ServerProcess.StartAsync(new Dictionary<string, string> { ["Limits__RequestsPerSecond"] = "100000" }));
        var process = server.Process;
        Assert.SkipUnless(ProcessMemory.IsReadable(process.ProcessId) || Environment.GetEnvironmentVariable("CI") == "true", "The memory of other processes cannot be read here.");
        var people = await PlantAsync(server);
        var written = ProcessMemory.Find(process.ProcessId, Marker);
        output.WriteLine($"after writing: {written.Utf8.Count} people in UTF-8, {written.Utf16.Count} in UTF-16");

        // The texts that values are checked as cannot be erased; that they are found shows that whatever is there is.
        Assert.InRange(written.Utf16.Count, 100, people.Count);
        Assert.InRange(written.Utf8.Count, 0, MostWritten);

        // What writing left is another matter: reading begins in a process that has seen nobody.
        await process.StopAsync();
        await process.RestartAsync();
        await ReadAsync(server, [.. people.Take(Early)]);
        var after = Count(ProcessMemory.Find(process.ProcessId, Marker));
        await ReadAsync(server, [.. Enumerable.Range(0, LateReads).Select(i => people[Early + (i % Late)])]);
        var left = Count(ProcessMemory.Find(process.ProcessId, Marker));
        output.WriteLine($"after {Early} reads: {after}; after {LateReads} more, of others: {left}");
        Assert.InRange(after, 0, MostAtOnce);
        Assert.InRange(left, 0, MostLater);
    }

    private static int Count((HashSet<int> Utf8, HashSet<int> Utf16) found) => found.Utf8.Union(found.Utf16).Count(number => number < Early);

    private static async Task<List<Guid>> PlantAsync(RunningServer server)
    {
        var people = new List<Guid>();
        foreach (var numbers in Enumerable.Range(0, Early + Late).Chunk(1_000))
        {
            var create = numbers.Select(number => new
            {
                fields = new Dictionary<string, string>
                {
                    ["givenName"] = ProcessMemory.Planted(Marker, number), ["familyName"] = "Probe", ["notes"] = "about " + ProcessMemory.Planted(Marker, number),
                    ["email"] = ProcessMemory.Planted(Marker, number) + "@example.com",
                },
                source = "tests",
            });
            var written = await server.JsonAsync("crm-ingest", HttpMethod.Post, "/v1/customers/batch", new { create });
            people.AddRange(written.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("written").GetProperty("id").GetGuid()));
        }
        return people;
    }

    private static async Task ReadAsync(RunningServer server, Guid[] people)
    {
        await Parallel.ForEachAsync(people, new ParallelOptions { MaxDegreeOfParallelism = Callers }, async (id, ct) =>
        {
            using var answer = await server.SendAsync("support-desk", HttpMethod.Get, $"/v1/customers/{id}?purpose=customer-support");
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Contains(Marker, await answer.Content.ReadAsStringAsync(ct), StringComparison.Ordinal);
        });
    }
}
