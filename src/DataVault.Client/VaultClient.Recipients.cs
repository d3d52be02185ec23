using DataVault.Client.Wire;

namespace DataVault.Client;

public sealed partial class VaultClient
{
    /// <summary>To whom data go outside the controller's own departments, and on what terms.</summary>
    public Task<RecipientList> RecipientsAsync(CancellationToken cancellation = default) => GetAsync<RecipientList>(new Query("/v1/policy/recipients"), cancellation);

    /// <summary>Who was given what of a customer.</summary>
    public Task<Disclosures> DisclosuresAsync(Guid customer, CancellationToken cancellation = default) => GetAsync<Disclosures>(new Query($"/v1/customers/{customer}/disclosures"), cancellation);

    /// <summary>Who was given what of the signed-in customer.</summary>
    public Task<Disclosures> MyDisclosuresAsync(CancellationToken cancellation = default) => GetAsync<Disclosures>(new Query("/v1/me/disclosures"), cancellation);

    /// <summary>Notices to recipients, newest first.</summary>
    /// <param name="request">Of this request.</param>
    /// <param name="customer">About this person.</param>
    /// <param name="open">Only those of whom somebody has still to be told.</param>
    /// <param name="limit">Most of one page.</param>
    /// <param name="cursor">Of the page before.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public Task<Page<RecipientNotice>> NoticesAsync(Guid? request = null, Guid? customer = null, bool open = false, int? limit = null, string? cursor = null, CancellationToken cancellation = default) =>
        GetAsync<Page<RecipientNotice>>(new Query("/v1/notices").Add("request", request?.ToString()).Add("customer", customer?.ToString()).Add("state", open ? "open" : null).Page(limit, cursor), cancellation);

    /// <summary>Which recipients were told of what about the signed-in customer.</summary>
    public Task<Page<RecipientNotice>> MyNoticesAsync(int? limit = null, string? cursor = null, CancellationToken cancellation = default) =>
        GetAsync<Page<RecipientNotice>>(new Query("/v1/me/notices").Page(limit, cursor), cancellation);

    /// <summary>Says which values are right, with an open request for rectification.</summary>
    public Task<RectificationState> WantValuesAsync(Guid request, WantValues wanted, CancellationToken cancellation = default) =>
        PostAsync<WantValues, RectificationState>($"/v1/requests/{request}/wanted", wanted, null, cancellation);

    /// <summary>Which values are wanted, and what was decided about them.</summary>
    public Task<RectificationState> RectificationAsync(Guid request, CancellationToken cancellation = default) =>
        GetAsync<RectificationState>(new Query($"/v1/requests/{request}/rectification"), cancellation);

    /// <summary>Decides about every wanted value, writes what is accepted, and completes the request.</summary>
    public Task<RectificationState> DecideRectificationAsync(Guid request, DecideRectification decision, CancellationToken cancellation = default) =>
        PostAsync<DecideRectification, RectificationState>($"/v1/requests/{request}/rectification", decision, null, cancellation);

    /// <summary>The officer has told the recipient.</summary>
    public Task<RecipientNotice> NoticeDoneAsync(Guid notice, CancellationToken cancellation = default) =>
        PostAsync<object, RecipientNotice>($"/v1/notices/{notice}/done", new { }, null, cancellation);

    /// <summary>Nobody tells the recipient: <c>impossible</c> or <c>disproportionate-effort</c>.</summary>
    public Task<RecipientNotice> WaiveNoticeAsync(Guid notice, string reason, CancellationToken cancellation = default) =>
        PostAsync<WaiveNotice, RecipientNotice>($"/v1/notices/{notice}/waive", new WaiveNotice(reason), null, cancellation);

    /// <summary>The calling application's recipient knows of it.</summary>
    public Task<RecipientNotice> AcknowledgeNoticeAsync(Guid notice, CancellationToken cancellation = default) =>
        PostAsync<object, RecipientNotice>($"/v1/notices/{notice}/acknowledge", new { }, null, cancellation);
}
