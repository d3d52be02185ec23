using DataVault.Client.Wire;

namespace DataVault.Client;

public sealed partial class VaultClient
{
    /// <summary>Breaches, newest first.</summary>
    public Task<Page<BreachSummary>> BreachesAsync(bool openOnly = false, int? limit = null, string? cursor = null, CancellationToken cancellation = default) =>
        GetAsync<Page<BreachSummary>>(new Query("/v1/breaches").Add("state", openOnly ? "open" : null).Page(limit, cursor), cancellation);

    /// <summary>One breach, with everything that is kept of it.</summary>
    public Task<BreachView> BreachAsync(Guid id, CancellationToken cancellation = default) => GetAsync<BreachView>(new Query($"/v1/breaches/{id}"), cancellation);

    /// <summary>Notes a breach.</summary>
    public Task<BreachView> OpenBreachAsync(OpenBreach breach, CancellationToken cancellation = default) => PostAsync<OpenBreach, BreachView>("/v1/breaches", breach, null, cancellation);

    /// <summary>Adds what was found out, the risk, the measures.</summary>
    public Task<BreachView> FindBreachAsync(Guid id, BreachFacts facts, CancellationToken cancellation = default) =>
        PostAsync<BreachFacts, BreachView>($"/v1/breaches/{id}/findings", facts, null, cancellation);

    /// <summary>Counts from the log whom it concerned, and keeps the figures with the case.</summary>
    public Task<BreachView> AttachImpactAsync(Guid id, AttachImpact impact, CancellationToken cancellation = default) =>
        PostAsync<AttachImpact, BreachView>($"/v1/breaches/{id}/impact", impact, null, cancellation);

    /// <summary>Counts an attached impact again and compares: the newest, or that of a step.</summary>
    public Task<ImpactComparisonView> CompareImpactAsync(Guid id, int? step = null, CancellationToken cancellation = default) =>
        GetAsync<ImpactComparisonView>(new Query($"/v1/breaches/{id}/impact").Add("step", step?.ToString(System.Globalization.CultureInfo.InvariantCulture)), cancellation);

    /// <summary>Drafts what may be said of it.</summary>
    public Task<BreachDraft> DraftBreachAsync(Guid id, AskBreachDraft draft, CancellationToken cancellation = default) =>
        PostAsync<AskBreachDraft, BreachDraft>($"/v1/breaches/{id}/drafts", draft, null, cancellation);

    /// <summary>Notes down a report to the authority that went out.</summary>
    public Task<BreachView> ReportBreachAsync(Guid id, SubmitBreachReport report, CancellationToken cancellation = default) =>
        PostAsync<SubmitBreachReport, BreachView>($"/v1/breaches/{id}/reports", report, null, cancellation);

    /// <summary>Decides whether authority or people are told.</summary>
    public Task<BreachView> DecideBreachAsync(Guid id, BreachDecisionView decision, CancellationToken cancellation = default) =>
        PostAsync<BreachDecisionView, BreachView>($"/v1/breaches/{id}/decisions", decision, null, cancellation);

    /// <summary>Notes down that a controller was told.</summary>
    public Task<BreachView> TellControllerAsync(Guid id, ControllerNoticeView notice, CancellationToken cancellation = default) =>
        PostAsync<ControllerNoticeView, BreachView>($"/v1/breaches/{id}/controllers", notice, null, cancellation);

    /// <summary>Closes the case.</summary>
    public Task<BreachView> CloseBreachAsync(Guid id, CloseBreach closing, CancellationToken cancellation = default) =>
        PostAsync<CloseBreach, BreachView>($"/v1/breaches/{id}/close", closing, null, cancellation);

    /// <summary>A signed pack of evidence for an authority (zip); the caller disposes the stream.</summary>
    public async Task<Stream> EvidencePackAsync(AskEvidence evidence, CancellationToken cancellation = default)
    {
        var call = VaultCall.Send(HttpMethod.Post, "/v1/evidence-packs", evidence, repeatable: false) with { Accept = "application/zip, application/problem+json" };
        var response = await _wire.SendAsync(call, cancellation);
        return await response.Content.ReadAsStreamAsync(cancellation);
    }
}
