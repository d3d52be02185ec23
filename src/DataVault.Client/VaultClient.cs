using System.Globalization;
using System.Text.Json;
using DataVault.Client.Wire;

namespace DataVault.Client;

/// <summary>What to do with a request for a right.</summary>
public enum RequestStep
{
    /// <summary>Somebody showed, or failed to show, that they are the person: with a method.</summary>
    Verify,

    /// <summary>Prolong the due date, with a reason and a note.</summary>
    Extend,

    /// <summary>Grant it; erasure and export start, once a second officer agrees where the policy wants one.</summary>
    Approve,

    /// <summary>Refuse it, with a reason.</summary>
    Refuse,

    /// <summary>Close what was carried out by hand.</summary>
    Complete,

    /// <summary>Order the erasure of a record that does not open, with a reason.</summary>
    EraseDamaged,

    /// <summary>Acknowledge receipt to the person.</summary>
    Acknowledge,

    /// <summary>Ask the person for something, with the cause as reason and a note; the clock stands still where the law lets it.</summary>
    Ask,

    /// <summary>What they were asked for is there.</summary>
    Answer,

    /// <summary>Decide of single items otherwise than of the rest.</summary>
    Choose,

    /// <summary>Take it back.</summary>
    Withdraw,
}

/// <summary>
/// The vault's HTTP API, one method per call. Every method throws <see cref="VaultProblemException"/> when the vault refuses or cannot
/// be reached. Safe for concurrent use. Calls that may be repeated without harm are repeated on 429 and 503.
/// </summary>
/// <param name="http">With the vault's address as base address. Not disposed here.</param>
/// <param name="tokens">Who calls; null for the few public calls.</param>
/// <param name="options">Clock and patience.</param>
public sealed partial class VaultClient(HttpClient http, TokenSource? tokens = null, VaultClientOptions? options = null)
{
    private readonly VaultTransport _wire = new(http, tokens, options ?? new VaultClientOptions());

    // ---- customers -------------------------------------------------------------------------------------------------

    /// <summary>Creates a customer. With an idempotency key the call is repeated safely; a key used for another body is refused.</summary>
    public Task<Written> CreateAsync(CreateCustomer customer, string? idempotencyKey = null, CancellationToken cancellation = default) =>
        PostAsync<CreateCustomer, Written>("/v1/customers", customer, idempotencyKey, cancellation);

    /// <summary>Releases fields of a customer for a purpose. <paramref name="fields"/> null: all that the policy allows; <c>email.masked</c> asks for less.</summary>
    public Task<Disclosed> ReadAsync(
        Guid id, string purpose, IReadOnlyList<string>? fields = null, bool provenance = false, CancellationToken cancellation = default) =>
        GetAsync<Disclosed>(
            new Query($"/v1/customers/{id}").Add("purpose", purpose).Add("fields", fields).Add("provenance", provenance ? "true" : null), cancellation);

    /// <summary>Changes fields (JSON merge patch, RFC 7396) of the record at <paramref name="version"/>; 412 when it has moved on.</summary>
    public Task<Written> PatchAsync(Guid id, PatchCustomer patch, long version, CancellationToken cancellation = default)
    {
        var call = VaultCall.Send(HttpMethod.Patch, $"/v1/customers/{id}", patch, repeatable: false);
        return _wire.AskAsync<Written>(call with { IfMatch = $"\"{version.ToString(CultureInfo.InvariantCulture)}\"" }, cancellation);
    }

    /// <summary>Where a customer stands: jurisdiction, residency, brand, and who stands how to them.</summary>
    public Task<CustomerStanding> StandingAsync(Guid id, string? purpose = null, CancellationToken cancellation = default) =>
        GetAsync<CustomerStanding>(new Query($"/v1/customers/{id}/standing").Add("purpose", purpose), cancellation);

    /// <summary>Says anew where a customer stands, at <paramref name="version"/> of the record; 412 when it has moved on.</summary>
    public Task<CustomerStanding> SetStandingAsync(Guid id, SetStanding standing, long version, CancellationToken cancellation = default)
    {
        var call = VaultCall.Send(HttpMethod.Put, $"/v1/customers/{id}/standing", standing, repeatable: false);
        return _wire.AskAsync<CustomerStanding>(call with { IfMatch = $"\"{version.ToString(CultureInfo.InvariantCulture)}\"" }, cancellation);
    }

    /// <summary>Exact look-up over the blind indexes. Nothing is changed, so the call is repeated when the vault is busy.</summary>
    public Task<Found> SearchAsync(SearchCustomers search, CancellationToken cancellation = default) =>
        AskAsync<SearchCustomers, Found>("/v1/customers/search", search, cancellation);

