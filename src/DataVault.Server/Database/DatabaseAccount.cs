using System.Globalization;

namespace DataVault.Server.Database;

/// <summary>
/// The account that PostgreSQL runs as: our own, or, when we are root, an unprivileged one (PostgreSQL refuses root, and the
/// database process has no need of it).
/// </summary>
internal sealed class DatabaseAccount
{
    private readonly string? _user;
    private readonly int _uid;
    private readonly int _gid;

    private DatabaseAccount(string? user, int uid, int gid)
    {
        _user = user;
        _uid = uid;
        _gid = gid;
    }

    /// <summary>Whether the database runs as somebody else than this process.</summary>
    public bool IsOther => _user is not null;

    public static DatabaseAccount Choose()
    {
        if (!Environment.IsPrivilegedProcess)
            return new DatabaseAccount(null, 0, 0);
        var accounts = File.ReadLines("/etc/passwd").Select(line => line.Split(':')).Where(parts => parts.Length >= 4).ToList();
        var chosen = accounts.Find(a => a[0] == "postgres") ?? accounts.Find(a => a[0] == "nobody")
            ?? throw new StartupException("PostgreSQL does not run as root, and there is neither a 'postgres' nor a 'nobody' account to run it as: start as an ordinary user.");
        if (!File.Exists("/usr/bin/setpriv") && !File.Exists("/bin/setpriv"))
            throw new StartupException("PostgreSQL does not run as root: install setpriv (util-linux) or start as an ordinary user.");
        return new DatabaseAccount(
            chosen[0], int.Parse(chosen[2], CultureInfo.InvariantCulture), int.Parse(chosen[3], CultureInfo.InvariantCulture));
    }

    public Task<Command> RunAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellation) =>
        IsOther
            ? Command.RunAsync("setpriv", [$"--reuid={_uid}", $"--regid={_gid}", "--clear-groups", "--reset-env", program, .. arguments], cancellation)
            : Command.RunAsync(program, arguments, cancellation);

    public async Task<bool> CanEnterAsync(string folder, CancellationToken cancellation) =>
        !IsOther || (await RunAsync("/bin/sh", ["-c", "cd \"$0\"", folder], cancellation)).Succeeded;

    /// <summary>Makes a folder that only this account (and root) can open.</summary>
    public async Task MakePrivateFolderAsync(string folder, CancellationToken cancellation)
    {
        FileModes.MakeFolder(folder, FileModes.OwnerOnly);
        if (IsOther)
            await Command.RunAsync("chown", [$"{_uid}:{_gid}", folder], cancellation);
    }
}
