using System.Text.Json;
using System.Text.Json.Serialization;

namespace DataVault.Client.Wire;

/// <summary>Body of <c>POST /v1/opendsr/requests</c> (OpenDSR 2.0). Its text holds identities: it is for nobody's log.</summary>
/// <param name="SubjectRequestId">Made by the controller: UUID of version 4 in lower-case letters.</param>
/// <param name="SubjectRequestType"><c>access</c>, <c>portability</c> or <c>erasure</c>.</param>
/// <param name="SubmittedTime">When the person asked, as RFC 3339 writes it.</param>
/// <param name="SubjectIdentities">Whom it is about.</param>
/// <param name="Regulation"><c>gdpr</c> or <c>ccpa</c>.</param>
/// <param name="ApiVersion">Version of the specification.</param>
/// <param name="StatusCallbackUrls">Where to tell of every change.</param>
/// <param name="Extensions">By domain.</param>
public sealed record OpenDsrRequest(
    [property: JsonPropertyName("subject_request_id")] string SubjectRequestId,
    [property: JsonPropertyName("subject_request_type")] string SubjectRequestType,
    [property: JsonPropertyName("submitted_time")] string SubmittedTime,
    [property: JsonPropertyName("subject_identities")] IReadOnlyList<OpenDsrSubjectIdentity> SubjectIdentities,
    [property: JsonPropertyName("regulation")] string? Regulation = null,
    [property: JsonPropertyName("api_version")] string? ApiVersion = null,
    [property: JsonPropertyName("status_callback_urls")] IReadOnlyList<string>? StatusCallbackUrls = null,
    [property: JsonPropertyName("extensions")] IReadOnlyDictionary<string, JsonElement>? Extensions = null)
{
    /// <summary>Without identities.</summary>
    public override string ToString() => $"{SubjectRequestType} {SubjectRequestId}";
}

/// <summary>One way in which the controller knows the person.</summary>
/// <param name="IdentityType">Such as <c>email</c>; discovery says which are known.</param>
/// <param name="IdentityValue">Personal data.</param>
/// <param name="IdentityFormat"><c>raw</c>.</param>
public sealed record OpenDsrSubjectIdentity(
    [property: JsonPropertyName("identity_type")] string IdentityType,
    [property: JsonPropertyName("identity_value")] string IdentityValue,
    [property: JsonPropertyName("identity_format")] string IdentityFormat = "raw")
{
    /// <summary>Without the value.</summary>
    public override string ToString() => IdentityType;
}

/// <summary>Answer to a request. Controllers must not log or store <paramref name="EncodedRequest"/>.</summary>
/// <param name="ControllerId">Who sent it.</param>
/// <param name="ExpectedCompletionTime">When it will be done at the latest.</param>
/// <param name="ReceivedTime">When it came in.</param>
/// <param name="EncodedRequest">Base64 of exactly what was sent.</param>
/// <param name="SubjectRequestId">The controller's number.</param>
/// <param name="ApiVersion">Version of the specification.</param>
public sealed record OpenDsrReceipt(
    [property: JsonPropertyName("controller_id")] string ControllerId,
    [property: JsonPropertyName("expected_completion_time")] string ExpectedCompletionTime,
    [property: JsonPropertyName("received_time")] string ReceivedTime,
    [property: JsonPropertyName("encoded_request")] string EncodedRequest,
    [property: JsonPropertyName("subject_request_id")] string SubjectRequestId,
    [property: JsonPropertyName("api_version")] string? ApiVersion = null)
{
    /// <summary>Without the request.</summary>
    public override string ToString() => SubjectRequestId;
}