    /// <summary>What is kept how long, and how the sweeps keep up with it.</summary>
    public Task<RetentionView> RetentionAsync(CancellationToken cancellation = default) => GetAsync<RetentionView>(new Query("/v1/retention"), cancellation);

    /// <summary>Asks for a sweep of what has been kept long enough, or for one that only counts.</summary>
    public Task<RetentionRunView> StartRetentionAsync(StartRetention run, CancellationToken cancellation = default) =>
        PostAsync<StartRetention, RetentionRunView>("/v1/retention/runs", run, null, cancellation);

    /// <summary>Sweeps, newest first.</summary>
    public Task<Page<RetentionRunView>> RetentionRunsAsync(int? limit = null, CancellationToken cancellation = default) =>
        GetAsync<Page<RetentionRunView>>(new Query("/v1/retention/runs").Page(limit, null), cancellation);

    /// <summary>One sweep and how far it is.</summary>
    public Task<RetentionRunView> RetentionRunAsync(Guid id, CancellationToken cancellation = default) => GetAsync<RetentionRunView>(new Query($"/v1/retention/runs/{id}"), cancellation);

    /// <summary>Versions and ages of the keys.</summary>
    public Task<KeysView> KeysAsync(CancellationToken cancellation = default) => GetAsync<KeysView>(new Query("/v1/keys"), cancellation);

    /// <summary>Begins the rotation of one level of keys.</summary>
    public Task<KeyRotationView> StartRotationAsync(StartRotation rotation, CancellationToken cancellation = default) =>
        PostAsync<StartRotation, KeyRotationView>("/v1/keys/rotations", rotation, null, cancellation);

    /// <summary>Rotations, newest first.</summary>
    public Task<Page<KeyRotationView>> RotationsAsync(int? limit = null, CancellationToken cancellation = default) =>
        GetAsync<Page<KeyRotationView>>(new Query("/v1/keys/rotations").Page(limit, null), cancellation);

    /// <summary>One rotation and how far it is.</summary>
    public Task<KeyRotationView> RotationAsync(Guid id, CancellationToken cancellation = default) => GetAsync<KeyRotationView>(new Query($"/v1/keys/rotations/{id}"), cancellation);

    /// <summary>Stops a rotation after the step at hand.</summary>
    public Task<KeyRotationView> PauseRotationAsync(Guid id, CancellationToken cancellation = default) =>
        PostAsync<object, KeyRotationView>($"/v1/keys/rotations/{id}/pause", new { }, null, cancellation);

    /// <summary>Goes on with a rotation that was paused or that failed.</summary>
    public Task<KeyRotationView> ResumeRotationAsync(Guid id, CancellationToken cancellation = default) =>
        PostAsync<object, KeyRotationView>($"/v1/keys/rotations/{id}/resume", new { }, null, cancellation);

    /// <summary>What the planner says of the blind indexes.</summary>
    public Task<IndexReportView> IndexesAsync(CancellationToken cancellation = default) => GetAsync<IndexReportView>(new Query("/v1/indexes"), cancellation);

    /// <summary>Up to 1,000 creates or reads with one result per item. Reads, and creates with an idempotency key, are repeated when the vault is busy.</summary>
    public Task<BatchResult> BatchAsync(CustomerBatch batch, string? idempotencyKey = null, CancellationToken cancellation = default)
    {
        var repeatable = idempotencyKey is not null || batch.Create is null;
        var call = VaultCall.Send(HttpMethod.Post, "/v1/customers/batch", batch, repeatable);
        return _wire.AskAsync<BatchResult>(call with { IdempotencyKey = idempotencyKey }, cancellation);
    }

    /// <summary>Who received what of this customer, newest first.</summary>
    public Task<Page<Access>> AccessesAsync(Guid id, int? limit = null, string? cursor = null, CancellationToken cancellation = default) =>
        GetAsync<Page<Access>>(new Query($"/v1/customers/{id}/accesses").Page(limit, cursor), cancellation);

    // ---- events ----------------------------------------------------------------------------------------------------

    /// <summary>Appends one event. With an event id, or an idempotency key, the call is repeated safely.</summary>
    public Task<EventWritten> AppendAsync(AppendEvent happening, string? idempotencyKey = null, CancellationToken cancellation = default)
    {
        var call = VaultCall.Send(HttpMethod.Post, "/v1/events", happening, happening.Id is not null || idempotencyKey is not null);
        return _wire.AskAsync<EventWritten>(call with { IdempotencyKey = idempotencyKey }, cancellation);
    }

