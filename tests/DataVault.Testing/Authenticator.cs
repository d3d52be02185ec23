using System.Collections.Concurrent;
using DataVault.Cryptography;

namespace DataVault.Testing;

/// <summary>Somebody's telephone: a code of each step is given once, to all tests of a process together, since the vault takes it once.</summary>
public sealed class Authenticator
{
    private const int StepsAhead = 1;
    private static readonly ConcurrentDictionary<string, Authenticator> Known = [];

    private readonly byte[] _secret;
    private readonly TimeProvider _clock;
    private long _last;

    private Authenticator(string secret, TimeProvider clock) => (_secret, _clock) = (Base32.Decode(secret) ?? throw new FormatException("Not a key of an authenticator app."), clock);

    public static Authenticator Of(string secret, TimeProvider? clock = null) =>
        Known.GetOrAdd(secret.Replace(" ", "", StringComparison.Ordinal), one => new Authenticator(one, clock ?? TimeProvider.System));

    /// <summary>The next code; null until the clock has come so far.</summary>
    public string? Next()
    {
        lock (_secret)
        {
            var step = Math.Max(_last + 1, TimeCodes.StepOf(_clock.GetUtcNow()));
            if (step > TimeCodes.StepOf(_clock.GetUtcNow()) + StepsAhead)
                return null;
            _last = step;
            return TimeCodes.Code(_secret, step);
        }
    }

    /// <summary>Waits for it, at most half a minute.</summary>
    public async Task<string> NextAsync()
    {
        while (true)
        {
            if (Next() is { } code)
                return code;
            await Task.Delay(TimeSpan.FromMilliseconds(200), _clock);
        }
    }
}