/// <summary>How a request stands: the answer to a question, and the body of a callback.</summary>
/// <param name="ControllerId">Who sent it.</param>
/// <param name="ExpectedCompletionTime">When it will be done at the latest.</param>
/// <param name="SubjectRequestId">The controller's number.</param>
/// <param name="RequestStatus"><c>pending</c>, <c>in_progress</c>, <c>completed</c> or <c>cancelled</c>.</param>
/// <param name="ApiVersion">Version of the specification.</param>
/// <param name="StatusCallbackUrl">Of a callback, where it was sent.</param>
/// <param name="ResultsUrl">Where the results are fetched, once, with the controller's token.</param>
/// <param name="ResultsCount">Of a completed request.</param>
/// <param name="Extensions">By domain: <c>outcome</c> and <c>reason</c> of a refusal, callbacks that have not arrived.</param>
public sealed record OpenDsrStatus(
    [property: JsonPropertyName("controller_id")] string ControllerId,
    [property: JsonPropertyName("expected_completion_time")] string ExpectedCompletionTime,
    [property: JsonPropertyName("subject_request_id")] string SubjectRequestId,
    [property: JsonPropertyName("request_status")] string RequestStatus,
    [property: JsonPropertyName("api_version")] string? ApiVersion = null,
    [property: JsonPropertyName("status_callback_url")] string? StatusCallbackUrl = null,
    [property: JsonPropertyName("results_url")] string? ResultsUrl = null,
    [property: JsonPropertyName("results_count")] int? ResultsCount = null,
    [property: JsonPropertyName("extensions")] IReadOnlyDictionary<string, JsonElement>? Extensions = null);

/// <summary>Answer to the cancellation of a request.</summary>
/// <param name="ControllerId">Who sent it.</param>
/// <param name="ReceivedTime">When the cancellation came in.</param>
/// <param name="SubjectRequestId">The controller's number.</param>
/// <param name="ApiVersion">Version of the specification.</param>
public sealed record OpenDsrCancellation(
    [property: JsonPropertyName("controller_id")] string ControllerId,
    [property: JsonPropertyName("received_time")] string ReceivedTime,
    [property: JsonPropertyName("subject_request_id")] string SubjectRequestId,
    [property: JsonPropertyName("api_version")] string? ApiVersion = null);

/// <summary>What the processor supports.</summary>
/// <param name="ApiVersion">Version of the specification.</param>
/// <param name="SupportedIdentities">Types and formats.</param>
/// <param name="SupportedSubjectRequestTypes">Which rights.</param>
/// <param name="ProcessorCertificate">Where the certificate is that answers and callbacks are verified with.</param>
public sealed record OpenDsrDiscovery(
    [property: JsonPropertyName("api_version")] string ApiVersion,
    [property: JsonPropertyName("supported_identities")] IReadOnlyList<OpenDsrIdentityType> SupportedIdentities,
    [property: JsonPropertyName("supported_subject_request_types")] IReadOnlyList<string> SupportedSubjectRequestTypes,
    [property: JsonPropertyName("processor_certificate")] string ProcessorCertificate);

/// <summary>A type of identity that requests may use.</summary>
/// <param name="IdentityType">Such as <c>email</c>.</param>
/// <param name="IdentityFormat">Such as <c>raw</c>.</param>
public sealed record OpenDsrIdentityType(
    [property: JsonPropertyName("identity_type")] string IdentityType, [property: JsonPropertyName("identity_format")] string IdentityFormat);

/// <summary>Body of <c>PUT /v1/opendsr/controllers/{client}</c>.</summary>
/// <param name="CallbackHosts">Hosts where this controller may be called back, with a port where it is not 443.</param>
public sealed record RegisterOpenDsrController(IReadOnlyList<string> CallbackHosts);

/// <summary>Where a controller may be called back.</summary>
/// <param name="Client">Its client id.</param>
/// <param name="CallbackHosts">Hosts, with a port where it is not 443.</param>
/// <param name="RegisteredAt">Since when.</param>
public sealed record OpenDsrControllerView(string Client, IReadOnlyList<string> CallbackHosts, DateTimeOffset RegisteredAt);
