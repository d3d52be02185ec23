using System.Globalization;
using DataVault.Issuer;
using DataVault.Vault;

namespace DataVault.Server;

/// <summary>
/// Before anything is served: applications and accounts that a restore brings back as they were before somebody removed, disabled or changed them get no token until
/// an operator has gone through them. What only the vault database forgot, the keys database remembers; what both forgot is read from the log. A row that is older
/// only by sign-ins that a restore lost behind which somebody stands is taken as it is.
/// </summary>
internal sealed class RestoredSignIns(UndoneActs acts, OlderSignIns signIns, ILogger<RestoredSignIns> logger) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var (undone, size) = await acts.LookAsync(cancellationToken);
        if (undone.Restores > 0)
            await GoThroughAsync(undone, cancellationToken);
        await acts.DoneAsync(size, cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private async Task GoThroughAsync(UndoneSignIns undone, CancellationToken cancellationToken)
    {
        if (undone.Names.Count > 0)
        {
            await signIns.BarAsync(
                async (party, customer) => customer is { } person ? undone.People.Contains(person) : undone.Names.Contains(await acts.NameOfAsync(SignInAudit.PartyOf(party), null, cancellationToken)),
                cancellationToken);
        }

        var refused = 0;
        foreach (var older in await signIns.ListAsync(cancellationToken))
        {
            var name = await acts.NameOfAsync(SignInAudit.PartyOf(older.Party), older.Subject, cancellationToken);
            if (undone.Explained.TryGetValue(name, out var lost) && older.Newest - older.Version <= lost)
                await signIns.AcceptAsync(older, cancellationToken);
            else
                refused++;
        }

        if (refused > 0)
            logger.LogCritical("{Count} applications and accounts are as they were before the restore and get no token until somebody has gone through them: restore status names them.", refused);
    }

    /// <summary>The command <c>restore status</c>.</summary>
    public static async Task ShowAsync(OlderSignIns signIns, Action<string> print, CancellationToken stop)
    {
        var older = await signIns.ListAsync(stop);
        foreach (var one in older)
            print($"{one.Name} ({one.Party.Name}) is as it was before a restore, and gets no token. If it is to work as it is: restore lift {one.Name}");
        print(older.Count == 0
            ? "No application and no account is older than it was."
            : string.Create(CultureInfo.InvariantCulture, $"{older.Count} are older than they were. Remove, or lift and then change, each that was removed, disabled or changed since; who put a row back without a restore is another matter."));
    }

    /// <summary>The command <c>restore lift NAME…</c>.</summary>
    public static async Task LiftAsync(OlderSignIns signIns, IReadOnlyList<string> names, Action<string> print, CancellationToken stop)
    {
        foreach (var name in names)
        {
            await signIns.AcceptAsync(name, stop);
            print($"{name} works again, as it stands.");
        }
    }
}
