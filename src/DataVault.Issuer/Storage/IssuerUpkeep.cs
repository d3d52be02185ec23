using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Issuer.Storage;

/// <summary>Sweeps what is past its time. Nothing relies on it: every reader looks at the times itself.</summary>
internal sealed class IssuerUpkeep(IssuerDatabase database, TimeProvider clock, ILogger<IssuerUpkeep> logger) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromHours(1);

    // A used code or refresh token is kept until its authorisation goes, so that a replay is still recognised.
    private static readonly string[] Sweeps =
    [
        "DELETE FROM issuer.session WHERE expires_at < $1",
        "DELETE FROM issuer.authorisation WHERE expires_at < $1",
        "DELETE FROM issuer.revocation WHERE until < $1",
        "DELETE FROM issuer.sign_in_attempt WHERE until < $1",
        "DELETE FROM issuer.used_assertion WHERE until < $1",
        "DELETE FROM issuer.email_change WHERE stop_until < $1",
        "DELETE FROM issuer.mailed_link WHERE until < $1",
        "DELETE FROM issuer.letter WHERE dead AND due_at < $1 - interval '7 days'",
        "DELETE FROM issuer.signing_key WHERE expires_at < $1",
    ];

    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        var before = clock.GetUtcNow() - Pause;
        foreach (var sweep in Sweeps) await database.ExecuteAsync(sweep, cancellationToken, before);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Pause, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await SweepAsync(stoppingToken);
            }
            catch (NpgsqlException e)
            {
                logger.LogWarning("Sweeping expired sign-ins failed ({SqlState}); it is tried again in an hour.", e.SqlState);
            }
        }
    }
}
