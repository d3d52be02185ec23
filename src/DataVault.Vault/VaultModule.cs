using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Vault.Indexes;
using DataVault.Vault.Keys;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Npgsql;

namespace DataVault.Vault;

/// <summary>Puts the vault into a host.</summary>
public static class VaultModule
{
    /// <summary>Key of the data source of the database <c>vault</c> (for parts that count and report, never for profiles).</summary>
    public const string VaultSource = "vault";

    /// <summary>Key of the data source of the database <c>keys</c>.</summary>
    public const string KeysSource = "keys";

    public static IServiceCollection AddVault(this IServiceCollection services, VaultOptions options, PolicySet policy)
    {
        ArgumentNullException.ThrowIfNull(options);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<IRandomBytes, SystemRandomBytes>();
        services.TryAddSingleton(new ActivePolicy(policy));
        // For whoever serves one call: the version that the call took. What lives longer asks ActivePolicy.
        services.TryAddScoped(p => p.GetRequiredService<ActivePolicy>().Current);
        services.AddSingleton(options);
        services.AddSingleton(_ => new VaultDatabase(options.DataConnection));
        services.AddSingleton(_ => new KeysDatabase(options.KeysConnection));
        services.AddKeyedSingleton<NpgsqlDataSource>(VaultSource, (provider, _) => provider.GetRequiredService<VaultDatabase>().Source);
        services.AddKeyedSingleton<NpgsqlDataSource>(KeysSource, (provider, _) => provider.GetRequiredService<KeysDatabase>().Source);
        AddPolicy(services, options);
        AddKeys(services, options);
        AddAudit(services);
        StoreModule.AddStore(services);
        RightsModule.AddRights(services);
        ObligationsModule.AddObligations(services);
        DeskModule.AddDesk(services);
        BreachModule.AddBreaches(services);
        return services;
    }

    private static void AddPolicy(IServiceCollection services, VaultOptions options)
    {
        services.AddSingleton<PolicyNumbers>().AddHostedService(p => p.GetRequiredService<PolicyNumbers>());
        services.AddSingleton<PolicyStore>();
        services.AddSingleton<PolicyProcesses>();
        services.AddSingleton<PolicyScrutiny>();
        services.AddSingleton<PolicyProof>();
        services.AddSingleton<PolicyMemory>();
        services.AddSingleton<PolicyPast>();
        services.AddSingleton<PolicyBeginning>();
        services.AddSingleton<PolicyAftermath>();
        services.AddSingleton<WatchTools>();
        services.AddSingleton<PolicyWatch>();
        services.AddSingleton(p => new PolicyReplay(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<AuditReader>(), p.GetRequiredService<AuditLog>(), p.GetRequiredService<PolicyStore>(), p.GetRequiredService<ActivePolicy>(),
            p.GetRequiredService<TimeProvider>()));
        services.AddSingleton(p => new PolicyActivations(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<AuditLog>(), p.GetRequiredService<ActivePolicy>(), p.GetRequiredService<PolicyStore>(), p.GetRequiredService<PolicyScrutiny>(),
            new ActivationTools(
                p.GetRequiredService<PolicyWatch>(), p.GetRequiredService<PolicyProcesses>(), p.GetRequiredService<PolicyMemory>(), p.GetRequiredService<VaultClock>(), options.ProvideDomains)));
    }

    private static void AddKeys(IServiceCollection services, VaultOptions options)
    {
        services.AddSingleton(_ => new TombstoneJournal(options.Home));
        services.AddSingleton<RootKeyProviders>();
        services.AddSingleton<VaultKeys>();
        services.AddSingleton<VaultKeyring>();
        services.AddSingleton<KeyRegistry>();
        services.AddSingleton<IServiceKeys>(provider => provider.GetRequiredService<KeyRegistry>());
        services.AddSingleton(p => new OnceBook(p.GetRequiredService<KeysDatabase>(), p.GetRequiredService<TimeProvider>()));
        services.AddSingleton(p => new RowMemory(p.GetRequiredService<KeysDatabase>()));
        services.AddSingleton<RecordCipher>();
        services.AddSingleton<EpochRotation>();
        AddRotations(services);
        services.AddSingleton<EpochLedger>();
        services.AddSingleton<RestoreGate>();
        services.AddSingleton(_ => new RestoreLosses(options.Home));
        services.AddSingleton<RestoreFit>();
        services.AddSingleton<PartReplay>();
        services.AddSingleton<RestoreGates>();
        services.AddSingleton<VaultStartup>();
        services.AddHostedService(p => p.GetRequiredService<VaultStartup>());
        services.AddHostedService(p => p.GetRequiredService<PolicyBeginning>());
        services.AddHostedService(p => p.GetRequiredService<PolicyWatch>());
        services.AddSingleton<NewestVersions>();
        services.AddSingleton<RestoredVersions>();
        services.AddHostedService(p => p.GetRequiredService<RestoredVersions>());
        services.AddHostedService(p => p.GetRequiredService<NewestVersions>());
        IndexModule.AddIndexes(services);
    }

