using DataVault.Vault.Keys;
using Microsoft.Extensions.DependencyInjection;

namespace DataVault.Vault;

/// <summary>What is kept of breaches, and what is said of them.</summary>
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
    }
}
