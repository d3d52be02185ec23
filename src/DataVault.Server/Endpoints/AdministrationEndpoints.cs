using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Issuer;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Server.Operations;
using DataVault.Transparency;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>What administrators do beside the registration of applications: invite people, watch the vault. None of it reads a customer.</summary>
internal static class AdministrationEndpoints
{
    private const string Tag = "administration";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/status", StatusAsync).Gives<VaultStatus>().As(
            new("getStatus", Tag, "How the vault does, without personal data"), AccessRule.With("status.read"));
    }

    private static async Task StatusAsync(HttpContext context, StatusReport report, AuditTrail trail)
    {
        await trail.RecordAsync(EntryType.StatusRead, Caller.Of(context), "", EntryResult.Ok, null, null, context.RequestAborted);
        await Answer.JsonAsync(context, await report.MakeAsync(context.RequestAborted));
    }
}
