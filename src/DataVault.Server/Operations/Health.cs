using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using DataVault.Server.Http;
using DataVault.Vault;
using Npgsql;

namespace DataVault.Server.Operations;

/// <summary>Whether the process lives, and whether it can serve. Says names of parts and nothing else.</summary>
internal sealed class Health(
    [FromKeyedServices("vault")] NpgsqlDataSource vault,
    [FromKeyedServices("keys")] NpgsqlDataSource keys,
    AuditReader log,
    ServerSettings settings,
    ActivePolicy policy,
    TimeProvider clock)
{
    private const long LeastFreeBytes = 256L * 1024 * 1024;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Freshness = TimeSpan.FromSeconds(1);
    private readonly ConcurrentDictionary<string, (DateTimeOffset At, string State)> _states = new();

    public const string Good = "ok";

    /// <summary>False while a first start is still filling the vault.</summary>
    public bool IsFilled { get; set; }

    /// <summary>Every part and its state: <c>ok</c> or what is wrong, without details.</summary>
    public async Task<IReadOnlyDictionary<string, string>> CheckAsync(CancellationToken cancellation) => new SortedDictionary<string, string>
    {
        ["database"] = await RecentAsync("database", c => AnswersAsync(vault, c), cancellation),
        ["keys"] = await RecentAsync("keys", c => AnswersAsync(keys, c), cancellation),
        ["log"] = log.SignerRefusal is null ? Good : "not signed",
        ["policy"] = policy.IsRefusing ? "cannot be loaded" : Good,
        ["start"] = IsFilled ? Good : "filling",
        ["disk"] = FreeBytes() >= LeastFreeBytes ? Good : "nearly full",
    };

    public async Task AnswerReadyAsync(HttpContext context)
    {
        var parts = await CheckAsync(context.RequestAborted);
        var ready = parts.Values.All(state => state == Good);
        var body = new JsonObject(parts.Select(p => KeyValuePair.Create(p.Key, (JsonNode?)p.Value)));
        context.Response.Headers.CacheControl = "no-store";
        await Answer.JsonAsync(context, new JsonObject { ["status"] = ready ? "ready" : "not ready", ["parts"] = body }, ready ? 200 : 503);
    }

    public static Task AnswerLiveAsync(HttpContext context)
    {
        context.Response.Headers.CacheControl = "no-store";
        return Answer.JsonAsync(context, new JsonObject { ["status"] = "live" });
    }

    // Callers of a health page must not be able to load the database.
    private async Task<string> RecentAsync(string part, Func<CancellationToken, Task<string>> check, CancellationToken cancellation)
    {
        var now = clock.GetUtcNow();
        if (_states.TryGetValue(part, out var known) && now - known.At < Freshness)
            return known.State;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Patience);
        var state = await check(limit.Token);
        _states[part] = (now, state);
        return state;
    }

    private static async Task<string> AnswersAsync(NpgsqlDataSource source, CancellationToken cancellation)
    {
        try
        {
            await using var command = source.CreateCommand("SELECT 1");
            await command.ExecuteScalarAsync(cancellation);
            return Good;
        }
        catch (Exception e) when (e is NpgsqlException or OperationCanceledException or TimeoutException)
        {
            return "away";
        }
    }

    // A folder that is gone, or a disk that is not mounted, has no room.
    private long FreeBytes()
    {
        try
        {
            return new DriveInfo(settings.Home).AvailableFreeSpace;
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
