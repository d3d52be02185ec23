using Microsoft.Extensions.Logging;

namespace DataVault.Issuer;

/// <summary>Where there is no audit log (an issuer deployed by itself): events go to the process's log, which holds no personal data either.</summary>
internal sealed class LoggedSignIns(ILogger<LoggedSignIns> logger) : ISignInAudit
{
    public Task RecordAsync(SignInEvent signIn, CancellationToken cancellationToken)
    {
        logger.LogInformation(
            "{Kind} {Outcome} {Realm} {Actor} {Reason}",
            signIn.Kind,
            signIn.Success ? "ok" : "refused",
            RealmNames.Of(signIn.Realm),
            signIn.ActorId,
            signIn.Reason);
        return Task.CompletedTask;
    }

    public Task<long> IntendAsync(IssuerChange change, CancellationToken cancellationToken)
    {
        Log("intended", change);
        return Task.FromResult(0L);
    }

    public Task ConfirmAsync(MadeChange made, CancellationToken cancellationToken)
    {
        Log("done", made.Change);
        return Task.CompletedTask;
    }

    private void Log(string stage, IssuerChange change) =>
        logger.LogInformation("{Actor} {What} {Object}: {Stage}", change.Actor.Id, change.What, change.Object.Id, stage);
}
