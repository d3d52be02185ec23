using DataVault.Vault.Keys;
using Microsoft.Extensions.DependencyInjection;

namespace DataVault.Vault;

/// <summary>What is kept of breaches and said of them, and evidence for an authority.</summary>
internal static class BreachModule
{
    public static void AddBreaches(IServiceCollection services)
    {
        services.AddSingleton<BreachBook>();
        services.AddSingleton<BreachStores>();
        services.AddSingleton<BreachImpacts>();
        services.AddSingleton(p => new BreachRegister(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<BreachBook>(), p.GetRequiredService<BreachImpacts>(), p.GetRequiredService<AuditLog>(), p.GetRequiredService<Decider>()));
        services.AddHostedService<BreachReminder>();
        AddEvidence(services);
    }

    private static void AddEvidence(IServiceCollection services)
    {
        services.AddSingleton<MeasuresInForce>();
        services.AddSingleton<EvidenceConsents>();
        services.AddSingleton<EvidenceSources>();
        services.AddSingleton(p => new EvidencePacks(
            p.GetRequiredService<EvidenceSources>(), p.GetRequiredService<SignedProofs>(), p.GetRequiredService<AuditLog>(), p.GetRequiredService<VaultOptions>(), p.GetRequiredService<Decider>()));
    }
}
