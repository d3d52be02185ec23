using System.Globalization;
using DataVault.Client.Wire;

namespace DataVault.Client;

public sealed partial class VaultClient
{
    /// <summary>What decides about people by itself, as the policy in force declares it.</summary>
    public Task<ModelRegister> ModelsAsync(CancellationToken cancellation = default) => GetAsync<ModelRegister>(new Query("/v1/policy/automated"), cancellation);

    /// <summary>Records what a model or rule decided about a customer, once for its reference.</summary>
    public Task<DecisionReceipt> RecordDecisionAsync(Guid customer, RecordDecision decision, CancellationToken cancellation = default) =>
        PostAsync<RecordDecision, DecisionReceipt>($"/v1/customers/{customer}/decisions", decision, null, cancellation);

    /// <summary>Decisions about people, newest first.</summary>
    public Task<Page<AutomatedDecision>> DecisionsAsync(DecisionFilter filter, CancellationToken cancellation = default) =>
        GetAsync<Page<AutomatedDecision>>(Narrowed(new Query("/v1/decisions"), filter), cancellation);

    /// <summary>The same as a table (CSV), whatever the limit.</summary>
    public Task<Stream> ExportDecisionsAsync(DecisionFilter filter, CancellationToken cancellation = default) =>
        CsvAsync(Narrowed(new Query("/v1/decisions"), filter).Add("format", "csv").ToString(), cancellation);

    /// <summary>One decision.</summary>
    public Task<AutomatedDecision> DecisionAsync(Guid decision, CancellationToken cancellation = default) => GetAsync<AutomatedDecision>(new Query($"/v1/decisions/{decision}"), cancellation);

    /// <summary>Of the calling application's own decisions those that something happened to behind the cursor; keep the page's <c>Next</c> for the next call.</summary>
    public Task<Page<AutomatedDecision>> DecisionChangesAsync(int? limit = null, string? cursor = null, CancellationToken cancellation = default) =>
        GetAsync<Page<AutomatedDecision>>(new Query("/v1/decisions/changes").Page(limit, cursor), cancellation);

    /// <summary>What was decided about the signed-in customer, newest first.</summary>
    public Task<Page<AutomatedDecision>> MyDecisionsAsync(int? limit = null, string? cursor = null, CancellationToken cancellation = default) =>
        GetAsync<Page<AutomatedDecision>>(new Query("/v1/me/decisions").Page(limit, cursor), cancellation);

    private static Query Narrowed(Query query, DecisionFilter filter)
    {
        ArgumentNullException.ThrowIfNull(filter);
        static string? At(DateTimeOffset? at) => at?.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);
        return query.Add("customer", filter.Customer?.ToString()).Add("model", filter.Model).Add("version", filter.Version).Add("outcome", filter.Outcome).Add("state", filter.State)
            .Add("from", At(filter.From)).Add("to", At(filter.To)).Add("review", filter.Overdue ? "overdue" : null).Page(filter.Limit, filter.Cursor);
    }
}
