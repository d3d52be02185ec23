using DataVault.Cryptography;
using Microsoft.Extensions.DependencyInjection;

namespace DataVault.Vault;

/// <summary>The part of the vault that is a processor by OpenDSR.</summary>
internal static class OpenDsrModule
{
    public static void AddOpenDsr(IServiceCollection services)
    {
        services.AddSingleton<OpenDsrStore>();
        services.AddSingleton<OpenDsrLookup>();
        services.AddSingleton<OpenDsrJoin>();
        services.AddSingleton<OpenDsrCourier>();
        services.AddHostedService(p => p.GetRequiredService<OpenDsrCourier>());
        services.AddSingleton(p => new OpenDsrControllers(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<AuditLog>(), p.GetRequiredService<IServiceKeys>(), p.GetRequiredService<VaultClock>(), p.GetRequiredService<VaultOptions>()));
        services.AddSingleton(p => new OpenDsrRequests(
            p.GetRequiredService<OpenDsrStore>(), p.GetRequiredService<OpenDsrLookup>(), p.GetRequiredService<OpenDsrCourier>(),
            p.GetRequiredService<OpenDsrControllers>(), p.GetRequiredService<OpenDsrJoin>(), p.GetRequiredService<ActivePolicy>()));
    }
}
