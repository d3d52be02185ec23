using DataVault.Vault.Keys;
using Microsoft.Extensions.DependencyInjection;

namespace DataVault.Vault.Indexes;

/// <summary>The blind indexes, for <see cref="VaultModule"/>.</summary>
internal static class IndexModule
{
    public static void AddIndexes(IServiceCollection services)
    {
        services.AddSingleton<IndexKeys>();
        services.AddSingleton<IndexPlans>();
        services.AddSingleton<IndexedValues>();
        services.AddSingleton<IndexScan>();
        services.AddSingleton<IndexChanges>();
        services.AddSingleton<SurveySeal>();
        services.AddSingleton<IndexPolicy>();
        services.AddSingleton<IndexBuilder>();
        // After the restore gate: what it clears away must not be indexed.
        services.AddHostedService<IndexStartup>();
        services.AddSingleton<IndexWorker>();
        services.AddHostedService(provider => provider.GetRequiredService<IndexWorker>());
        // Its constructor is internal: outside this assembly it is had from the container only.
        services.AddSingleton(p => new IndexReporter(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<IndexPlans>(), p.GetRequiredService<SurveySeal>(), p.GetRequiredService<IndexChanges>(),
            p.GetRequiredService<IndexWorker>(), p.GetRequiredService<VaultOptions>()));
    }
}