    /// <summary>Appends up to 1,000 events. Repeated when the vault is busy if every event has an id (a second arrival is a duplicate).</summary>
    public Task<EventBatchResult> AppendManyAsync(EventBatch batch, CancellationToken cancellation = default) =>
        _wire.AskAsync<EventBatchResult>(
            VaultCall.Send(HttpMethod.Post, "/v1/events/batch", batch, batch.Events.All(e => e.Id is not null)), cancellation);

    /// <summary>Releases events of a customer for a purpose, newest first.</summary>
    public Task<ReleasedEvents> EventsAsync(
        Guid id, string purpose, IReadOnlyList<string>? types = null, int? limit = null, string? cursor = null, CancellationToken cancellation = default) =>
        GetAsync<ReleasedEvents>(
            new Query($"/v1/customers/{id}/events").Add("purpose", purpose).Add("types", types).Page(limit, cursor), cancellation);

    // ---- consents --------------------------------------------------------------------------------------------------

    /// <summary>The receipt of a consent act: JSON-LD, signed, with the proof that the log holds it. Without an entry, of the newest.</summary>
    public Task<string> ConsentReceiptAsync(Guid id, string purpose, long? entry = null, CancellationToken cancellation = default) =>
        ReceiptAsync($"/v1/customers/{id}/consents/{Uri.EscapeDataString(purpose)}/receipt", entry, cancellation);

    /// <summary>The same of the signed-in customer.</summary>
    public Task<string> MyConsentReceiptAsync(string purpose, long? entry = null, CancellationToken cancellation = default) =>
        ReceiptAsync($"/v1/me/consents/{Uri.EscapeDataString(purpose)}/receipt", entry, cancellation);

    /// <summary>What was true of a consent at an instant, with everything that shows it; now, when none is named.</summary>
    public Task<ConsentProof> ConsentProofAsync(Guid id, string purpose, DateTimeOffset? at = null, CancellationToken cancellation = default) =>
        GetAsync<ConsentProof>(new Query($"/v1/customers/{id}/consents/{Uri.EscapeDataString(purpose)}/proof").Add("at", Instant(at)), cancellation);

    /// <summary>How many people stand how to each purpose that rests on consent.</summary>
    public Task<ConsentFigures> ConsentFiguresAsync(CancellationToken cancellation = default) =>
        GetAsync<ConsentFigures>(new Query("/v1/consents/figures"), cancellation);

    /// <summary>Consents that end soon, those that end first coming first.</summary>
    public Task<Page<ConsentRenewal>> ConsentRenewalsAsync(string purpose, int? limit = null, string? cursor = null, CancellationToken cancellation = default) =>
        GetAsync<Page<ConsentRenewal>>(new Query("/v1/consents/renewals").Add("purpose", purpose).Page(limit, cursor), cancellation);

    private async Task<string> ReceiptAsync(string path, long? entry, CancellationToken cancellation)
    {
        var query = new Query(path).Add("entry", entry?.ToString(CultureInfo.InvariantCulture));
        using var response = await _wire.SendAsync(VaultCall.Get(query.ToString()) with { Accept = "application/ld+json, application/problem+json" }, cancellation);
        return await response.Content.ReadAsStringAsync(cancellation);
    }

    /// <summary>Consent states of a customer with their history.</summary>
    public Task<Consents> ConsentsAsync(Guid id, CancellationToken cancellation = default) =>
        GetAsync<Consents>(new Query($"/v1/customers/{id}/consents"), cancellation);

    /// <summary>Records a consent act; it is in force everywhere once the answer is here.</summary>
    public Task<ConsentWritten> SetConsentAsync(Guid id, string purpose, SetConsent consent, CancellationToken cancellation = default) =>
        _wire.AskAsync<ConsentWritten>(
            VaultCall.Send(HttpMethod.Put, $"/v1/customers/{id}/consents/{Uri.EscapeDataString(purpose)}", consent, repeatable: true), cancellation);

    // ---- rights ----------------------------------------------------------------------------------------------------

    /// <summary>Opens a request for a right. A customer leaves <see cref="OpenRequest.Customer"/> out.</summary>
    public Task<RightsRequest> OpenRequestAsync(OpenRequest request, string? idempotencyKey = null, CancellationToken cancellation = default) =>
        PostAsync<OpenRequest, RightsRequest>("/v1/requests", request, idempotencyKey, cancellation);

    /// <summary>One request.</summary>
    public Task<RightsRequest> RequestAsync(Guid id, CancellationToken cancellation = default) =>
        GetAsync<RightsRequest>(new Query($"/v1/requests/{id}"), cancellation);

