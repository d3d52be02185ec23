using System.CommandLine;
using System.Globalization;
using DataVault.Client;
using DataVault.Client.Wire;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault keys …</c></summary>
internal static class KeyVerbs
{
    private static readonly string[] s_roles = ["administrator"];
    private static readonly string[] s_readers = ["administrator", "compliance-officer"];
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1);

    public static Verb Build(VerbContext context) =>
        new Verb("keys", "Ages of the keys, and their rotation.").With(Status(context), Rotate(context), Rotations(context), Pause(context), Resume(context));

    private static Verb Status(VerbContext context) => new Verb(
            "status", "Versions and ages of the keys, what is due, and from when on backups of the keys database still open.",
            "datavault keys status", "datavault keys status --json")
        .Does(context, async (session, cancellation) =>
        {
            var keys = await session.Open(s_readers).KeysAsync(cancellation);
            session.Report.Show(keys, () => Show(keys));
            return ExitCode.Ok;
        });

    private static Verb Rotate(VerbContext context)
    {
        var level = new Argument<string>("level") { Description = "root, vault, epoch, subjects or index." };
        var index = new Option<string?>("--index") { Description = "Which blind index, for the level index." };
        var wait = new Option<bool>("--wait") { Description = "Show how far it is until it is done; of people's keys, until their former keys are gone too (Vault__RenewalGrace)." };
        return new Verb(
            "rotate", "Rotate one level of keys, in the background; everything stays readable meanwhile.",
            "datavault keys rotate vault --wait", "datavault keys rotate index --index postcode", "datavault keys rotate root")
            .With(level).With(index, wait)
            .Does(context, async (session, cancellation) =>
            {
                var client = session.OpenAsPerson(s_roles);
                var rotation = await client.StartRotationAsync(new StartRotation(session.Parsed.GetRequiredValue(level), session.Parsed.GetValue(index)), cancellation);
                if (session.Parsed.GetValue(wait)) rotation = await WaitAsync(session, client, rotation, cancellation);
                session.Report.Show(rotation, () => Table([rotation]));
                return rotation.State == "failed" ? ExitCode.Failed : ExitCode.Ok;
            });
    }

    private static Verb Rotations(VerbContext context) => new Verb("rotations", "Rotations and how far each is, newest first.", "datavault keys rotations", "datavault keys rotations --json")
        .Does(context, async (session, cancellation) =>
        {
            var page = await session.Open(s_readers).RotationsAsync(cancellation: cancellation);
            session.Report.Show(page, () => Table(page.Items));
            return ExitCode.Ok;
        });

    private static Verb Pause(VerbContext context) => Move(context, "pause", "Stop a rotation after the step at hand.", (client, id, ct) => client.PauseRotationAsync(id, ct));

    private static Verb Resume(VerbContext context) => Move(context, "resume", "Go on with a rotation that was paused or that failed.", (client, id, ct) => client.ResumeRotationAsync(id, ct));

    private static Verb Move(VerbContext context, string name, string what, Func<VaultClient, Guid, CancellationToken, Task<KeyRotationView>> move)
    {
        var id = new Argument<Guid>("id") { Description = "The rotation." };
        return new Verb(name, what, $"datavault keys {name} 0198c0de-0000-7000-8000-000000000001")
            .With(id)
            .Does(context, async (session, cancellation) =>
            {
                var rotation = await move(session.OpenAsPerson(s_roles), session.Parsed.GetRequiredValue(id), cancellation);
                session.Report.Show(rotation, () => Table([rotation]));
                return ExitCode.Ok;
            });
    }

    private static async Task<KeyRotationView> WaitAsync(Session session, VaultClient client, KeyRotationView rotation, CancellationToken cancellation)
    {
        var said = -1L;
        while (rotation.State == "running")
        {
            if (rotation.Done != said) await session.Host.Error.WriteLineAsync($"{rotation.Level}: {rotation.Done:N0} of {rotation.Total:N0}{(rotation.Done < rotation.Total ? "" : ", to be finished")}");
            said = rotation.Done;
            await Task.Delay(s_pause, cancellation);
            rotation = await client.RotationAsync(rotation.Id, cancellation);
        }

        return rotation;
    }

    private static Rows Show(KeysView keys)
    {
        var levels = Report.Table("level", "in force", "count", "since", "due", "");
        foreach (var level in keys.Levels)
            levels.Row(level.Level, level.Version, level.Count.ToString("N0", CultureInfo.InvariantCulture), Day(level.Since), Day(level.DueAt), level.Due ? "due" : "");
        List<IRenderable> parts =
        [
            levels,
            new Text($"root key {keys.RootKey}; epoch {keys.CurrentEpoch}, {keys.EpochsAlive} alive; backups of the keys database open from {Day(keys.OldestUsableBackup)} on\n"),
        ];
        if (keys.Backups.Count > 0) parts.Add(new Text($"last backup: {string.Join(", ", keys.Backups.Select(backup => $"{backup.Database} {(backup.At is null ? "none" : Day(backup.At))}{(backup.Due ? " (due)" : "")}"))}\n"));
        if (keys.Backups.Any(backup => backup.Due)) parts.Add(new Text("people's keys were renewed since: back up both databases now, the data first\n"));
        if (keys.FormerRootKeys.Count > 0) parts.Add(new Text($"still needed: root key {string.Join(", ", keys.FormerRootKeys)}; rotate the root, then take it out of the configuration\n"));
        if (keys.Damage is { } damage) parts.Add(new Text(Describe(damage)));
        if (keys.Rotations.Count > 0) parts.Add(Table(keys.Rotations));
        return new Rows(parts);
    }

    private static Table Table(IReadOnlyList<KeyRotationView> rotations)
    {
        var table = Report.Table("rotation", "level", "state", "to", "done", "started", "remark");
        foreach (var r in rotations)
            table.Row(r.Id.ToString(), r.Level, r.State, r.Target, string.Create(CultureInfo.InvariantCulture, $"{r.Done:N0} of {r.Total:N0}"), Day(r.StartedAt), r.RetryAt is { } again ? $"{r.Remark} (again {Day(again)})" : r.Remark ?? "");
        return table;
    }

    private static string Describe(KeyDamageView damage)
    {
        var mend = damage.LostFrom is { } last ? $", mend them from a backup before {Day(last)}" : "";
        var epochs = damage.Epochs.Count > 0 ? $"; roots of epochs {string.Join(", ", damage.Epochs)}" : "";
        return string.Create(CultureInfo.InvariantCulture, $"DAMAGED: {damage.Pages} pages with {damage.People} people{mend}; {damage.IndexKeys} index keys{epochs}\n");
    }

    private static string Day(DateTimeOffset? at) => at?.ToString("u", CultureInfo.InvariantCulture) ?? "";
}
