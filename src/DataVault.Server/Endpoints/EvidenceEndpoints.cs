using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>Packs of evidence for an authority.</summary>
internal static class EvidenceEndpoints
{
    private const int StandardDays = 90;

    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/v1/evidence-packs", MakeAsync).Takes<AskEvidence>().Produces(200, contentType: "application/zip").TakesLong().As(
        new("makeEvidencePack", "evidence", "A signed pack of evidence for an authority, verifiable without the vault (BagIt zip)")
        {
            Description = "Record of processing, measures, register of requests of 24 months, register of breaches, consents asked for, and proofs of every entry named. It is kept nowhere; making it is an entry of the log.",
            RequestExample = JsonNode.Parse("""{ "days": 90, "purpose": "marketing" }"""),
            Problems = ["not-found", "unknown-purpose"],
        },
        AccessRule.With(Capabilities.EvidenceExport).WithFreshSignIn());

    private static async Task MakeAsync(HttpContext context, EvidencePacks packs, ServerSettings settings, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<AskEvidence>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        var order = new EvidenceOrder
        {
            Days = body.Days ?? StandardDays, Subject = body.Customer is { } customer ? new SubjectId(customer) : null, Purpose = body.Purpose is { } purpose ? call.Purpose(purpose) : null, Entries = body.Entries ?? [],
        };
        await using var pack = await packs.MakeAsync(call.Caller, order, new Uri(settings.Address + "/console/me/consents"), call.RequestId, call.Cancellation);
        context.Response.ContentType = "application/zip";
        context.Response.Headers.ContentDisposition = $"attachment; filename=\"evidence-{call.RequestId:D}.zip\"";
        await pack.CopyToAsync(context.Response.Body, call.Cancellation);
    }
}
