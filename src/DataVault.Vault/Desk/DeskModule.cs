using DataVault.Policy;
using DataVault.Vault.Keys;
using Microsoft.Extensions.DependencyInjection;

namespace DataVault.Vault;

/// <summary>The officer's desk, for <see cref="VaultModule"/>.</summary>
internal static class DeskModule
{
    public static void AddDesk(IServiceCollection services)
    {
        services.AddSingleton<DeskReader>();
        services.AddSingleton<DeskTrends>();
        services.AddSingleton<DeskKeys>();
        services.AddSingleton<DeskStock>();
        services.AddSingleton<DeskBreaches>();
        services.AddSingleton<DeskConsents>();
        services.AddSingleton<DeskDigest>();
        services.AddHostedService(p => p.GetRequiredService<DeskDigest>());
        services.AddSingleton(p => new OfficerDesk(
            new DeskCounters(p.GetRequiredService<DeskReader>(), p.GetRequiredService<DeskDigest>(), p.GetRequiredService<DeskBreaches>(), p.GetRequiredService<DeskConsents>()),
            new OversightDoor(p.GetRequiredService<AuditLog>(), p.GetRequiredService<Decider>(), Capabilities.AuditRead, "desk"),
            p.GetRequiredService<SubjectReach>(), p.GetRequiredService<VaultOptions>(), p.GetRequiredService<VaultClock>()));
    }
}
