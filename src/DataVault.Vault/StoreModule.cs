using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Vault.Keys;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace DataVault.Vault;

/// <summary>Profiles, disclosure, events, consents and the analytics feed, for <see cref="VaultModule"/>.</summary>
internal static class StoreModule
{
    public static void AddStore(IServiceCollection services)
    {
        services.AddSingleton(p => new VaultClock(p.GetRequiredService<TimeProvider>(), p.GetRequiredService<IRandomBytes>()));
        services.AddSingleton<Decider>();
        services.AddSingleton<ReleaseForms>();
        services.AddSingleton<ReleaseOpening>();
        services.AddSingleton<SubjectFacts>();
        services.AddSingleton<CandidateFinder>();
        services.AddSingleton<CustomerLookups>();
        services.AddSingleton<SuppressionKeys>();
        services.AddSingleton<SuppressionList>();
        services.AddSingleton<SuppressionJournal>();
        services.AddSingleton<SuppressionDoor>();
        services.AddSingleton<Identifiers>();
        services.AddSingleton<ProfileBatch>();
        services.AddSingleton<ProfilePatcher>();
        services.AddSingleton<FeedReader>();
        AddDoors(services);
        AddConsents(services);
        AddFeed(services);
        AddChecks(services);
    }

    // Their constructors are internal: outside this assembly they are had from the container only.
    private static void AddDoors(IServiceCollection services)
    {
        services.AddSingleton(p => new KnownSubjects(p.GetRequiredService<KeyRegistry>()));
        services.AddSingleton(p => new IdempotencyStore(p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<KeyRegistry>(), p.GetRequiredService<TimeProvider>()));
        services.AddSingleton(p => new ProfileEditor(p.GetRequiredService<ProfileBatch>(), p.GetRequiredService<ProfilePatcher>(), p.GetRequiredService<IdempotencyStore>(), p.GetRequiredService<NoticeArchive>(),
            p.GetRequiredService<ActivePolicy>()));
        services.AddSingleton(p => new DisclosureGate(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<KeyRegistry>(), p.GetRequiredService<AuditLog>(),
            p.GetRequiredService<Decider>(), p.GetRequiredService<ReleaseTerms>(), p.GetRequiredService<ReleaseOpening>()));
        services.AddSingleton(p => new CustomerSearch(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<DisclosureGate>(), p.GetRequiredService<CandidateFinder>(), p.GetRequiredService<AuditLog>(), p.GetRequiredService<Decider>(),
            p.GetRequiredService<ReleaseTerms>()));
        services.AddSingleton(p => new EventRecorder(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<KeyRegistry>(), p.GetRequiredService<RecordCipher>(),
            p.GetRequiredService<AuditLog>(), p.GetRequiredService<Decider>(), p.GetRequiredService<CustomerLookups>()));
        services.AddSingleton(p => new DisclosureLedger(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<LogIndexer>(), p.GetRequiredService<AuditLog>(), p.GetRequiredService<ReaderNames>(),
            p.GetRequiredService<KeyRegistry>(), p.GetRequiredService<ActivePolicy>()));
        services.AddSingleton(p => new AccessHistory(
            p.GetRequiredService<AuditReader>(), p.GetRequiredService<AuditLog>(), p.GetRequiredService<KeyRegistry>(), p.GetRequiredService<DisclosureLedger>(),
            p.GetRequiredService<ActivePolicy>()));
    }

    private static void AddConsents(IServiceCollection services)
    {
        services.AddSingleton<NoticeArchive>();
        services.AddHostedService(p => p.GetRequiredService<NoticeArchive>());
        services.AddSingleton<ConsentRules>();
        services.AddSingleton<ConsentFollowing>();
        services.AddSingleton<SubjectReach>();
        services.AddSingleton<ConsentDoor>();
        services.AddSingleton<PastPolicies>();
        services.AddSingleton<ConsentWitness>();
        services.AddSingleton<ConsentPast>();
        services.AddSingleton(p => new SubjectStanding(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<KeyRegistry>(), p.GetRequiredService<AuditLog>(), p.GetRequiredService<SubjectFacts>(),
            p.GetRequiredService<SubjectReach>(), p.GetRequiredService<ConsentRules>()));
        services.AddSingleton(p => new ConsentLedger(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<ConsentDoor>(), p.GetRequiredService<AuditLog>(), p.GetRequiredService<SubjectFacts>(),
            p.GetRequiredService<ConsentRules>(), p.GetRequiredService<ConsentFollowing>()));
        services.AddSingleton(p => new PrivacySignals(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<KeyRegistry>(), p.GetRequiredService<AuditLog>(), p.GetRequiredService<SubjectFacts>(),
            p.GetRequiredService<ConsentFollowing>(), p.GetRequiredService<ConsentRules>()));
        services.AddSingleton(p => new ConsentReceipts(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<ConsentDoor>(), p.GetRequiredService<ConsentWitness>(), p.GetRequiredService<ConsentPast>(),
            p.GetRequiredService<AuditLog>(), p.GetRequiredService<ActivePolicy>()));
    }

