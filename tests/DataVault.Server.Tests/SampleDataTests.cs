using System.Text.Json;
using DataVault.Policy;
using DataVault.Server.Sample;
using DataVault.Testing;
using DataVault.Vault;
using Xunit;

namespace DataVault.Server.Tests;

public sealed class SampleDataTests
{
    private static readonly DateTimeOffset Today = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void The_same_seed_and_day_make_the_same_customers_and_journeys()
    {
        Assert.Equal(Written(7, 20), Written(7, 20));
        Assert.NotEqual(Written(7, 20), Written(8, 20));
    }

    [Fact]
    public void A_customer_does_not_depend_on_how_many_are_made()
    {
        var people = new SamplePeople(Repository.Policy, 7, DateOnly.FromDateTime(Today.Date));
        var alone = JsonSerializer.Serialize(people.Make(12).Fields);
        foreach (var number in Enumerable.Range(0, 12)) people.Make(number);
        Assert.Equal(alone, JsonSerializer.Serialize(people.Make(12).Fields));
    }

    [Fact]
    public void Nobody_real_can_be_reached_under_a_made_up_address_or_number()
    {
        string[] reserved = ["+493023125", "+447700900", "+441632960", "+442079460", "+3319900", "+3363998", "+121255501", "+131255501", "+141555501"];
        var people = new SamplePeople(Repository.Policy, SampleData.DefaultSeed, DateOnly.FromDateTime(Today.Date));
        foreach (var person in Enumerable.Range(0, 500).Select(people.Make))
        {
            Assert.Matches("@example\\.(com|org|net)$", person.Email);
            if (person.Fields.TryGetValue("phone", out var phone))
                Assert.Contains(reserved, prefix => phone.GetString()!.StartsWith(prefix, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void The_sample_is_large_consented_as_people_consent_and_spread_over_two_years()
    {
        var people = new SamplePeople(Repository.Policy, SampleData.DefaultSeed, DateOnly.FromDateTime(Today.Date));
        var journeys = new SampleJourneys(Repository.Policy.Events, SampleData.DefaultSeed, Today);
        var everybody = Enumerable.Range(0, SampleData.DefaultCustomers).Select(people.Make).ToList();
        var events = everybody.SelectMany(journeys.Make).ToList();
        Assert.Equal(everybody.Count, everybody.Select(p => p.Email).Distinct().Count());
        Assert.InRange(everybody.Count(p => p.ConsentsTo("analytics")) / (double)everybody.Count, 0.55, 0.65);
        Assert.InRange(everybody.Count(p => p.ConsentsTo("marketing")) / (double)everybody.Count, 0.40, 0.50);
        Assert.InRange(events.Count, 15_000, 30_000);
        Assert.Equal(Repository.Policy.Events.Types.Select(t => t.Type).Order(), events.Select(e => e.Type).Distinct().Order());
        Assert.All(events, e => Assert.InRange(e.At, Today.AddDays(-731), Today));
        Assert.InRange(events.Where(e => e.Type == "purchase").Select(e => (e.At.Year, e.At.Month)).Distinct().Count(), 24, 25);
    }

    [Fact]
    public async Task Every_made_up_customer_and_event_is_accepted_and_a_second_load_changes_nothing()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync(clock: new ManualClock(Today));
        var sample = new SampleData(vault.Get<ProfileEditor>(), vault.Get<EventRecorder>(), new ActivePolicy(Repository.Policy), new ManualClock(Today));
        var reports = new List<SampleProgress>();
        var first = await sample.LoadAsync(60, 7, new Reports(reports), CancellationToken.None);
        Assert.Equal((60, first.Events, first.Events), (first.Customers, reports[^1].Events, reports[^1].EventsOf));
        var again = await sample.LoadAsync(60, 7, null, CancellationToken.None);
        Assert.Equal(first, again);
        var customer = new Recipient(RecipientKind.Customer, "mira", "customer", ["customer"], ["data-subject-rights"], first.Customer);
        var read = await vault.Get<DisclosureGate>().ReadAsync(new ReadQuery(customer, first.Customer, "data-subject-rights", null, false, Guid.NewGuid()), CancellationToken.None);
        Assert.Equal($"\"{first.CustomerEmail}\"", System.Text.Encoding.UTF8.GetString(read.Fields.Single(f => f.Name == "email").Utf8Json.Span));
    }

    private static string Written(ulong seed, int count)
    {
        var people = new SamplePeople(Repository.Policy, seed, DateOnly.FromDateTime(Today.Date));
        var journeys = new SampleJourneys(Repository.Policy.Events, seed, Today);
        return JsonSerializer.Serialize(Enumerable.Range(0, count).Select(people.Make).Select(p => new { p.Fields, p.Consents, Events = journeys.Make(p) }));
    }

    private sealed class Reports(List<SampleProgress> reports) : IProgress<SampleProgress>
    {
        public void Report(SampleProgress value) => reports.Add(value);
    }
}
