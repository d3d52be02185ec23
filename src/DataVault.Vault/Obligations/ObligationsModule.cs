using DataVault.Vault.Keys;
using Microsoft.Extensions.DependencyInjection;

namespace DataVault.Vault;

/// <summary>What releases are bound to, and who is told of what should not have been.</summary>
internal static class ObligationsModule
{
    public static void AddObligations(IServiceCollection services)
    {
        services.AddSingleton<OversightSeals>();
        services.AddSingleton<OversightMemory>();
        services.AddHostedService<OversightAdoption>();
        services.AddSingleton<Brakes>();
        services.AddSingleton<AlertBook>();
        services.AddSingleton<BudgetBook>().AddHostedService(p => p.GetRequiredService<BudgetBook>());
        services.AddSingleton<DisclosureBudgets>();
        services.AddSingleton<ReviewBook>();
        services.AddSingleton<ApprovalBook>();
        services.AddSingleton<SubjectInbox>();
        services.AddSingleton<Duties>();
        services.AddSingleton<ReleaseTerms>();
        services.AddSingleton<HoneyBook>();
        services.AddSingleton<HoneyWatch>();
        services.AddSingleton<WatchKeeper>();
        services.AddHostedService(p => p.GetRequiredService<WatchKeeper>());
        AddDoors(services);
    }

    private static void AddDoors(IServiceCollection services)
    {
        services.AddSingleton(p => new SubjectMessages(p.GetRequiredService<SubjectInbox>(), p.GetRequiredService<KeyRegistry>(), p.GetRequiredService<AuditLog>()));
        services.AddSingleton(p => new Reviews(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<ReviewBook>(), p.GetRequiredService<KeyRegistry>(), p.GetRequiredService<AuditLog>(),
            p.GetRequiredService<AuditReader>(), p.GetRequiredService<Decider>()));
        services.AddSingleton(p => new Approvals(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<ApprovalBook>(), p.GetRequiredService<KeyRegistry>(), p.GetRequiredService<AuditLog>(),
            p.GetRequiredService<AuditReader>(), p.GetRequiredService<Decider>()));
        services.AddSingleton(p => new ClientBudgets(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<BudgetBook>(), p.GetRequiredService<AuditLog>(), p.GetRequiredService<Decider>()));
        services.AddSingleton(p => new HoneySubjects(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<HoneyBook>(), p.GetRequiredService<KeyRegistry>(), p.GetRequiredService<AuditLog>(), p.GetRequiredService<Decider>()));
        services.AddSingleton(p => new Alerts(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<AlertBook>(), p.GetRequiredService<Brakes>(), p.GetRequiredService<ReviewBook>(), p.GetRequiredService<AuditLog>(),
            p.GetRequiredService<Decider>()));
    }
}
