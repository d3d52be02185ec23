using System.Text.Json;
using DataVault.Client.Wire;
using DataVault.Testing;

namespace DataVault.Server.Tests.Console;

/// <summary>Somebody of whom everything is held that the shipped policy knows, and at whom everybody looked for everything. Values and names of applications are numbers: every word on a page is the vault's.</summary>
internal static class PaperHoldings
{
    public static Disclosed Profile(Guid customer, DateTimeOffset at)
    {
        var held = Repository.Policy.Catalogue.Fields.ToDictionary(field => field.Name, field => JsonSerializer.SerializeToElement(field.Id));
        return new Disclosed(customer, 3, held, new Dictionary<string, string>(), new Dictionary<string, string>(), new Receipt(48211), held.Keys.ToDictionary(name => name, _ => new Provenance("7", at, "provided", null)));
    }

    public static ReleasedEvent[] Events(Guid id, DateTimeOffset at) =>
    [
        .. Repository.Policy.Events.Types.Select(type => new ReleasedEvent(
            id, type.Type, at, "7", type.Properties.ToDictionary(property => property.Name, _ => JsonSerializer.SerializeToElement(7)))),
    ];

    public static Access[] Accesses(DateTimeOffset at) =>
    [
        .. Repository.Policy.Items.Select(item => new Access(item.Code, at, "field.read", "7", "", "ok", [item.Name])),
        .. Repository.Policy.Roles.All.Select(role => new Access(1, at, "field.read", role.Name, "", "ok", [])),
        .. Repository.Policy.Purposes.All.Select(purpose => new Access(1, at, "search", "7", purpose.Name, "denied", [])),
    ];

    public static ConsentState[] Consents(DateTimeOffset at) =>
    [
        .. Repository.Policy.Purposes.All.Select(purpose => new ConsentState(
            purpose.Name, purpose.Title, "given", at, null, purpose.NoticeVersion, purpose.LegalBasis, [new ConsentEvent("given", at, purpose.NoticeVersion, "web", 12)])),
    ];

    public static DisclosureView[] Disclosed(DateTimeOffset at) =>
    [
        .. Repository.Policy.Analytics.Select(domain => new DisclosureView(null, "7", null, null, null, domain.Title, "analytics.feed", "analytics", ["gender"], 3, at, at, [7]) { Domain = domain.Name }),
    ];
}
