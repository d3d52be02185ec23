using System.Globalization;
using System.Text.Json;
using DataVault.Policy;

namespace DataVault.Server.Sample;

/// <summary>Something that a made-up customer did.</summary>
internal sealed record SampleEvent(Guid Id, string Type, DateTimeOffset At, string Source, IReadOnlyDictionary<string, JsonElement> Properties);

/// <summary>
/// Makes two years of a customer's doings: visits (page views, carts, purchases or abandoned carts), and what follows a purchase
/// (payment, refund, support, survey, review). Visits thin out or stop for some, and thicken before the end of the year.
/// </summary>
internal sealed class SampleJourneys(TrackingPlan plan, ulong seed, DateTimeOffset until)
{
    private const int Days = 730;
    private const double MeanDaysBetweenVisits = 95;

    public List<SampleEvent> Make(SamplePerson person)
    {
        var journey = new Journey(SeededRandom.For(~seed, person.Number), plan, person, until);
        var random = journey.Random;
        var from = Earlier(until.AddDays(-Days), person.Since);
        var last = random.Chance(0.25) ? from + ((until - from) * random.Unit()) : until;
        var pace = MeanDaysBetweenVisits * (0.4 + (1.8 * random.Unit()));
        if (person.Number == 0)
            (last, pace) = (until, 40);
        for (var at = from.AddDays(random.Exponential(pace)); at < last; at = at.AddDays(random.Exponential(pace / Season(at))))
            journey.Visit(at.Date.AddHours(8 + random.Below(14)).AddMinutes(random.Below(60)));
        return journey.Events;
    }

    private static DateTimeOffset Earlier(DateTimeOffset start, DateOnly since)
    {
        var joined = new DateTimeOffset(since.ToDateTime(TimeOnly.MinValue), TimeSpan.Zero);
        return joined > start ? joined : start;
    }

    private static double Season(DateTimeOffset at) => at.Month switch { 11 or 12 => 1.8, 5 or 6 => 1.2, 2 or 8 => 0.8, _ => 1.0 };

    private sealed class Journey(SeededRandom random, TrackingPlan plan, SamplePerson person, DateTimeOffset until)
    {
        private int orders;

        public SeededRandom Random => random;

        public List<SampleEvent> Events { get; } = [];

        public void Visit(DateTime day)
        {
            var at = new DateTimeOffset(day, TimeSpan.Zero);
            var channel = random.Chance(0.35) ? "app" : "web";
            if (person.ConsentsTo("marketing") && random.Chance(0.35))
                Add("email_click", at, "mailer", ("campaign", $"season-{at.Year}-{at.Month:00}"), ("link", "/offers"));
            var topic = random.Chance(0.8) ? random.Pick(person.Topics) : random.Pick(SampleWorld.Topics);
            var product = random.Pick(SampleWorld.Products.Where(p => p.Topic == topic).ToList());
            for (var views = random.Between(1, 3); views > 0; views--, at = at.AddMinutes(random.Between(1, 6)))
                Add("page_view", at, "web", ("path", $"/shop/{topic}/{product.Sku}"), ("title", product.Description), ("channel", channel));
            if (!random.Chance(0.6))
                return;
            var quantity = 1 + random.Weighted([75, 17, 8]);
            Add("cart_add", at, "web", ("sku", product.Sku), ("quantity", quantity), ("unitPrice", SamplePeople.Money(product.Price)), ("channel", channel));
            if (random.Chance(0.7))
                Buy(at.AddMinutes(4), product, quantity, channel);
            else
                Add("cart_abandon", at.AddMinutes(30), "web", ("items", quantity), ("total", SamplePeople.Money(product.Price * quantity)), ("channel", channel));
        }

        private void Buy(DateTimeOffset at, SampleProduct product, int quantity, string channel)
        {
            var order = string.Create(CultureInfo.InvariantCulture, $"{person.CustomerNumber}-{++orders:000}");
            var total = SamplePeople.Money(product.Price * quantity);
            Add("purchase", at, "shop", ("orderId", order), ("sku", product.Sku), ("description", product.Description), ("quantity", quantity),
                ("unitPrice", SamplePeople.Money(product.Price)), ("total", total), ("channel", random.Chance(0.15) ? "shop" : channel), ("country", person.Country.Code));
            // One payment in eight comes after its due day.
            var paid = at.AddDays(random.Chance(0.12) ? random.Between(15, 54) : random.Between(0, 14));
            Add("payment", paid, "billing", ("invoiceId", "I-" + order), ("total", total), ("method", null), ("dueOn", Day(at.AddDays(14))), ("paidOn", Day(paid)));
            Follow(at, order, product);
        }

        private void Follow(DateTimeOffset at, string order, SampleProduct product)
        {
            if (random.Chance(0.06))
                Add("refund", at.AddDays(random.Between(4, 25)), "shop", ("orderId", order), ("sku", product.Sku), ("description", product.Description),
                    ("quantity", 1), ("total", SamplePeople.Money(product.Price)), ("reason", random.Pick(SampleWorld.ReturnReasons)));
            if (random.Chance(0.12))
                Add("support_contact", at.AddDays(random.Between(1, 20)), "support", ("channel", null), ("topic", random.Pick(SampleWorld.SupportTopics)),
                    ("resolved", random.Chance(0.85)), ("durationMinutes", random.Between(2, 25)));
            if (random.Chance(0.15))
                Add("survey_answer", at.AddDays(random.Between(7, 30)), "survey", ("survey", "after-purchase"), ("score", Satisfaction(10)),
                    ("comment", $"I would like {random.Pick(SampleWorld.Wishes)}."));
            if (random.Chance(0.1))
                Add("review", at.AddDays(random.Between(10, 60)), "web", ("sku", product.Sku), ("rating", Satisfaction(5)), ("text", "Does what it should."));
        }

        private int Satisfaction(int best) => best - Math.Min(best - 1, (int)random.Exponential(best / 5.0));

        private static string Day(DateTimeOffset at) => at.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

        // A null value asks for one of the plan's own values; a property that the plan does not have is left out.
        private void Add(string type, DateTimeOffset at, string source, params ReadOnlySpan<(string Name, object? Value)> properties)
        {
            if (at >= until || plan.Find(type) is not { } definition)
                return;
            var held = new Dictionary<string, JsonElement>();
            foreach (var (name, value) in properties)
            {
                if (definition.FindProperty(name) is not { } property)
                    continue;
                held[name] = JsonSerializer.SerializeToElement(value ?? random.Pick(property.Rules.Values));
            }
            Events.Add(new SampleEvent(random.Identifier(at), type, at, source, held));
        }
    }
}
