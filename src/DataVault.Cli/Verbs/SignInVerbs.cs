using System.CommandLine;
using DataVault.Cli.SignIns;
using DataVault.Client;
using DataVault.Cryptography;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault login</c> and <c>datavault logout</c>: a person's own sign-in, in a browser, for what is done in their name.</summary>
internal static class SignInVerbs
{
    // Where nobody listens: the browser cannot open it, and its address bar holds the answer.
    private const string Nowhere = "http://127.0.0.1:65535" + CommandLineClient.Path;
    private static readonly SystemRandomBytes s_random = new();

    public static Verb Login(VerbContext context)
    {
        var paste = new Option<bool>("--paste") { Description = "The browser is on another machine: read from standard input the address that it ends at." };
        return new Verb(
            "login", "Sign in as a person, in a browser; the commands that follow act in your name until you log out, at most 12 hours.",
            "datavault login", "datavault login --address https://vault.example", "datavault login --paste")
            .With(paste)
            .Does(context, async (session, cancellation) =>
            {
                var signedIn = await SignInAsync(session, session.Parsed.GetValue(paste), cancellation);
                Place(session).Keep(signedIn);
                session.Report.Show(new { signedIn.Name, signedIn.Roles, signedIn.Address }, () => new Text($"Signed in at {signedIn.Address} as {string.Join(", ", signedIn.Roles)}.\n"));
                return ExitCode.Ok;
            });
    }

    public static Verb Logout(VerbContext context) => new Verb("logout", "End the sign-in of datavault login, here and at the vault.", "datavault logout")
        .Does(context, async (session, cancellation) =>
        {
            var kept = Place(session);
            if (kept.Find() is { } signedIn)
            {
                // Gone from here whatever the vault answers.
                kept.Forget();
                await new AuthorizationCodeClient(session.Connect(), CommandLineClient.Id, null, "").RevokeAsync(signedIn.RefreshToken, cancellation);
            }

            session.Report.Show(new { signedIn = false }, () => new Text("Nobody is signed in.\n"));
            return ExitCode.Ok;
        });

    private static async Task<SignedIn> SignInAsync(Session session, bool paste, CancellationToken cancellation)
    {
        var http = session.Connect();
        using var loopback = paste ? null : new LoopbackAnswer(CommandLineClient.Path, session.Host.Time);
        var issuer = new AuthorizationCodeClient(http, CommandLineClient.Id, null, loopback?.Address ?? Nowhere);
        var attempt = SignInAttempt.Make(s_random.Fill);
        await session.Host.Error.WriteLineAsync($"Open this in a browser and sign in:\n\n  {await issuer.AuthorizeUrlAsync(attempt, staff: true, cancellation: cancellation)}\n");
        var back = loopback is null ? await PastedAsync(session.Host, attempt, cancellation) : await loopback.WaitAsync(place => IsOf(attempt, place), cancellation);
        var tokens = await issuer.ExchangeAsync(Member(back, "code") ?? throw new InvalidDataException("The sign-in was refused."), attempt, cancellation);
        if (tokens.RefreshToken is not { } refresh) throw new InvalidDataException("The vault gave no token to renew the sign-in with.");
        var me = await new VaultClient(http, TokenSource.Fixed(tokens.AccessToken), new VaultClientOptions { Time = session.Host.Time }).MeAsync(cancellation);
        return new SignedIn(session.Address.GetLeftPart(UriPartial.Authority), me.Name, me.Roles, tokens.AccessToken, session.Host.Time.GetUtcNow().AddSeconds(tokens.ExpiresIn), refresh);
    }

    private static async Task<Uri> PastedAsync(CliHost host, SignInAttempt attempt, CancellationToken cancellation)
    {
        await host.Error.WriteLineAsync("The browser then ends at an address that it cannot open. Paste that address here:");
        var line = await host.Input.ReadLineAsync(cancellation);
        return Uri.TryCreate(line?.Trim(), UriKind.Absolute, out var place) && IsOf(attempt, place) ? place : throw new UsageException("That is not the address that this sign-in ends at.");
    }

    // SPEC rfc6749 §10.12: an answer without our state is somebody else's.
    private static bool IsOf(SignInAttempt attempt, Uri place) => place.AbsolutePath == CommandLineClient.Path && Member(place, "state") == attempt.State;

    private static string? Member(Uri place, string name) => place.Query.TrimStart('?').Split('&')
        .Select(pair => pair.Split('=', 2)).Where(pair => pair.Length == 2 && pair[0] == name).Select(pair => Uri.UnescapeDataString(pair[1])).FirstOrDefault();

    private static KeptSignIn Place(Session session) =>
        KeptSignIn.At(session.Host, session.Address) ?? throw new UsageException("There is no folder to keep the sign-in in: set XDG_CONFIG_HOME or HOME.");
}
