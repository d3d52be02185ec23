using System.Net;
using System.Net.Sockets;
using DataVault.Issuer;
using DataVault.Issuer.Accounts;

namespace DataVault.Server.Http;

/// <summary>
/// Slows down who tries many secrets from one place, whatever accounts and clients they try: failures are counted by network (24 bits of an IPv4 address, 64 of an
/// IPv6 one), and a network that has used up its room waits, twice as long each time. Lock-outs by account (the issuer's own) do not see somebody who tries one password
/// at each of a million accounts. Counts are of this process, in bounded memory.
/// </summary>
/// <remarks>
/// INVARIANT: it holds up what fails, and nobody who proves who they are. Secrets, keys and refresh tokens are cheap to check, so they are checked first; a password is
/// slow to check, so a browser that is not known (<see cref="KnownBrowsers"/>) waits before it; ending a session or a token never waits. Failures of applications
/// are counted apart from those of people, and those in a known browser apart from its network's.
/// </remarks>
internal sealed class SignInBrake(LimitOptions options, TimeProvider clock)
{
    public static readonly TimeSpan Window = TimeSpan.FromMinutes(10);
    public static readonly TimeSpan FirstWait = TimeSpan.FromSeconds(30);
    public static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(15);

    private const int Generation = 10_000;
    private const int AttackShare = 10;
    private const string Applications = "applications ";
    private const string Known = "account ";
    private static readonly string[] Guarded = ["/account/login", "/account/factor", "/account/password", "/account/passkey"];

    private readonly Lock gate = new();
    private Dictionary<string, Count> young = [];
    private Dictionary<string, Count> old = [];
    private (int Failures, DateTimeOffset Since) overall;

    /// <summary>How many places are remembered.</summary>
    public int Remembered
    {
        get
        {
            lock (gate)
                return young.Count + old.Count;
        }
    }

    /// <summary>Refuses a password or a second factor from where somebody has to wait, before it is hashed.</summary>
    public async Task GuardAsync(HttpContext context, RequestDelegate next)
    {
        if (HttpMethods.IsPost(context.Request.Method) && Guarded.Any(path => context.Request.Path.StartsWithSegments(path)) && WaitOf(PlaceOf(context, Realm.Customer)) is { } wait)
            await Problems.WriteAsync(context, "rate-limited", retryAfter: wait);
        else
            await next(context);
    }

    /// <summary>What a failure is counted for.</summary>
    public static string PlaceOf(HttpContext context, Realm realm)
    {
        var network = NetworkOf(context.Connection.RemoteIpAddress);
        if (realm == Realm.Application) return Applications + network;
        return context.RequestServices.GetRequiredService<KnownBrowsers>().AccountOf(context) is { } account ? Known + account.ToString("N") : network;
    }

    /// <summary>How long a place has yet to wait; null when it need not.</summary>
    public TimeSpan? WaitOf(string place)
    {
        lock (gate)
            return Find(place) is { } count && count.Until > clock.GetUtcNow() ? count.Until - clock.GetUtcNow() : null;
    }

    /// <summary>Counts a failure. True when it is the one after which the place has to wait.</summary>
    public bool Failed(string place)
    {
        var now = clock.GetUtcNow();
        lock (gate)
        {
            overall = now - overall.Since > Window ? (1, now) : (overall.Failures + 1, overall.Since);
            var scarce = overall.Failures > options.FailedSignInsOverall && !place.StartsWith(Known, StringComparison.Ordinal);
            var room = Math.Max(1, scarce ? options.FailedSignIns / AttackShare : options.FailedSignIns);
            var count = Find(place) is { } found && (now - found.Since <= Window || now - found.Until <= Window) ? found : new Count(0, now, DateTimeOffset.MinValue, 0);
            count = count with { Failures = count.Failures + 1 };
            var full = count.Failures >= room;
            // A fifth of the room is left after a wait.
            if (full) count = new Count(room - Math.Max(1, room / 5), now, now + Wait(count.Waits), count.Waits + 1);
            Keep(place, count);
            return full;
        }
    }

    public static string NetworkOf(IPAddress? from)
    {
        if (from is null) return "";
        var address = from.IsIPv4MappedToIPv6 ? from.MapToIPv4() : from;
        return Convert.ToHexString(address.GetAddressBytes().AsSpan(0, address.AddressFamily == AddressFamily.InterNetwork ? 3 : 8));
    }

    private static TimeSpan Wait(int waits) =>
        FirstWait * Math.Pow(2, Math.Min(waits, 10)) is var wait && wait < LongestWait ? wait : LongestWait;

    private Count? Find(string place) => young.GetValueOrDefault(place) ?? old.GetValueOrDefault(place);

    // Two generations: when the young one is full it becomes the old one, and what was older is forgotten.
    private void Keep(string place, Count count)
    {
        young[place] = count;
        if (young.Count < Generation) return;
        (old, young) = (young, []);
    }

    private sealed record Count(int Failures, DateTimeOffset Since, DateTimeOffset Until, int Waits);
}
