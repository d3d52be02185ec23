using System.Security.Cryptography;
using DataVault.Vault;

namespace DataVault.Server.Http;

/// <summary>
/// An answer that hides whether somebody is a customer leaves when its slot ends, and not when it was found: how long the vault looked would tell, since of
/// whoever is there a key may be cached and of nobody there is none. A slot is longer than what such an answer takes on a vault that is not overloaded; what takes longer leaves at the end of a
/// later one.
/// </summary>
/// <remarks>
/// INVARIANT: the wait depends on how long the call has taken and on chance, on nothing else. Timers run in whole milliseconds, so a wait that only filled up the slot would hand on the fraction of
/// the time taken; the spread, drawn evenly over some milliseconds, covers it.
/// </remarks>
internal sealed class EvenRefusals(TimeProvider clock)
{
    public static readonly TimeSpan Slot = TimeSpan.FromMilliseconds(10);
    public static readonly TimeSpan Spread = TimeSpan.FromMilliseconds(4);

    private static readonly object Began = new();

    /// <summary>Inside of what writes problems, around everything else. The slots count from here.</summary>
    public async Task HandleAsync(HttpContext context, RequestDelegate next)
    {
        context.Items[Began] = clock.GetTimestamp();
        try
        {
            await next(context);
        }
        catch (VaultException refusal) when (refusal.Slug is "not-found" or "forbidden")
        {
            await HoldAsync(context);
            throw;
        }
    }

    /// <summary>Waits out the slot, before an answer with somebody hidden in it is begun.</summary>
    public static Task HoldAsync(HttpContext context) => context.RequestServices.GetRequiredService<EvenRefusals>().WaitAsync((long)context.Items[Began]!, context.RequestAborted);

    private async Task WaitAsync(long began, CancellationToken ct)
    {
        var taken = clock.GetElapsedTime(began);
        var end = Slot * (1 + Math.Floor(taken / Slot)) + TimeSpan.FromTicks(RandomNumberGenerator.GetInt32((int)Spread.Ticks));
        await Task.Delay(end - taken, clock, ct);
    }
}