    /// <summary>Requests, filtered by state, kind and customer.</summary>
    public Task<Page<RightsRequest>> RequestsAsync(
        string? state = null, string? kind = null, Guid? customer = null, int? limit = null, string? cursor = null, CancellationToken cancellation = default) =>
        GetAsync<Page<RightsRequest>>(
            new Query("/v1/requests").Add("state", state).Add("kind", kind).Add("customer", customer?.ToString()).Page(limit, cursor), cancellation);

    /// <summary>What was written down with a request, oldest first. Reading it is an entry of the log.</summary>
    public async Task<IReadOnlyList<RequestRemark>> RequestNotesAsync(Guid id, CancellationToken cancellation = default) =>
        (await GetAsync<Page<RequestRemark>>(new Query($"/v1/requests/{id}/notes"), cancellation)).Items;

    /// <summary>What was shown of the person's identity, for an officer, for a short time. Reading it is an entry of the log.</summary>
    public async Task<IReadOnlyList<RequestRemark>> RequestEvidenceAsync(Guid id, CancellationToken cancellation = default) =>
        (await GetAsync<Page<RequestRemark>>(new Query($"/v1/requests/{id}/evidence"), cancellation)).Items;

    /// <summary>Takes a request one step further.</summary>
    public Task<RightsRequest> DecideAsync(Guid id, RequestStep step, DecideRequest? decision = null, CancellationToken cancellation = default) =>
        PostAsync<DecideRequest, RightsRequest>($"/v1/requests/{id}/{Word(step)}", decision ?? new DecideRequest(), null, cancellation);

    /// <summary>The export of an access or portability request (zip). It can be fetched once; the caller disposes the stream.</summary>
    public async Task<Stream> PackageAsync(Guid id, CancellationToken cancellation = default)
    {
        var call = new VaultCall(HttpMethod.Get, $"/v1/requests/{id}/package", Repeatable: false) { Accept = "application/zip, application/problem+json" };
        var response = await _wire.SendAsync(call, cancellation);
        return await response.Content.ReadAsStreamAsync(cancellation);
    }

    /// <summary>The signed erasure certificate (a signed note, text).</summary>
    public async Task<string> CertificateAsync(Guid id, CancellationToken cancellation = default)
    {
        using var response = await _wire.SendAsync(Text($"/v1/requests/{id}/certificate"), cancellation);
        return response.Content.Headers.ContentType?.MediaType == "application/json"
            ? (await ProblemReader.ReadAnswerAsync<ErasureCertificate>(response, cancellation)).Certificate
            : await response.Content.ReadAsStringAsync(cancellation);
    }

    /// <summary>Places a legal hold.</summary>
    public Task<LegalHold> PlaceHoldAsync(PlaceHold hold, CancellationToken cancellation = default) => PostAsync<PlaceHold, LegalHold>("/v1/holds", hold, null, cancellation);

    /// <summary>Legal holds, newest first.</summary>
    public Task<Page<LegalHold>> HoldsAsync(
        string? state = null, bool overdue = false, Guid? customer = null, int? limit = null, string? cursor = null, CancellationToken cancellation = default) =>
        GetAsync<Page<LegalHold>>(
            new Query("/v1/holds").Add("state", state).Add("overdue", overdue ? "true" : null).Add("customer", customer?.ToString()).Page(limit, cursor), cancellation);

    /// <summary>One legal hold.</summary>
    public Task<LegalHold> HoldAsync(Guid id, CancellationToken cancellation = default) => GetAsync<LegalHold>(new Query($"/v1/holds/{id}"), cancellation);

    /// <summary>Ends a legal hold; erasures that waited for it go on by themselves.</summary>
    public Task<LegalHold> ReleaseHoldAsync(Guid id, string? reason = null, CancellationToken cancellation = default) =>
        PostAsync<ReleaseHold, LegalHold>($"/v1/holds/{id}/release", new ReleaseHold(reason), null, cancellation);

    // ---- the signed-in person --------------------------------------------------------------------------------------

    /// <summary>The applications of others that the signed-in person allowed something.</summary>
    public Task<IReadOnlyList<MyApplication>> MyApplicationsAsync(CancellationToken cancellation = default) => ListAsync<MyApplication>(new Query("/v1/me/applications"), cancellation);

    /// <summary>Takes back what the signed-in person allowed an application; its tokens end at once.</summary>
    public async Task WithdrawMyApplicationAsync(string client, CancellationToken cancellation = default) =>
        (await _wire.SendAsync(new VaultCall(HttpMethod.Delete, "/v1/me/applications/" + Uri.EscapeDataString(client), Repeatable: false), cancellation)).Dispose();

    /// <summary>Who the token's bearer is.</summary>
    public Task<Me> MeAsync(CancellationToken cancellation = default) => GetAsync<Me>(new Query("/v1/me"), cancellation);

