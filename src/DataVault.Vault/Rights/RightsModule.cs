using DataVault.Policy;
using DataVault.Vault.Keys;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace DataVault.Vault;

/// <summary>The part of the vault that carries out people's rights.</summary>
internal static class RightsModule
{
    public static void AddRights(IServiceCollection services)
    {
        services.AddSingleton<SubjectTags>();
        services.AddSingleton<RequestMemory>();
        services.AddSingleton<RequestSeals>();
        services.AddSingleton<RestoredRequests>();
        services.AddSingleton<RequestStore>();
        services.AddSingleton<RequestNotes>();
        AddDecisions(services);
        services.AddSingleton<SealedBesides>();
        services.AddSingleton<RequestSecrets>();
        services.AddSingleton<Objections>();
        services.AddSingleton<RequestIntake>();
        services.AddSingleton<SecondOfficer>();
        services.AddSingleton<RequestSteps>();
        services.AddSingleton<UnansweredRequests>();
        services.AddHostedService(p => p.GetRequiredService<UnansweredRequests>());
        services.AddSingleton<PackageFolder>();
        services.AddSingleton<ExportSource>();
        services.AddSingleton<PackageTrail>();
        services.AddSingleton<PackageContents>();
        services.AddSingleton<SubjectExport>();
        services.AddSingleton<ErasureNotebook>();
        services.AddSingleton<KeyBirths>();
        services.AddSingleton<ErasureCertificates>();
        services.AddSingleton<ErasureFinality>();
        services.AddSingleton<NoticeStore>();
        services.AddSingleton<RecipientNotices>();
        services.AddSingleton(p => new Notices(
            p.GetRequiredService<NoticeStore>(), p.GetRequiredService<RecipientNotices>(), p.GetRequiredService<KeyRegistry>(),
            p.GetRequiredService<RequestStore>(), p.GetRequiredService<AuditLog>(), p.GetRequiredService<SubjectReach>()));
        services.AddSingleton<ErasureMarks>();
        services.AddSingleton<ErasureAftermath>();
        services.AddSingleton<Remainder>();
        services.AddSingleton<PartialErasure>();
        services.AddSingleton<SubjectErasure>();
        services.AddSingleton<SubjectLimits>();
        services.AddSingleton<RequestFulfilment>();
        services.AddSingleton<ErasedAccounts>();
        services.AddHostedService(p => p.GetRequiredService<ErasedAccounts>());
        services.AddHostedService(p => p.GetRequiredService<HoldAdoption>());
        services.AddHostedService(p => p.GetRequiredService<RequestFulfilment>());
        services.AddSingleton<HoldStore>();
        services.AddSingleton<HoldAdoption>();
        services.AddSingleton<RequestViews>();
        services.AddSingleton(p => new LegalHolds(
            p.GetRequiredService<HoldStore>(), p.GetRequiredService<RequestFulfilment>(), p.GetRequiredService<SubjectReach>(), p.GetRequiredService<VaultClock>()));
        services.AddSingleton<OutboxStore>();
        services.AddSingleton(p => new RightsWatch(
            p.GetRequiredService<OutboxStore>(), p.GetRequiredService<HoldStore>(), p.GetRequiredService<RequestStore>(), p.GetRequiredService<NoticeStore>(), p.GetRequiredService<LetterStore>(),
            p.GetRequiredService<PartingLetters>()));
        AddLetters(services);
        services.AddSingleton<OutboxWorker>();
        services.AddHostedService(p => p.GetRequiredService<OutboxWorker>());
        OpenDsrModule.AddOpenDsr(services);
        AddRetention(services);
        AddSuppression(services);
        services.AddSingleton(p => new Rectification(
            p.GetRequiredService<SubjectRequests>(), p.GetRequiredService<RequestStore>(), p.GetRequiredService<RequestNotes>(),
            p.GetRequiredService<ProfilePatcher>(), p.GetRequiredService<RecipientNotices>(), p.GetRequiredService<ActivePolicy>()));
        services.AddSingleton(p => new LimitLifting(
            p.GetRequiredService<RequestStore>(), p.GetRequiredService<SubjectFacts>(), new LimitNews(p.GetRequiredService<LetterBook>(), p.GetRequiredService<RecipientNotices>()),
            p.GetRequiredService<KeyRegistry>(), p.GetRequiredService<SubjectReach>(), p.GetRequiredService<AuditLog>()));
        services.AddSingleton(p => new SubjectRequests(
            p.GetRequiredService<RequestStore>(), p.GetRequiredService<RequestIntake>(), p.GetRequiredService<RequestFulfilment>(),
            p.GetRequiredService<RequestViews>(), p.GetRequiredService<SubjectReach>(), p.GetRequiredService<RequestSteps>()));
    }