    private static void AddChecks(IServiceCollection services)
    {
        services.AddSingleton(p => new ConsentHealth(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<AuditLog>(), p.GetRequiredService<ActivePolicy>(), p.GetRequiredService<VaultClock>(),
            p.GetRequiredService<ConsentDoor>()));
        services.AddSingleton(p => new RecordsManifests(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<KeyRegistry>(), p.GetRequiredService<RecordCipher>(),
            p.GetRequiredService<CheckpointSigner>(), p.GetRequiredService<AuditLog>(), p.GetRequiredService<VaultClock>()));
        services.AddSingleton<ErasuresUnderWay>();
        services.AddSingleton<SecondLook>();
        services.AddSingleton(p => new VaultCheck(
            p.GetRequiredService<VaultDatabase>(), run => new LogCheck(run, p.GetRequiredService<LogMirror>(), p.GetRequiredService<SignerKeys>(), p.GetRequiredService<LogStore>()),
            run => new KeyCheck(run, p.GetRequiredService<KeysDatabase>(), p.GetRequiredService<VaultKeyring>(), p.GetRequiredService<TombstoneJournal>(), p.GetRequiredService<IndexKeys>(), p.GetRequiredService<SecondLook>()),
            run => new RowCheck(
                run, p.GetRequiredService<PackageFolder>(), p.GetRequiredService<VaultDatabase>(), ToldChecks(p, run), p.GetRequiredService<RequestStore>()),
            run => new PeopleCheck(run, p.GetRequiredService<KeyRegistry>(), p.GetRequiredService<RecordCipher>(), p.GetRequiredService<ActivePolicy>(), p.GetRequiredService<SecondLook>()),
            run => new RecordsCheck(run, p.GetRequiredService<RecordsManifests>(), p.GetRequiredService<AuditReader>(), p.GetRequiredService<LogMirror>(), p.GetRequiredService<VaultOptions>(), p.GetRequiredService<SecondLook>())));
    }

    private static IReadOnlyList<IToldCheck> ToldChecks(IServiceProvider p, CheckRun run) =>
    [
        new HoldCheck(run, p.GetRequiredService<KeyRegistry>()),
        new PolicyCheck(run, p.GetRequiredService<PolicyProof>(), p.GetRequiredService<PolicyStore>(), p.GetRequiredService<PolicyNumbers>(), p.GetRequiredService<PolicyMemory>()),
        new OversightCheck(run, p.GetRequiredService<OversightSeals>(), p.GetRequiredService<OversightMemory>(), p.GetRequiredService<HoneyBook>(), p.GetRequiredService<BudgetBook>(),
            p.GetRequiredService<VaultDatabase>()),
        new BreachCheck(run, p.GetRequiredService<BreachBook>()),
        new DecisionCheck(run, p.GetRequiredService<DecisionRows>()),
        new SuppressionCheck(run, p.GetRequiredService<SuppressionList>(), p.GetRequiredService<SuppressionJournal>(), p.GetRequiredService<SuppressionKeys>(), p.GetRequiredService<VaultClock>()),
    ];

    private static void AddFeed(IServiceCollection services)
    {
        services.AddSingleton(p => new AnalyticsFeed(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<FeedReader>(), p.GetRequiredService<AuditLog>(),
            p.GetRequiredService<VaultClock>(), p.GetRequiredService<ILogger<AnalyticsFeed>>()));
        services.AddHostedService(p => p.GetRequiredService<AnalyticsFeed>());
        services.AddSingleton<AgeSweep>();
        services.AddSingleton<Upkeep>();
        services.AddHostedService(p => p.GetRequiredService<Upkeep>());
    }
}