    /// <summary>What is held of the signed-in customer.</summary>
    public Task<Disclosed> MyProfileAsync(bool provenance = false, CancellationToken cancellation = default) =>
        GetAsync<Disclosed>(new Query("/v1/me/profile").Add("provenance", provenance ? "true" : null), cancellation);

    /// <summary>Events of the signed-in customer, newest first.</summary>
    public Task<ReleasedEvents> MyEventsAsync(int? limit = null, string? cursor = null, CancellationToken cancellation = default) =>
        GetAsync<ReleasedEvents>(new Query("/v1/me/events").Page(limit, cursor), cancellation);

    /// <summary>Consents of the signed-in customer.</summary>
    public Task<Consents> MyConsentsAsync(CancellationToken cancellation = default) => GetAsync<Consents>(new Query("/v1/me/consents"), cancellation);

    /// <summary>Records a consent act of the signed-in customer.</summary>
    public Task<ConsentWritten> SetMyConsentAsync(string purpose, SetConsent consent, CancellationToken cancellation = default) =>
        _wire.AskAsync<ConsentWritten>(
            VaultCall.Send(HttpMethod.Put, $"/v1/me/consents/{Uri.EscapeDataString(purpose)}", consent, repeatable: true), cancellation);

    /// <summary>Who received what of the signed-in customer, newest first.</summary>
    public Task<Page<Access>> MyAccessesAsync(int? limit = null, string? cursor = null, CancellationToken cancellation = default) =>
        GetAsync<Page<Access>>(new Query("/v1/me/accesses").Page(limit, cursor), cancellation);

    /// <summary>Requests of the signed-in customer.</summary>
    public Task<Page<RightsRequest>> MyRequestsAsync(int? limit = null, string? cursor = null, CancellationToken cancellation = default) =>
        GetAsync<Page<RightsRequest>>(new Query("/v1/me/requests").Page(limit, cursor), cancellation);

    // ---- the transparency log --------------------------------------------------------------------------------------

    /// <summary>Log entries, newest first unless asked otherwise.</summary>
    public Task<Page<AuditEntryView>> AuditEntriesAsync(AuditFilter filter, CancellationToken cancellation = default) =>
        GetAsync<Page<AuditEntryView>>(
            new Query("/v1/audit/entries").Add("customer", filter.Customer?.ToString()).Add("actor", filter.Actor).Add("purpose", filter.Purpose)
                .Add("field", filter.Field).Add("type", filter.Type).Add("result", filter.Result)
                .Add("from", Instant(filter.From)).Add("to", Instant(filter.To)).Add("order", filter.OldestFirst ? "oldest" : null)
                .Page(filter.Limit, filter.Cursor), cancellation);

    /// <summary>What the vault holds as tags, versions and hashes, signed, to be compared with the log; the caller disposes the stream.</summary>
    public async Task<Stream> RecordsManifestAsync(CancellationToken cancellation = default)
    {
        var call = new VaultCall(HttpMethod.Get, "/v1/audit/records", Repeatable: false) { Accept = "text/plain, application/problem+json" };
        var response = await _wire.SendAsync(call, cancellation);
        return await response.Content.ReadAsStreamAsync(cancellation);
    }

    /// <summary>How many log entries match, by type, result, purpose, actor, field and day.</summary>
    public Task<AuditCountsView> CountAuditEntriesAsync(AuditQuestion question, CancellationToken cancellation = default) =>
        AskAsync<AuditQuestion, AuditCountsView>("/v1/audit/counts", question, cancellation);

    /// <summary>The record of processing activities, made from the policy in force and compared with the log.</summary>
    public Task<ProcessingRecordView> ProcessingRecordAsync(int? days = null, CancellationToken cancellation = default) =>
        GetAsync<ProcessingRecordView>(new Query("/v1/audit/processing").Add("days", days?.ToString(CultureInfo.InvariantCulture)), cancellation);

    /// <summary>All log entries that match, as a file; the caller disposes the stream.</summary>
    public Task<Stream> ExportAuditEntriesAsync(AuditQuestion question, CancellationToken cancellation = default) =>
        FileAsync("/v1/audit/export", question, cancellation);

    /// <summary>Whom and what a credential, an actor, a purpose or a stretch of time concerned.</summary>
    public Task<ImpactView> ImpactAsync(ImpactQuestion question, CancellationToken cancellation = default) =>
        AskAsync<ImpactQuestion, ImpactView>("/v1/audit/impact", question, cancellation);

