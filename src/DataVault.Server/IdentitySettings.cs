using DataVault.Console;
using DataVault.Issuer;
using DataVault.Server.Database;

namespace DataVault.Server;

/// <summary>Section <c>Identity</c> of the configuration, and the console's part of it: which providers of others say who somebody is, in which words.</summary>
internal sealed class IdentitySettings(IConfiguration configuration, bool development)
{
    private const StringSplitOptions Trimmed = StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries;

    private static readonly char[] Separators = [' ', ',', '\n', '\t'];

    // Names of groups have spaces.
    private static readonly char[] Between = [';', '\n'];
    private static readonly string[] KnownAlgorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"];

    /// <summary>Roles of the vault itself: a credential that carried one would act as the vault.</summary>
    public static readonly IReadOnlyList<string> ProcessRoles = ["rights-export", "rights-erasure", "rights-letters", "rights-rectification", "analytics-feed", "vault-maintenance"];

    /// <summary>Whether the vault's own issuer signs people and applications in.</summary>
    public bool OwnIssuer => configuration.GetValue("Identity:OwnIssuer", true);

    /// <exception cref="StartupException">A provider is described incompletely, or in a way that is not safe.</exception>
    public IReadOnlyList<OutsideAuthority> Authorities()
    {
        var read = configuration.GetSection("Identity:Authorities").GetChildren().Select(Authority).ToList();
        if (read.Select(one => one.Issuer).Distinct(StringComparer.Ordinal).Count() < read.Count)
            throw new StartupException("Identity__Authorities names an issuer twice: a token would be judged by two rules.");
        return !OwnIssuer && read.Count == 0
            ? throw new StartupException("Identity__OwnIssuer=false leaves nobody who could sign in: describe a provider under Identity__Authorities__NAME.")
            : read;
    }

    /// <summary>The provider at which people sign in to the console; null for the vault's own.</summary>
    /// <exception cref="StartupException">It is not among <see cref="Authorities"/>, or the console has no name or no way to prove itself there.</exception>
    public SignInProvider? ConsoleProvider(string? secret)
    {
        if (Text("Console:Authority") is not { } name)
            return OwnIssuer ? null : throw new StartupException("Identity__OwnIssuer=false needs Console__Authority: the provider at which people sign in to the console.");
        var authority = Authorities().FirstOrDefault(one => one.Name == name) ?? throw new StartupException($"Console__Authority names {name}, which Identity__Authorities does not describe.");
        var client = Text("Console:ClientId") ?? throw new StartupException("Console__Authority needs Console__ClientId: the console's id at the provider.");
        var key = ServerSettings.ReadSecret(Text("Console:ClientKeyFile"));
        if (key is null == secret is null)
            throw new StartupException("Console__Authority needs Console__ClientSecret or Console__ClientKeyFile, and one of them alone.");
        // Where access tokens say no more than "JWT", an ID token of the console must not reach the API's audience.
        if (authority.Audiences.Contains(client))
            throw new StartupException($"Identity__Authorities__{name}__Audience must not be the console's own client id: its ID tokens would be made out to the API.");
        return new SignInProvider(authority.Issuer, client)
        {
            Secret = secret,
            PrivateKey = key,
            Scopes = Text("Console:Scopes") ?? "openid offline_access",
            Resource = Text("Console:Resource"),
        };
    }