    private static void AddDecisions(IServiceCollection services)
    {
        services.AddSingleton<DecisionRows>();
        services.AddSingleton<ContestedDecisions>();
        services.AddSingleton(p => new DecisionRecorder(
            p.GetRequiredService<DecisionRows>(), p.GetRequiredService<KeyRegistry>(), p.GetRequiredService<SubjectFacts>(), p.GetRequiredService<Decider>(), p.GetRequiredService<AuditLog>(),
            p.GetRequiredService<SubjectReach>()));
        services.AddSingleton(p => new AutomatedDecisions(
            p.GetRequiredService<DecisionRows>(), p.GetRequiredService<KeyRegistry>(), p.GetRequiredService<RequestStore>(), p.GetRequiredService<AuditLog>(), p.GetRequiredService<SubjectReach>()));
    }

    private static void AddLetters(IServiceCollection services)
    {
        services.AddSingleton<LetterStore>();
        services.AddSingleton<LetterBook>();
        services.AddSingleton<LetterTools>();
        services.AddSingleton<PartingLetters>();
        services.AddSingleton(p => new HeldAddresses(p.GetRequiredService<DisclosureGate>(), p.GetRequiredService<CustomerSearch>(), p.GetRequiredService<ActivePolicy>()));
        services.AddSingleton<LetterMail>();
        services.AddSingleton<RequestReminders>();
        services.AddSingleton<DeadlineDigest>();
        services.AddSingleton<LetterRounds>();
        services.AddHostedService(p => p.GetRequiredService<LetterRounds>());
        services.AddSingleton(p => new RequestLetters(
            p.GetRequiredService<LetterStore>(), p.GetRequiredService<PartingLetters>(), p.GetRequiredService<LetterBook>(), p.GetRequiredService<RequestStore>(),
            p.GetRequiredService<LetterTools>(), p.GetRequiredService<SubjectReach>()));
    }

    private static void AddSuppression(IServiceCollection services)
    {
        services.AddHostedService<SuppressionGate>();
        services.AddSingleton(p => new SuppressionExpiry(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<SuppressionKeys>(), p.GetRequiredService<SuppressionJournal>(), p.GetRequiredService<AuditLog>(),
            (p.GetRequiredService<ActivePolicy>(), p.GetRequiredService<VaultClock>()), p.GetRequiredService<ILogger<SuppressionExpiry>>()));
        services.AddHostedService(p => p.GetRequiredService<SuppressionExpiry>());
        services.AddSingleton(p => new Suppressions(
            p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<SuppressionDoor>(), p.GetRequiredService<SuppressionList>(), p.GetRequiredService<AuditLog>(), p.GetRequiredService<Decider>()));
    }

    private static void AddRetention(IServiceCollection services)
    {
        services.AddSingleton(p => new RetentionTools(p.GetRequiredService<VaultDatabase>(), p.GetRequiredService<VaultClock>(), p.GetRequiredService<VaultOptions>().RetentionEvery));
        services.AddSingleton<RetentionLooks>();
        services.AddSingleton<RetentionEye>();
        services.AddSingleton<RetentionCut>();
        services.AddSingleton<RetentionRuns>();
        services.AddSingleton<RetentionErasures>();
        services.AddSingleton<RetentionSweep>();
        services.AddHostedService(p => p.GetRequiredService<RetentionSweep>());
        services.AddSingleton(p => new Retention(
            p.GetRequiredService<RetentionRuns>(), p.GetRequiredService<RetentionTools>(), p.GetRequiredService<AuditLog>(), p.GetRequiredService<ActivePolicy>()));
    }
}