    /// <summary>The people concerned, by tag, and with <see cref="ImpactQuestion.Resolve"/> by customer id.</summary>
    public Task<Page<ImpactPersonView>> ImpactPeopleAsync(ImpactQuestion question, CancellationToken cancellation = default) =>
        AskAsync<ImpactQuestion, Page<ImpactPersonView>>("/v1/audit/impact/people", question, cancellation);

    /// <summary>The people concerned as CSV; the caller disposes the stream.</summary>
    public Task<Stream> ExportImpactPeopleAsync(ImpactQuestion question, CancellationToken cancellation = default) =>
        FileAsync("/v1/audit/impact/export", question, cancellation);

    /// <summary>The inclusion proof of an entry, with the checkpoint that it leads to: of own acts, about oneself, or with <c>audit.read</c> any.</summary>
    public Task<InclusionProofView> ProofAsync(long index, CancellationToken cancellation = default) =>
        GetAsync<InclusionProofView>(new Query($"/v1/audit/entries/{index.ToString(CultureInfo.InvariantCulture)}/proof"), cancellation);

    /// <summary>The newest signed checkpoint (C2SP signed note).</summary>
    public async Task<string> CheckpointAsync(CancellationToken cancellation = default)
    {
        using var response = await _wire.SendAsync(Text("/audit/checkpoint"), cancellation);
        return await response.Content.ReadAsStringAsync(cancellation);
    }

    /// <summary>Every key that has signed the log, and for which trees each is accepted: one verifier key to a line.</summary>
    public async Task<string> LogKeysAsync(CancellationToken cancellation = default)
    {
        using var response = await _wire.SendAsync(Text("/audit/keys"), cancellation);
        return await response.Content.ReadAsStringAsync(cancellation);
    }

    /// <summary>The proof (C2SP tlog-proof) that a signing key was announced, under a checkpoint of the key before it.</summary>
    public async Task<string> KeyAnnouncementAsync(string keyId, CancellationToken cancellation = default)
    {
        using var response = await _wire.SendAsync(Text($"/audit/keys/{Uri.EscapeDataString(keyId)}/announcement"), cancellation);
        return await response.Content.ReadAsStringAsync(cancellation);
    }

    /// <summary>A tile or entry bundle by its C2SP tlog-tiles path, such as <c>0/x001/067</c>, or <c>entries/000.p/5</c>, which needs <c>audit.read</c>.</summary>
    public async Task<byte[]> TileAsync(string path, CancellationToken cancellation = default)
    {
        var call = VaultCall.Get($"/audit/tile/{path}") with { Accept = "application/octet-stream, application/problem+json" };
        using var response = await _wire.SendAsync(call, cancellation);
        return await response.Content.ReadAsByteArrayAsync(cancellation);
    }

    // ---- policy ----------------------------------------------------------------------------------------------------

    /// <summary>The policy in force.</summary>
    public Task<PolicyView> PolicyAsync(CancellationToken cancellation = default) => PolicyAsync(null, cancellation);

    /// <summary>The policy in force, with labels and titles in a language (BCP 47) as far as the policy has it.</summary>
    public Task<PolicyView> PolicyAsync(string? language, CancellationToken cancellation = default) => GetAsync<PolicyView>(new Query("/v1/policy").Add("language", language), cancellation);

    /// <summary>What the policy would decide, field by field, and by which rules.</summary>
    public Task<Explanation> ExplainAsync(ExplainRequest question, CancellationToken cancellation = default) =>
        AskAsync<ExplainRequest, Explanation>("/v1/policy/explain", question, cancellation);

    /// <summary>Every role and purpose that the policy lets see a field.</summary>
    public Task<Grants> WhoCanAsync(WhoCanRequest question, CancellationToken cancellation = default) =>
        AskAsync<WhoCanRequest, Grants>("/v1/policy/who-can", question, cancellation);

    /// <summary>Everything that the policy lets a role see.</summary>
    public Task<Grants> WhatCanAsync(WhatCanRequest question, CancellationToken cancellation = default) =>
        AskAsync<WhatCanRequest, Grants>("/v1/policy/what-can", question, cancellation);

    /// <summary>What the lint finds of the version in force, and roles that nobody has.</summary>
    public Task<PolicyFindings> PolicyFindingsAsync(CancellationToken cancellation = default) => GetAsync<PolicyFindings>(new Query("/v1/policy/findings"), cancellation);

    /// <summary>Every combination that one version of the policy releases and another does not, page by page.</summary>
    public Task<DiffView> DiffPoliciesAsync(DiffRequest question, CancellationToken cancellation = default) =>
        AskAsync<DiffRequest, DiffView>("/v1/policy/diff", question, cancellation);