    private OutsideAuthority Authority(IConfigurationSection section)
    {
        var (name, at) = (section.Key, section.Path.Replace(":", "__", StringComparison.Ordinal));
        if (name.Length is 0 or > 32 || !name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-'))
            throw new StartupException($"{at}: a provider's name has small letters, digits and hyphens.");
        if (!Uri.TryCreate(section["Issuer"], UriKind.Absolute, out var issuer) || !OutsideAuthority.IsSafe(issuer) || issuer.Query.Length + issuer.Fragment.Length > 0)
            throw new StartupException($"{at}__Issuer must be an https:// address without a query.");
        if (!development && issuer.Scheme != Uri.UriSchemeHttps)
            throw new StartupException($"{at}__Issuer must be an https:// address outside Development.");
        var authority = new OutsideAuthority
        {
            Name = name,
            Issuer = section["Issuer"]!,
            Audiences = Required(Words(section["Audience"]), $"{at}__Audience: the vault's name at the provider, which its access tokens bear in aud"),
            Roles = Map(section.GetSection("Roles"), at + "__Roles") ?? throw new StartupException($"Set {at}__Roles__Claim and {at}__Roles__Words."),
            Purposes = Map(section.GetSection("Purposes"), at + "__Purposes"),
            Realms = [.. Words(section["Realms"] ?? "staff").Select(word => RealmNames.TryParse(word, out var realm) ? realm : throw new StartupException($"{at}__Realms names {word}: it is staff, customer or application."))],
            Application = section["Application"] is { Length: > 0 } rule ? Pair(rule, at + "__Application") : null,
        };
        return Checked(Optional(authority, section), at);
    }

    private static OutsideAuthority Optional(OutsideAuthority authority, IConfigurationSection section) => authority with
    {
        Algorithms = section["Algorithms"] is { Length: > 0 } algorithms ? Words(algorithms) : authority.Algorithms,
        TokenTypes = section["TokenTypes"] is { Length: > 0 } types ? Words(types) : authority.TokenTypes,
        MultiFactorAcr = Words(section["MultiFactor:Acr"]),
        MultiFactorAmr = section["MultiFactor:Amr"] is { Length: > 0 } methods ? Words(methods) : authority.MultiFactorAmr,
        AcrClaim = section["MultiFactor:AcrClaim"] is { Length: > 0 } claim ? claim : authority.AcrClaim,
        KeysFresh = section.GetValue("KeysFresh", authority.KeysFresh),
        KeysLongest = section.GetValue("KeysLongest", authority.KeysLongest),
    };

    private static OutsideAuthority Checked(OutsideAuthority authority, string at)
    {
        if (authority.Algorithms.FirstOrDefault(one => !KnownAlgorithms.Contains(one)) is { } unknown)
            throw new StartupException($"{at}__Algorithms names {unknown}: signatures are by a key pair, {string.Join(", ", KnownAlgorithms)}.");
        if (authority.Roles.Words.Values.FirstOrDefault(ProcessRoles.Contains) is { } own)
            throw new StartupException($"{at}__Roles__Words gives the role {own}, which is the vault's own.");
        return authority;
    }

    private static ClaimWords? Map(IConfigurationSection section, string at)
    {
        if (!section.Exists()) return null;
        var claim = section["Claim"] is { Length: > 0 } name ? name : throw new StartupException($"Set {at}__Claim.");
        var words = Required((section["Words"] ?? "").Split(Between, Trimmed), $"{at}__Words: theirs=ours, with semicolons between").Select(word => Pair(word, at + "__Words")).ToList();
        return words.DistinctBy(pair => pair.Claim).Count() < words.Count
            ? throw new StartupException($"{at}__Words gives a word twice.")
            : new ClaimWords(claim, words.ToDictionary(pair => pair.Claim, pair => pair.Value, StringComparer.Ordinal));
    }

    // Their words may have an equals sign (addresses do); ours have none.
    private static (string Claim, string Value) Pair(string text, string at) =>
        text.LastIndexOf('=') is var sign && sign > 0 && sign < text.Length - 1 ? (text[..sign], text[(sign + 1)..]) : throw new StartupException($"{at}: {text} is not of the form theirs=ours.");

    private static string[] Words(string? text) => (text ?? "").Split(Separators, Trimmed);

    private static string[] Required(string[] words, string what) => words.Length > 0 ? words : throw new StartupException($"Set {what}.");

    private string? Text(string name) => configuration[name] is { Length: > 0 } text ? text : null;
}
