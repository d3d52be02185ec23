using System.CommandLine;
using System.Text.Json;
using DataVault.Cli.SignIns;
using DataVault.Client;

namespace DataVault.Cli;

/// <summary>The folder <c>.vault</c> that a vault keeps beside where it runs.</summary>
internal static class VaultFolder
{
    /// <summary>A file in <c>.vault</c> of <paramref name="folder"/> or of a folder above it.</summary>
    public static string? Find(string folder, string name)
    {
        for (var at = new DirectoryInfo(folder); at is not null; at = at.Parent)
        {
            var file = Path.Combine(at.FullName, ".vault", name);
            if (File.Exists(file)) return file;
        }
        return null;
    }
}

/// <summary>A client of <c>.vault/first-run.json</c>.</summary>
internal sealed record FirstRunClient(string Id, string Secret, IReadOnlyList<string> Roles, IReadOnlyList<string> Purposes);

/// <summary>A person of <c>.vault/first-run.json</c>.</summary>
internal sealed record FirstRunPerson(string Email, string Password, string Role, string? CodeSecret = null);

/// <summary>What a vault in Development writes down on its first start.</summary>
internal sealed record FirstRun(string Address, IReadOnlyList<FirstRunClient> Clients, IReadOnlyList<FirstRunPerson> People)
{
    public static FirstRun Load(string file)
    {
        try
        {
            return JsonSerializer.Deserialize<FirstRun>(File.ReadAllBytes(file), VaultJson.Answers) ?? throw new JsonException();
        }
        catch (JsonException)
        {
            throw new UsageException($"{file} cannot be read as a first-run file.");
        }
    }
}

/// <summary>The options that every verb takes.</summary>
internal sealed class SessionOptions
{
    public Option<string?> Address { get; } = new("--address") { Description = "The vault's address (DATAVAULT_ADDRESS; else first-run.json).", Recursive = true };

    public Option<string?> Client { get; } = new("--client") { Description = "Client id (DATAVAULT_CLIENT_ID; else first-run.json, by role).", Recursive = true };

    public Option<FileInfo?> SecretFile { get; } = new("--secret-file") { Description = "File with the client's secret (or DATAVAULT_CLIENT_SECRET).", Recursive = true };

    public Option<FileInfo?> TokenFile { get; } = new("--token-file") { Description = "File with an access token, instead of a client (or DATAVAULT_TOKEN).", Recursive = true };

    public Option<FileInfo?> FirstRunFile { get; } = new("--first-run") { Description = "The first-run.json to use (default: .vault/first-run.json here or above).", Recursive = true };

    public Option<bool> Json { get; } = new("--json") { Description = "Answer in JSON.", Recursive = true };

    public IEnumerable<Option> All => [Address, Client, SecretFile, TokenFile, FirstRunFile, Json];
}

/// <summary>One run of the program: who asks, where, and how answers are shown.</summary>
internal sealed class Session(CliHost host, SessionOptions options, ParseResult parsed) : IDisposable
{
    private readonly List<IDisposable> _owned = [];

    public CliHost Host => host;

    public ParseResult Parsed => parsed;

    public Report Report { get; } = new(host, parsed.GetValue(options.Json));

    /// <summary>Purposes of the client that <see cref="Open"/> has chosen, when it is known.</summary>
    public IReadOnlyList<string> Purposes { get; private set; } = [];

    public Uri Address => AddressOrNull
        ?? throw new UsageException("Where is the vault? Give --address, set DATAVAULT_ADDRESS, or run where .vault/first-run.json is.");

    private Uri? AddressOrNull => Parse(parsed.GetValue(options.Address)) ?? Parse(host.Variable("DATAVAULT_ADDRESS")) ?? Parse(FirstRunOrNull()?.Address);

    /// <summary>A client for a verb that needs one of <paramref name="roles"/>, preferably bound to <paramref name="purpose"/>.</summary>
    public VaultClient Open(IReadOnlyList<string> roles, string? purpose = null, VaultClientOptions? how = null)
    {
        var http = Connect();
        return new VaultClient(http, Tokens(http, roles, purpose), how ?? new VaultClientOptions { Time = host.Time });
    }

    /// <summary>A client for what only a person may do: with the sign-in of <c>datavault login</c> or a person's token, never as an application.</summary>
    public VaultClient OpenAsPerson(params string[] roles)
    {
        if (!HasToken && parsed.GetValue(options.Client) is null && host.Variable("DATAVAULT_CLIENT_ID") is null && SignInFor(roles) is null)
            throw new UsageException($"This is done by a person with the role {string.Join(" or ", roles)}, not by an application: sign in with datavault login.");
        return Open(roles);
    }

    /// <summary>For the calls that need no credential.</summary>
    public VaultClient OpenPublic() => new(Connect(), null, new VaultClientOptions { Time = host.Time, Patience = TimeSpan.Zero });

    /// <summary>The way to the vault.</summary>
    public HttpClient Connect()
    {
        var http = host.Connect(Address);
        _owned.Add(http);
        return http;
    }

