using DataVault.Policy;
using Microsoft.Extensions.DependencyInjection;

namespace DataVault.Vault;

/// <summary>The part of the vault that carries out people's rights.</summary>
internal static class RightsModule
{
    public static void AddRights(IServiceCollection services)
    {
        services.AddSingleton<RequestStore>();
        services.AddSingleton<RequestNotes>();
        services.AddSingleton<RequestSecrets>();
        services.AddSingleton<PackageFolder>();
        services.AddSingleton<ExportSource>();
        services.AddSingleton<PackageContents>();
        services.AddSingleton<SubjectExport>();
        services.AddSingleton<ErasureNotebook>();
        services.AddSingleton<ErasureCertificates>();
        services.AddSingleton<SubjectErasure>();
        services.AddSingleton<SubjectLimits>();
        services.AddSingleton<RequestFulfilment>();
        services.AddHostedService(p => p.GetRequiredService<RequestFulfilment>());
        services.AddSingleton(p => new SubjectRequests(
            p.GetRequiredService<RequestStore>(), p.GetRequiredService<RequestNotes>(), p.GetRequiredService<RequestFulfilment>(),
            p.GetRequiredService<PolicySet>(), p.GetRequiredService<VaultClock>()));
    }
}
