using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataVault.Client;
using DataVault.Client.Wire;

namespace DataVault.Cli.SignIns;

/// <summary>Who is signed in at one vault on this machine, and their tokens.</summary>
internal sealed record SignedIn(string Address, string Name, IReadOnlyList<string> Roles, string AccessToken, DateTimeOffset ExpiresAt, string RefreshToken);

/// <summary>
/// The sign-in that <c>datavault login</c> keeps in a file that this account alone can read. A refresh token is good for one use: whoever renews holds a
/// lock meanwhile, and a second command waits and finds the renewed one. The file is replaced whole, so that it can be read without the lock.
/// </summary>
internal sealed class KeptSignIn(string file, TimeProvider time)
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private static readonly TimeSpan s_early = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);

    /// <summary>That of a vault; null where this account has no folder for such things.</summary>
    public static KeptSignIn? At(CliHost host, Uri address)
    {
        var folder = host.Variable("XDG_CONFIG_HOME") is { Length: > 0 } chosen ? chosen
            : host.Variable("APPDATA") is { Length: > 0 } roaming ? roaming
            : host.Variable("HOME") is { Length: > 0 } home ? Path.Combine(home, ".config")
            : null;
        var name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(address.GetLeftPart(UriPartial.Authority))))[..16];
        return folder is null ? null : new KeptSignIn(Path.Combine(folder, "datavault", $"sign-in-{name}.json"), host.Time);
    }

    /// <summary>Who is signed in; null when nobody is.</summary>
    public SignedIn? Find()
    {
        try
        {
            return File.Exists(file) ? JsonSerializer.Deserialize<SignedIn>(File.ReadAllBytes(file), VaultJson.Answers) : null;
        }
        catch (Exception e) when (e is JsonException or FileNotFoundException)
        {
            return null;
        }
    }

    public void Keep(SignedIn signedIn)
    {
        var unfinished = file + ".new";
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.Delete(unfinished);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = OwnerOnly;
        using (var stream = new FileStream(unfinished, options)) JsonSerializer.Serialize(stream, signedIn, VaultJson.Answers);
        File.Move(unfinished, file, overwrite: true);
    }

    public void Forget() => File.Delete(file);

    /// <summary>An access token that is good for the next call.</summary>
    /// <param name="issuer">Renews.</param>
    /// <param name="refused">A token that the vault did not take, if there is one.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="UsageException">The sign-in has ended.</exception>
    public async Task<string> TokenAsync(AuthorizationCodeClient issuer, string? refused, CancellationToken cancellation)
    {
        await using var held = await HoldAsync(cancellation);
        var kept = Find() ?? throw Ended();
        if (kept.ExpiresAt - s_early > time.GetUtcNow() && kept.AccessToken != refused) return kept.AccessToken;
        try
        {
            var answer = await issuer.RefreshAsync(kept.RefreshToken, cancellation);
            Keep(kept with { AccessToken = answer.AccessToken, ExpiresAt = time.GetUtcNow().AddSeconds(answer.ExpiresIn), RefreshToken = answer.RefreshToken ?? kept.RefreshToken });
            return answer.AccessToken;
        }
        catch (VaultProblemException e) when (e.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.Unauthorized)
        {
            Forget();
            throw Ended();
        }
    }

    private static UsageException Ended() => new("The sign-in has ended: run datavault login again.");

    private async Task<FileStream> HoldAsync(CancellationToken cancellation)
    {
        for (var began = time.GetTimestamp(); ;)
        {
            try
            {
                return new FileStream(file + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException e) when (e is not DirectoryNotFoundException && time.GetElapsedTime(began) < s_patience)
            {
                await Task.Delay(s_pause, time, cancellation);
            }
        }
    }
}

/// <summary>The tokens of a kept sign-in.</summary>
internal sealed class SignInTokens(KeptSignIn kept, AuthorizationCodeClient issuer) : TokenSource
{
    private string? _refused;

    public override async ValueTask<string> GetAsync(CancellationToken cancellation = default) => await kept.TokenAsync(issuer, _refused, cancellation);

    public override bool Renounce(string token)
    {
        var again = _refused != token;
        _refused = token;
        return again;
    }
}
