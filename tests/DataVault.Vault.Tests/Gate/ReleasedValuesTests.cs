using DataVault.Policy;
using DataVault.Testing;
using Xunit;

namespace DataVault.Vault.Tests.Gate;

/// <summary>What was released is erased by whoever wrote it out.</summary>
public sealed class ReleasedValuesTests(StoreVault store) : IClassFixture<StoreVault>
{
    [Fact]
    public async Task A_disposed_disclosure_holds_no_value_in_any_form_and_the_next_one_is_whole()
    {
        var subject = await store.AddAsync("""{ "familyName": "Hopper", "birthDate": "1956-12-09" }""");
        var first = await store.ReadAsync(StoreVault.Support, subject, "customer-support");
        Assert.Contains(first.Fields, field => field.Form != Form.Plain);
        first.Dispose();
        Assert.All(first.Fields, field => Assert.False(field.Utf8Json.Span.ContainsAnyExcept((byte)0), field.Name));
        using var second = await store.ReadAsync(StoreVault.Support, subject, "customer-support");
        Assert.Equal("\"Hopper\"", StoreVault.Value(second, "familyName"));
    }

    [Fact]
    public async Task A_disposed_event_holds_no_property_and_the_next_read_is_whole()
    {
        var subject = await store.AddAsync();
        var type = StoreVault.Policy.Events.Types.First(one => one.Type == "support_contact");
        var happened = new NewEvent(
            new CustomerLookup(subject), type.Type, store.Clock.GetUtcNow(), "shop", StoreVault.Object("""{ "channel": "phone", "topic": "a lamp" }"""), null, "service-delivery");
        Assert.Null((await store.Recorder.AppendAsync(StoreVault.Ingest, [happened], Guid.NewGuid(), default)).Items[0].Error);
        var first = Assert.Single((await ReadAsync(subject)).Events);
        first.Dispose();
        Assert.False(first.Properties.Span.ContainsAnyExcept((byte)0));
        Assert.Contains("a lamp", System.Text.Encoding.UTF8.GetString(Assert.Single((await ReadAsync(subject)).Events).Properties.Span), StringComparison.Ordinal);
    }

    private Task<EventPage> ReadAsync(SubjectId subject) =>
        store.Gate.ReadEventsAsync(StoreVault.Support, subject, "customer-support", null, 10, null, Guid.NewGuid(), default);
}