    private static void AddRotations(IServiceCollection services)
    {
        services.AddSingleton<RotationStore>();
        services.AddSingleton<RotationSteps>();
        services.AddSingleton<RotationRunner>();
        services.AddSingleton<EpochTurn>();
        services.AddSingleton<DamagedKeys>();
        services.AddSingleton<EpochJob>();
        services.AddSingleton<VaultKeyRotation>();
        services.AddSingleton<IRotation>(p => p.GetRequiredService<EpochJob>());
        services.AddSingleton<IRotation>(p => p.GetRequiredService<VaultKeyRotation>());
        services.AddSingleton<IRotation, RootRotation>();
        services.AddSingleton(p => new PersonRenewal(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<KeyRegistry>(), p.GetRequiredService<RecordCipher>(), p.GetRequiredService<AuditLog>(),
            p.GetRequiredService<ActivePolicy>(), p.GetRequiredService<VaultClock>()));
        services.AddSingleton<IRotation, SubjectRotation>();
        services.AddSingleton<IRotation, IndexRotation>();
        services.AddSingleton(p => new KeyAdministration(
            p.GetRequiredService<KeysDatabase>(), p.GetRequiredService<RotationStore>(), p.GetRequiredService<RotationSteps>(), p.GetRequiredService<RootKeyProviders>(),
            p.GetRequiredService<DamagedKeys>(), (p.GetRequiredService<VaultOptions>(), p.GetRequiredService<TimeProvider>())));
    }

    private static void AddAudit(IServiceCollection services)
    {
        services.AddSingleton<AuditLog>();
        services.AddSingleton<LogStore>();
        services.AddSingleton<LogIndexer>();
        services.AddSingleton<LogMirror>();
        services.AddSingleton<RestoreDeclarations>();
        services.AddSingleton<LogContinuity>();
        services.AddSingleton<SignerMemory>();
        services.AddSingleton<SignerKeys>();
        services.AddSingleton<CheckpointSigner>();
        services.AddSingleton(p => new SignerCare(
            p.GetRequiredService<AuditLog>(), p.GetRequiredService<LogStore>(), p.GetRequiredService<SignerKeys>(),
            p.GetRequiredService<SignerMemory>(), p.GetRequiredService<AuditReader>(), p.GetRequiredService<VaultOptions>()));
        services.AddSingleton<ReaderNames>();
        services.AddSingleton(p => new AuditReader(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<LogStore>(), p.GetRequiredService<LogIndexer>(),
            p.GetRequiredService<CheckpointSigner>(), p.GetRequiredService<AuditLog>(), p.GetRequiredService<ReaderNames>()));
        services.AddSingleton(p => new BackupHistory(
            p.GetRequiredService<AuditReader>(), p.GetRequiredService<RotationStore>(), p.GetRequiredService<VaultOptions>(), p.GetRequiredService<TimeProvider>()));
        services.AddSingleton<SignedProofs>();
        services.AddSingleton(p => new ProcessingRecords(
            p.GetRequiredService<AuditReader>(), p.GetRequiredService<SignedProofs>(), p.GetRequiredService<ActivePolicy>(), p.GetRequiredService<VaultClock>()));
        services.AddSingleton<TagResolver>();
        services.AddSingleton(p => new UndoneActs(
            p.GetRequiredService<RestoreDeclarations>(), p.GetRequiredService<LogStore>(), p.GetRequiredService<RowMemory>(), p.GetRequiredService<TagResolver>(), p.GetRequiredService<AuditTrail>()));
        services.AddSingleton(p => new LogPrune(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<LogStore>(), p.GetRequiredService<LogMirror>(), p.GetRequiredService<LogIndexer>(),
            p.GetRequiredService<AuditLog>()));
        services.AddSingleton(p => new BreachImpact(
            p.GetRequiredService<AuditReader>(), p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<ReaderNames>(),
            p.GetRequiredService<TagResolver>(), p.GetRequiredService<ActivePolicy>()));
        services.AddTransient(p => new LogAnchors(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<LogStore>(), p.GetRequiredService<CheckpointSigner>(),
            p.GetRequiredService<AuditLog>(), p.GetRequiredService<ReaderNames>()));
        services.AddSingleton(p => new EntryProofs(
            p.GetRequiredService<AuditReader>(), p.GetRequiredService<LogStore>(), p.GetRequiredService<AuditLog>(),
            p.GetRequiredService<KeyRegistry>(), p.GetRequiredService<ActivePolicy>()));
        services.AddSingleton(p => new AuditTrail(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<AuditLog>(), p.GetRequiredService<KeyRegistry>(), p.GetRequiredService<IRandomBytes>(),
            p.GetRequiredService<TimeProvider>()));
        services.AddHostedService(p => p.GetRequiredService<AuditLog>());
        services.AddSingleton(p => new BackupLedger(p.GetRequiredService<AuditLog>(), p.GetRequiredService<VaultStartup>()));
        services.AddSingleton(p => new RestoreAcceptance(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<VaultStartup>(), p.GetRequiredService<RestoreDeclarations>(), p.GetRequiredService<RestoredVersions>()));
        services.AddSingleton<LogBeginning>();
        services.AddSingleton<LogWorker>().AddHostedService(p => p.GetRequiredService<LogWorker>());
        services.AddSingleton<KeyWorker>();
        services.AddHostedService(p => p.GetRequiredService<KeyWorker>());
        services.AddHostedService<KeyListener>();
        services.AddHostedService(p => p.GetRequiredService<RotationRunner>());
        services.AddHostedService<BackupReminder>();
    }
}
