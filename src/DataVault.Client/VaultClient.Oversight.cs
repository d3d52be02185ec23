using DataVault.Client.Wire;

namespace DataVault.Client;

/// <summary>What a caller brings along where a purpose or a rule asks for more than a credential.</summary>
/// <param name="Reason">Why: words, or the number of a ticket. Sent as a header, never in the URL.</param>
/// <param name="Approval">An approval that is used up.</param>
public sealed record Warrant(string? Reason = null, Guid? Approval = null);

public sealed partial class VaultClient
{
    /// <summary>Releases fields of a customer for a purpose that asks for a reason or a second person.</summary>
    public Task<Disclosed> ReadAsync(
        Guid id, string purpose, Warrant warrant, IReadOnlyList<string>? fields = null, bool provenance = false, CancellationToken cancellation = default)
    {
        var path = new Query($"/v1/customers/{id}").Add("purpose", purpose).Add("fields", fields).Add("provenance", provenance ? "true" : null).ToString();
        return _wire.AskAsync<Disclosed>(VaultCall.Get(path) with { Warrant = warrant }, cancellation);
    }

    /// <summary>What the signed-in customer is told about looks at their data, newest first.</summary>
    public Task<Page<Message>> MyMessagesAsync(int? limit = null, string? cursor = null, CancellationToken cancellation = default) =>
        GetAsync<Page<Message>>(new Query("/v1/me/messages").Page(limit, cursor), cancellation);

    /// <summary>Releases that are to be reviewed (<c>open</c>) or were (<c>decided</c>), newest first.</summary>
    public Task<Page<Review>> ReviewsAsync(string? state = null, bool overdue = false, int? limit = null, string? cursor = null, CancellationToken cancellation = default) =>
        GetAsync<Page<Review>>(new Query("/v1/reviews").Add("state", state).Add("overdue", overdue ? "true" : null).Page(limit, cursor), cancellation);

    /// <summary>One review, with whom it is about and why.</summary>
    public Task<Review> ReviewAsync(Guid id, CancellationToken cancellation = default) => GetAsync<Review>(new Query($"/v1/reviews/{id}"), cancellation);

    /// <summary>Says whether a release was justified.</summary>
    public Task<Review> DecideReviewAsync(Guid id, ReviewOutcome outcome, CancellationToken cancellation = default) =>
        PostAsync<ReviewOutcome, Review>($"/v1/reviews/{id}/outcome", outcome, null, cancellation);

    /// <summary>Asks a second person to agree to a disclosure.</summary>
    public Task<Approval> AskApprovalAsync(AskApproval request, CancellationToken cancellation = default) =>
        PostAsync<AskApproval, Approval>("/v1/approvals", request, null, cancellation);

    /// <summary>Approvals, newest first: one's own, and all for whoever may approve.</summary>
    public Task<Page<Approval>> ApprovalsAsync(string? state = null, int? limit = null, string? cursor = null, CancellationToken cancellation = default) =>
        GetAsync<Page<Approval>>(new Query("/v1/approvals").Add("state", state).Page(limit, cursor), cancellation);

    /// <summary>Agrees to a disclosure that another person asked for, or refuses it.</summary>
    public Task<Approval> DecideApprovalAsync(Guid id, bool approve, CancellationToken cancellation = default) =>
        PostAsync<object, Approval>($"/v1/approvals/{id}/{(approve ? "approve" : "refuse")}", new { }, null, cancellation);

    /// <summary>Alerts (<c>open</c>, <c>acknowledged</c>), newest first.</summary>
    public Task<Page<Alert>> AlertsAsync(string? state = null, int? limit = null, string? cursor = null, CancellationToken cancellation = default) =>
        GetAsync<Page<Alert>>(new Query("/v1/alerts").Add("state", state).Page(limit, cursor), cancellation);

    /// <summary>Says that somebody has taken an alert up.</summary>
    public Task<Alert> AcknowledgeAlertAsync(Guid id, CancellationToken cancellation = default) =>
        PostAsync<object, Alert>($"/v1/alerts/{id}/acknowledge", new { }, null, cancellation);

    /// <summary>Lets the credential that an alert stopped go on, with its budget whole again.</summary>
    public Task<Alert> ReleaseBrakeAsync(Guid id, CancellationToken cancellation = default) => PostAsync<object, Alert>($"/v1/alerts/{id}/release", new { }, null, cancellation);

    /// <summary>Marks a made-up customer, so that whoever touches them raises an alert.</summary>
    public Task<HoneyCustomer> PlantHoneyAsync(PlantHoney planted, CancellationToken cancellation = default) =>
        PostAsync<PlantHoney, HoneyCustomer>("/v1/honey", planted, null, cancellation);

    /// <summary>Planted customers.</summary>
    public Task<Page<HoneyCustomer>> HoneyAsync(CancellationToken cancellation = default) => GetAsync<Page<HoneyCustomer>>(new Query("/v1/honey"), cancellation);

    /// <summary>Makes a planted customer one like any other.</summary>
    public async Task WithdrawHoneyAsync(Guid id, CancellationToken cancellation = default)
    {
        using var answer = await _wire.SendAsync(VaultCall.Send(HttpMethod.Post, $"/v1/honey/{id}/withdraw", new { }, repeatable: false), cancellation);
    }

    /// <summary>Tighter budgets of single applications.</summary>
    public Task<Page<ApplicationBudget>> BudgetsAsync(CancellationToken cancellation = default) => GetAsync<Page<ApplicationBudget>>(new Query("/v1/budgets"), cancellation);

    /// <summary>Holds an application to less than the policy allows; without numbers, to what the policy allows.</summary>
    public Task<ApplicationBudget> SetBudgetAsync(ApplicationBudget budget, CancellationToken cancellation = default) =>
        PostAsync<ApplicationBudget, ApplicationBudget>("/v1/budgets", budget, null, cancellation);
}