    /// <summary>Recorded decisions under a draft: which would come out otherwise, about how many people.</summary>
    public Task<ReplayView> ReplayPolicyAsync(ReplayRequest question, CancellationToken cancellation = default) =>
        AskAsync<ReplayRequest, ReplayView>("/v1/policy/replay", question, cancellation);

    /// <summary>Activations of policy versions, newest first.</summary>
    public Task<Page<PolicyVersionView>> PolicyVersionsAsync(int limit = 50, string? cursor = null, CancellationToken cancellation = default) =>
        GetAsync<Page<PolicyVersionView>>(new Query("/v1/policy/versions").Page(limit, cursor), cancellation);

    /// <summary>A version of the policy with its files.</summary>
    public Task<PolicyVersionFiles> PolicyVersionAsync(string version, CancellationToken cancellation = default) =>
        GetAsync<PolicyVersionFiles>(new Query("/v1/policy/versions/" + Uri.EscapeDataString(version)), cancellation);

    /// <summary>Puts a version of the policy in force, or says what would come of it. A refusal is a problem whose errors name file and line.</summary>
    public Task<ActivationView> ActivatePolicyAsync(ActivatePolicy proposal, CancellationToken cancellation = default) =>
        PostAsync<ActivatePolicy, ActivationView>("/v1/policy/activations", proposal, null, cancellation);

    // ---- analytics -------------------------------------------------------------------------------------------------

    /// <summary>The pseudonym domains that the caller may query.</summary>
    public Task<IReadOnlyList<DomainView>> DomainsAsync(CancellationToken cancellation = default) =>
        ListAsync<DomainView>(new Query("/v1/analytics/domains"), cancellation);

    /// <summary>How many people by one or two dimensions; cells below the minimum cohort are suppressed.</summary>
    public Task<Segments> SegmentsAsync(string domain, IReadOnlyList<string> by, CancellationToken cancellation = default) =>
        GetAsync<Segments>(new Query("/v1/analytics/segments").Add("domain", domain).Add("by", by), cancellation);

    /// <summary>A measure (<c>purchases</c>, <c>revenue</c>, <c>interactions</c>) over time; points of too small cohorts are null.</summary>
    public Task<Series> SeriesAsync(string domain, string measure, string by = "month", CancellationToken cancellation = default) =>
        GetAsync<Series>(new Query("/v1/analytics/series").Add("domain", domain).Add("measure", measure).Add("by", by), cancellation);

    // ---- administration --------------------------------------------------------------------------------------------

    /// <summary>How the vault does.</summary>
    public Task<VaultStatus> StatusAsync(CancellationToken cancellation = default) => GetAsync<VaultStatus>(new Query("/v1/status"), cancellation);

    /// <summary>The registered applications.</summary>
    public Task<IReadOnlyList<ClientView>> ClientsAsync(CancellationToken cancellation = default) =>
        ListAsync<ClientView>(new Query("/v1/clients"), cancellation);

    /// <summary>Makes an account for a person; the answer holds its one-time password, this once.</summary>
    public Task<AccountCreated> CreateAccountAsync(CreateAccount account, CancellationToken cancellation = default) =>
        PostAsync<CreateAccount, AccountCreated>("/v1/accounts", account, null, cancellation);

    /// <summary>Sends a customer the way to an account of their own, to the e-mail address that is held of them.</summary>
    public Task<CustomerInvited> InviteCustomerAsync(Guid customer, CancellationToken cancellation = default) =>
        PostAsync<InviteCustomer, CustomerInvited>("/v1/accounts/invitations", new InviteCustomer(customer), null, cancellation);

    /// <summary>Has a customer's lost second factor taken away in some days, unless its owner stops it.</summary>
    public Task<AccountRecovery> BeginRecoveryAsync(BeginRecovery recovery, CancellationToken cancellation = default) =>
        PostAsync<BeginRecovery, AccountRecovery>("/v1/accounts/recoveries", recovery, null, cancellation);

    /// <summary>Second factors that are to be taken away, the next first.</summary>
    public Task<IReadOnlyList<AccountRecovery>> RecoveriesAsync(CancellationToken cancellation = default) => ListAsync<AccountRecovery>(new Query("/v1/accounts/recoveries"), cancellation);

    /// <summary>Leaves a second factor where it is.</summary>
    public async Task StopRecoveryAsync(Guid id, CancellationToken cancellation = default) =>
        (await _wire.SendAsync(new VaultCall(HttpMethod.Post, $"/v1/accounts/recoveries/{id:D}/stop", Repeatable: false), cancellation)).Dispose();

