using DataVault.Policy;
using DataVault.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace DataVault.Vault.Tests.Gate;

/// <summary>A vault whose purposes ask for tickets, a second person and budgets.</summary>
public sealed class ObligationVault : StoreVault
{
    internal const int PerHour = 32;
    internal const int PerDay = 48;

    internal static Recipient Rescuer { get; } = Staff("s1", "emergency");

    internal static Recipient Clerk { get; } = Staff("s2", "billing", "fraud-prevention");

    internal static Recipient Second { get; } = new(RecipientKind.Staff, "o2", "Second officer", ["compliance-officer"], ["data-subject-rights"]);

    internal static Recipient Desk(string id) => new(RecipientKind.Application, id, "Desk " + id, ["customer-support"], ["wellbeing", "fraud-prevention"]);

    internal static Recipient Staff(string id, params string[] purposes) =>
        new(RecipientKind.Staff, id, "Support", ["customer-support"], purposes, assurance: Recipient.MultiFactor);

    internal static PolicySet Bound { get; } = Repository.ChangedPolicy(
        ("purposes.yaml", "    stopsAtOverdue: 3\n", ""),
        ("purposes.yaml", "    dpv: dpv:FraudPreventionAndDetection\n", "    dpv: dpv:FraudPreventionAndDetection\n    justification: { pattern: \"^[A-Z]+-[0-9]+$\" }\n"),
        ("purposes.yaml", "    consentMonths: 12\n", $"    consentMonths: 12\n    budget: {{ perHour: {PerHour}, perDay: {PerDay} }}\n"),
        ("access/customer-support.yaml", "    fields: [billingName, billingAddress, iban, vatNumber]\n    actions: [read]\n", "    fields: [billingName, billingAddress, iban, vatNumber]\n    actions: [read]\n    obligations: [four-eyes]\n"));

    protected internal override void Configure(IServiceCollection services) => services.AddSingleton(new ActivePolicy(Bound));

    internal Task<Disclosure> ReadAsync(Recipient recipient, SubjectId subject, string purpose, string? reason, Guid? approval, params string[] items) =>
        Gate.ReadAsync(new ReadQuery(recipient, subject, purpose, Items(items), false, Guid.NewGuid(), reason, approval), default);

    /// <summary>Somebody with an allergy, who lets us know of it.</summary>
    internal async Task<SubjectId> AddAllergicAsync()
    {
        var subject = await AddAsync("{}", new() { ["wellbeing"] = "given" });
        await Editor.PatchAsync(Ingest, subject, null, new ProfilePatch(Object("""{"dietaryRequirements":["nuts"]}"""), "crm", null, null, "service-delivery"), Guid.NewGuid(), default);
        return subject;
    }
}
