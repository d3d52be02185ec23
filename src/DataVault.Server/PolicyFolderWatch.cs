using DataVault.Vault;

namespace DataVault.Server;

/// <summary>
/// In Development: what is saved in the folder of policies is proposed a moment later, through the same door as any version, so that whoever writes a rule sees at once
/// what it does or why it is refused. Elsewhere nobody watches: a file that was copied is no decision that it should be in force.
/// </summary>
internal sealed class PolicyFolderWatch(PolicyFolder folder, PolicyActivations activations, Action<string> print, TimeProvider clock, ILogger<PolicyFolderWatch> logger)
    : RoundsWorker(clock, logger)
{
    private string proposed = folder.State();
    private string seen = "";

    protected override TimeSpan Rhythm => TimeSpan.FromMilliseconds(500);

    /// <summary>Proposes what has come to rest: an editor that is still writing is waited for.</summary>
    public override async Task<bool> RoundAsync(CancellationToken cancellation)
    {
        var (before, now) = (seen, folder.State());
        seen = now;
        if (now == proposed || now != before) return true;
        proposed = now;
        await folder.Again().ProposeSavedAsync(activations, print, cancellation);
        return true;
    }
}