    /// <summary>
    /// How to sign in at an address that a verb was given; null without credentials. Those of the environment and of first-run.json go to their own
    /// vault alone: another's log can be verified without handing its owner a secret.
    /// </summary>
    public TokenSource? TokensFor(Uri place, HttpClient http, IReadOnlyList<string> roles)
    {
        var given = parsed.GetValue(options.TokenFile) is not null || (parsed.GetValue(options.Client) is not null && parsed.GetValue(options.SecretFile) is not null);
        if (!given && (AddressOrNull is { } own && !IsSameOrigin(own, place) || !HasCredentials(roles))) return null;
        return Tokens(http, roles, null);
    }

    /// <summary>The purpose given, or the only one that the client has.</summary>
    public string PurposeOr(string? given) =>
        given ?? (Purposes is [var only] ? only : throw new UsageException("Every look at a person names a purpose: give --purpose."));

    public FirstRun? FirstRunOrNull() =>
        parsed.GetValue(options.FirstRunFile) is { } given ? FirstRun.Load(given.FullName)
        : VaultFolder.Find(host.WorkingDirectory, "first-run.json") is { } found ? FirstRun.Load(found)
        : null;

    public void Dispose()
    {
        for (var i = _owned.Count - 1; i >= 0; i--) _owned[i].Dispose();
    }

    private bool HasCredentials(IReadOnlyList<string> roles) =>
        parsed.GetValue(options.Client) is not null
        || HasToken
        || host.Variable("DATAVAULT_CLIENT_ID") is not null
        || SignInFor(roles) is not null
        || FirstRunOrNull()?.Clients.Any(client => client.Roles.Any(roles.Contains)) == true;

    private bool HasToken => parsed.GetValue(options.TokenFile) is not null || host.Variable("DATAVAULT_TOKEN") is { Length: > 0 };

    // A sign-in serves where one of its roles is needed; a credential that was named goes before it.
    private KeptSignIn? SignInFor(IReadOnlyList<string> roles) =>
        AddressOrNull is { } address && KeptSignIn.At(host, address) is { } kept && kept.Find() is { } signedIn && signedIn.Roles.Any(roles.Contains) ? kept : null;

    private static bool IsSameOrigin(Uri one, Uri other) =>
        Uri.Compare(one, other, UriComponents.SchemeAndServer, UriFormat.UriEscaped, StringComparison.OrdinalIgnoreCase) == 0;

    private TokenSource Tokens(HttpClient http, IReadOnlyList<string> roles, string? purpose)
    {
        if (parsed.GetValue(options.TokenFile) is { } tokenFile) return TokenSource.Fixed(File.ReadAllText(tokenFile.FullName).Trim());
        if (parsed.GetValue(options.Client) is null && host.Variable("DATAVAULT_TOKEN") is { Length: > 0 } token) return TokenSource.Fixed(token);
        if (parsed.GetValue(options.Client) is null && host.Variable("DATAVAULT_CLIENT_ID") is null && SignInFor(roles) is { } kept)
            return new SignInTokens(kept, new AuthorizationCodeClient(http, CommandLineClient.Id, null, ""));
        var (id, secret) = Credentials(roles, purpose);
        var credentials = new ClientCredentials(http, id, secret, host.Time);
        _owned.Add(credentials);
        return credentials;
    }

    private (string Id, string Secret) Credentials(IReadOnlyList<string> roles, string? purpose)
    {
        var id = parsed.GetValue(options.Client) ?? host.Variable("DATAVAULT_CLIENT_ID");
        var secret = parsed.GetValue(options.SecretFile) is { } file ? File.ReadAllText(file.FullName).Trim() : host.Variable("DATAVAULT_CLIENT_SECRET");
        if (id is not null && secret is not null) return (id, secret);
        var clients = FirstRunOrNull()?.Clients ?? [];
        var chosen = id is not null
            ? clients.FirstOrDefault(c => c.Id == id) ?? throw new UsageException($"No secret for {id}: give --secret-file or set DATAVAULT_CLIENT_SECRET.")
            : Choose(clients, roles, purpose);
        Purposes = chosen.Purposes;
        return (chosen.Id, chosen.Secret);
    }

    private static FirstRunClient Choose(IReadOnlyList<FirstRunClient> clients, IReadOnlyList<string> roles, string? purpose) =>
        clients.FirstOrDefault(c => purpose is not null && c.Purposes.Contains(purpose) && c.Roles.Any(roles.Contains))
        ?? clients.FirstOrDefault(c => purpose is not null && c.Purposes.Contains(purpose))
        ?? roles.Select(role => clients.FirstOrDefault(c => c.Roles.Contains(role))).FirstOrDefault(c => c is not null)
        ?? throw new UsageException(
            $"Who asks? This needs the role {string.Join(" or ", roles)}: sign in with datavault login, or set DATAVAULT_CLIENT_ID and DATAVAULT_CLIENT_SECRET, or give --client and --secret-file.");

    private static Uri? Parse(string? address) =>
        address is null ? null : Uri.TryCreate(address, UriKind.Absolute, out var uri) ? uri : throw new UsageException($"\"{address}\" is not an address.");
}
