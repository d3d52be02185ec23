using DataVault.Policy;
using DataVault.Server.Sample;
using DataVault.Vault;

namespace DataVault.Server;

/// <summary>How far the load of the sample is.</summary>
internal sealed record SampleProgress(int Customers, int CustomersOf, long Events, long EventsOf);

/// <summary>What the load left behind.</summary>
/// <param name="Customers">Customers held that came from the sample.</param>
/// <param name="Events">Events held of them.</param>
/// <param name="Customer">The customer whom the sample sign-in belongs to.</param>
/// <param name="CustomerEmail">Her address.</param>
internal sealed record SampleSummary(int Customers, long Events, SubjectId Customer, string CustomerEmail);

/// <summary>
/// Loads made-up customers and two years of what they did, through the same calls that any application uses: validated, sealed, indexed,
/// consented, logged. Same seed and day, same customers. A load that was broken off can be repeated: what is held already is left as it is.
/// </summary>
internal sealed class SampleData(ProfileEditor profiles, EventRecorder recorder, ActivePolicy policy, TimeProvider clock)
{
    public const int DefaultCustomers = 1_200;
    public const ulong DefaultSeed = 20_260_401;
    private const string Purpose = "service-delivery";
    private const int CustomersPerCall = 200;
    private const int EventsPerCall = 1_000;

    private static readonly Recipient Loader = new(RecipientKind.Application, "sample-loader", "Sample data", ["ingest"], [Purpose]);

    public async Task<SampleSummary> LoadAsync(int customers, ulong seed, IProgress<SampleProgress>? progress, CancellationToken cancellation)
    {
        var today = new DateTimeOffset(clock.GetUtcNow().UtcDateTime.Date, TimeSpan.Zero);
        var people = new SamplePeople(policy.Current, seed, DateOnly.FromDateTime(today.UtcDateTime));
        var journeys = new SampleJourneys(policy.Current.Events, seed, today);
        var load = new SeededRandom(seed).Identifier(clock.GetUtcNow());
        var loaded = new List<(SamplePerson Person, CustomerLookup Lookup)>(customers);
        foreach (var chunk in Enumerable.Range(0, customers).Chunk(CustomersPerCall))
        {
            loaded.AddRange(await CreateAsync([.. chunk.Select(people.Make)], load, cancellation));
            progress?.Report(new SampleProgress(loaded.Count, customers, 0, 0));
        }
        var events = loaded.SelectMany(item => journeys.Make(item.Person).Select(happened => ToNewEvent(item.Lookup, happened))).ToList();
        var stored = 0L;
        var customer = loaded[0].Lookup.Id;
        foreach (var chunk in events.Chunk(EventsPerCall))
        {
            var outcomes = await AppendAsync(chunk, load, cancellation);
            // INVARIANT: the first event is the first customer's.
            customer ??= outcomes[0].Subject;
            stored += outcomes.Count;
            progress?.Report(new SampleProgress(customers, customers, stored, events.Count));
        }
        return new SampleSummary(loaded.Count, stored, customer!.Value, SamplePeople.FixedEmail);
    }

    /// <summary>By country, every fifth sold for the partner; as far as the policy knows the words.</summary>
    private PersonStanding? StandingOf(SamplePerson person)
    {
        if (!policy.Current.Decisions.HasCapability(Loader.Roles, Capabilities.StandingManage)) return null;
        var (people, place) = (policy.Current.People, person.Country.Code switch { "GB" => "uk", "US" => "us", _ => "eu" });
        var brand = person.Number % 5 == 4 ? "partner" : "house";
        return new PersonStanding(
            policy.Current.Jurisdictions.Find(place) is null ? null : place, people.IsResidency(place) ? place : null, people.IsBrand(brand) ? brand : null, []);
    }

    // A number that is taken was loaded by an earlier, broken-off run: the same customer, found again by it.
    private async Task<IEnumerable<(SamplePerson, CustomerLookup)>> CreateAsync(SamplePerson[] people, Guid load, CancellationToken cancellation)
    {
        var wanted = people.Select(p => new NewCustomer(p.Fields, "sample", null, null, Purpose, p.Consents) { Standing = StandingOf(p) }).ToList();
        var outcomes = await profiles.CreateManyAsync(Loader, wanted, null, load, cancellation);
        return people.Zip(outcomes, (person, outcome) => outcome switch
        {
            { Value: { } written } => (person, new CustomerLookup(Id: written.Id)),
            { Error.Slug: "conflict" } => (person, new CustomerLookup(CustomerNumber: person.CustomerNumber)),
            _ => throw outcome.Error!,
        });
    }

    private async Task<IReadOnlyList<EventOutcome>> AppendAsync(NewEvent[] events, Guid load, CancellationToken cancellation)
    {
        var outcome = await recorder.AppendAsync(Loader, events, load, cancellation);
        if (outcome.Items.FirstOrDefault(item => item.Error is not null) is { } failed) throw failed.Error!;
        return outcome.Items;
    }

    private static NewEvent ToNewEvent(CustomerLookup customer, SampleEvent happened) =>
        new(customer, happened.Type, happened.At, happened.Source, happened.Properties, happened.Id, Purpose);
}
