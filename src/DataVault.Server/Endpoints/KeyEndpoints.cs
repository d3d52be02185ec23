using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Server.Http;
using DataVault.Transparency;
using DataVault.Vault;
using DataVault.Vault.Keys;

namespace DataVault.Server.Endpoints;

/// <summary>How old the keys are, and their rotation. No key leaves, and none comes in.</summary>
internal static class KeyEndpoints
{
    private const string Tag = "administration";
    private const int LargestPage = 200;
    private static readonly AccessRule Read = AccessRule.With("keys.read");
    private static readonly AccessRule Manage = AccessRule.With("keys.manage").WithFreshSignIn();

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/keys", StatusAsync).Gives<KeysView>().As(new("getKeys", Tag, "Versions and ages of the keys, what is due, and which backups still open"), Read);
        routes.MapPost("/v1/keys/rotations", StartAsync).Takes<StartRotation>().Gives<KeyRotationView>(202).As(
            new("startRotation", Tag, "Rotate one level of keys, in the background")
            {
                Description = "Everything stays readable and writable meanwhile. The root key is rotated to the one that is configured, while the former is configured beside it.",
                RequestExample = JsonNode.Parse("""{ "level": "vault" }"""),
                Problems = ["invalid-state"],
            },
            Manage);
        routes.MapGet("/v1/keys/rotations", ListAsync).Gives<Page<KeyRotationView>>().As(
            new("listRotations", Tag, "Rotations, newest first") { Query = [QueryParameter.Limit] }, Read);
        routes.MapGet("/v1/keys/rotations/{id}", GetAsync).Gives<KeyRotationView>().As(new("getRotation", Tag, "One rotation and how far it is") { Problems = ["not-found"] }, Read);
        routes.MapPost("/v1/keys/rotations/{id}/pause", PauseAsync).Gives<KeyRotationView>().As(
            new("pauseRotation", Tag, "Stop a rotation after the step at hand") { Problems = ["not-found", "invalid-state"] }, Manage);
        routes.MapPost("/v1/keys/rotations/{id}/resume", ResumeAsync).Gives<KeyRotationView>().As(
            new("resumeRotation", Tag, "Go on with a rotation that was paused or that failed") { Problems = ["not-found", "invalid-state"] }, Manage);
    }

    private static async Task StatusAsync(HttpContext context, KeyAdministration keys, BackupHistory backups, AuditTrail trail)
    {
        await LookAsync(context, trail);
        var state = await keys.StatusAsync(context.RequestAborted);
        var made = (await backups.LookAsync(context.RequestAborted)).Backups;
        await Answer.JsonAsync(context, new KeysView(
            state.RootKey, state.FormerRootKeys, state.CurrentEpoch, state.EpochsAlive, state.OldestUsableBackup,
            [.. state.Levels.Select(l => new KeyLevelView(l.Level, l.Version, l.Count, l.Since, l.DueAt, l.IsDue))], [.. state.Running.Select(View)])
        {
            Backups = [.. made.Select(one => new BackupView(BackupFacts.NameOf(one.Part), one.At, one.IsDue))],
            Damage = state.Damage is { IsAny: true } found ? new KeyDamageView(found.Pages, found.People, found.IndexKeys, found.Epochs, found.LostFrom) : null,
        });
    }

    private static async Task StartAsync(HttpContext context, KeyAdministration keys)
    {
        var body = await RequestBody.ReadAsync<StartRotation>(context, RequestBody.Small);
        var rotation = await keys.StartAsync(Caller.Of(context), body.Level, body.Index, context.RequestAborted);
        await Answer.JsonAsync(context, View(rotation), StatusCodes.Status202Accepted);
    }

    private static async Task ListAsync(HttpContext context, KeyAdministration keys, AuditTrail trail)
    {
        var limit = QueryReader.Of(context, "limit").Limit(50, LargestPage);
        await LookAsync(context, trail);
        await Answer.JsonAsync(context, new Page<KeyRotationView>([.. (await keys.ListAsync(limit, context.RequestAborted)).Select(View)], null));
    }

    private static async Task GetAsync(HttpContext context, Guid id, KeyAdministration keys, AuditTrail trail)
    {
        await LookAsync(context, trail);
        await Answer.JsonAsync(context, View(await keys.GetAsync(id, context.RequestAborted)));
    }

    private static async Task PauseAsync(HttpContext context, Guid id, KeyAdministration keys) =>
        await Answer.JsonAsync(context, View(await keys.PauseAsync(Caller.Of(context), id, context.RequestAborted)));

    private static async Task ResumeAsync(HttpContext context, Guid id, KeyAdministration keys) =>
        await Answer.JsonAsync(context, View(await keys.ResumeAsync(Caller.Of(context), id, context.RequestAborted)));

    private static Task<long> LookAsync(HttpContext context, AuditTrail trail) =>
        trail.RecordAsync(EntryType.StatusRead, Caller.Of(context), "", EntryResult.Ok, null, null, context.RequestAborted);

    private static KeyRotationView View(RotationView r) => new(r.Id, r.Level, r.State, r.Target, r.Done, r.Total, r.StartedAt, r.UpdatedAt, r.FinishedAt, r.Error)
    {
        RetryAt = r.RetryAt,
    };
}