    /// <summary>Says that a subject of an outside identity provider is a customer; the answer is what the log calls the person.</summary>
    public Task<OutsideAccountLinked> LinkOutsideAccountAsync(LinkOutsideAccount link, CancellationToken cancellation = default) =>
        PostAsync<LinkOutsideAccount, OutsideAccountLinked>("/v1/outside-accounts", link, null, cancellation);

    /// <summary>Ends every link of a customer to outside identity providers, and the tokens that were accepted by one.</summary>
    public async Task UnlinkOutsideAccountAsync(Guid customer, CancellationToken cancellation = default) =>
        (await _wire.SendAsync(new VaultCall(HttpMethod.Delete, $"/v1/outside-accounts/{customer:D}", Repeatable: false), cancellation)).Dispose();

    /// <summary>The accounts of the staff.</summary>
    public Task<IReadOnlyList<StaffAccount>> AccountsAsync(CancellationToken cancellation = default) => ListAsync<StaffAccount>(new Query("/v1/accounts"), cancellation);

    /// <summary>The account of the staff that has this address.</summary>
    public Task<StaffAccount> FindAccountAsync(string email, CancellationToken cancellation = default) =>
        PostAsync<FindAccount, StaffAccount>("/v1/accounts/find", new FindAccount(email), null, cancellation);

    /// <summary>Does something with an account: <c>password-reset</c>, <c>second-factor-reset</c>, <c>disable</c>, <c>enable</c> or <c>sign-out</c>.</summary>
    public Task<AccountActed> ActOnAccountAsync(Guid id, string act, CancellationToken cancellation = default) =>
        PostAsync<object, AccountActed>($"/v1/accounts/{id:D}/{Uri.EscapeDataString(act)}", new { }, null, cancellation);

    /// <summary>True when the vault can serve (database, keys, log and policy at hand).</summary>
    public async Task<bool> IsReadyAsync(CancellationToken cancellation = default)
    {
        try
        {
            using var response = await _wire.SendAsync(new VaultCall(HttpMethod.Get, "/health/ready", Repeatable: false), cancellation);
            return true;
        }
        catch (VaultProblemException e) when (e.IsTransient)
        {
            return false;
        }
    }

    private static VaultCall Text(string path) => VaultCall.Get(path) with { Accept = "text/plain, application/json;q=0.5, application/problem+json" };

    private static string? Instant(DateTimeOffset? at) => at?.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture);

    private static string Word(RequestStep step) => step switch
    {
        RequestStep.Verify => "verify",
        RequestStep.Extend => "extend",
        RequestStep.Approve => "approve",
        RequestStep.Refuse => "refuse",
        RequestStep.Complete => "complete",
        RequestStep.EraseDamaged => "erase-damaged",
        RequestStep.Acknowledge => "acknowledge",
        RequestStep.Ask => "ask",
        RequestStep.Answer => "answer",
        RequestStep.Choose => "choose",
        RequestStep.Withdraw => "withdraw",
        _ => throw new ArgumentOutOfRangeException(nameof(step)),
    };

    private Task<T> GetAsync<T>(Query query, CancellationToken cancellation) => _wire.AskAsync<T>(VaultCall.Get(query.ToString()), cancellation);

    private Task<TAnswer> PostAsync<TBody, TAnswer>(string path, TBody body, string? idempotencyKey, CancellationToken cancellation)
    {
        var call = VaultCall.Send(HttpMethod.Post, path, body, repeatable: idempotencyKey is not null);
        return _wire.AskAsync<TAnswer>(call with { IdempotencyKey = idempotencyKey }, cancellation);
    }

    // Questions asked by POST so that no personal data stands in a URL; they change nothing.
    private Task<TAnswer> AskAsync<TBody, TAnswer>(string path, TBody question, CancellationToken cancellation) =>
        _wire.AskAsync<TAnswer>(VaultCall.Send(HttpMethod.Post, path, question, repeatable: true), cancellation);

    // Short lists come as one page.
    private async Task<Stream> FileAsync<TBody>(string path, TBody question, CancellationToken cancellation)
    {
        var call = VaultCall.Send(HttpMethod.Post, path, question, repeatable: false) with { Accept = "text/csv, application/x-ndjson, application/problem+json" };
        var response = await _wire.SendAsync(call, cancellation);
        return await response.Content.ReadAsStreamAsync(cancellation);
    }

    private async Task<IReadOnlyList<T>> ListAsync<T>(Query query, CancellationToken cancellation)
    {
        var answer = await GetAsync<JsonElement>(query, cancellation);
        var items = answer.ValueKind == JsonValueKind.Array ? answer : answer.GetProperty("items");
        return items.Deserialize<List<T>>(VaultJson.Answers) ?? [];
    }
}
