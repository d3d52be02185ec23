using DataVault.Issuer;
using DataVault.Server.Database;
using DataVault.Server.Http;
using DataVault.Server.OpenDsr;
using DataVault.Server.Outbound;
using DataVault.Vault;

namespace DataVault.Server;

/// <summary>What the server is told from outside: environment variables, command line, appsettings.</summary>
internal sealed class ServerSettings
{
    internal const string RootKeySection = "Vault:RootKey";
    internal const string PreviousRootKeySection = "Vault:RootKey:Previous";

    private readonly IConfiguration _configuration;

    public ServerSettings(IConfiguration configuration, IHostEnvironment environment)
    {
        _configuration = configuration;
        Development = environment.IsDevelopment();
        Home = Path.GetFullPath(Text("Vault:Home") ?? ".vault");
        Urls = (Text("urls") ?? Text("http_ports") ?? "http://127.0.0.1:8080").Split(';', StringSplitOptions.RemoveEmptyEntries);
        Address = (Text("Vault:PublicAddress") ?? Urls[0]).TrimEnd('/');
        Limits = configuration.GetSection("Limits").Get<LimitOptions>() ?? new LimitOptions();
        Outbound = OutboundOptions.From(configuration);
        Identity = new IdentitySettings(configuration, Development);
        OpenDsr = new OpenDsrSettings(configuration, Development, Address);
    }

    public bool Development { get; }

    public string Home { get; }

    public IReadOnlyList<string> Urls { get; }

    /// <summary>The address that people and applications use; the issuer's name.</summary>
    public string Address { get; }

    public LimitOptions Limits { get; }

    /// <summary>Whom the log is shown to.</summary>
    public OutboundOptions Outbound { get; }

    /// <summary>Who says who somebody is.</summary>
    public IdentitySettings Identity { get; }

    /// <summary>How the vault is the processor of controllers.</summary>
    public OpenDsrSettings OpenDsr { get; }

    public string Origin => Text("Vault:Origin") ?? "datavault.example/log";

    /// <exception cref="StartupException">It is incomplete or not safe outside Development.</exception>
    public RootKeySource RootKey => new RootKeySettings(_configuration, RootKeySection, Development).Read();

    /// <summary>The root key before, while a rotation is going on; null when none is configured.</summary>
    public RootKeySource? PreviousRootKey =>
        _configuration.GetSection(PreviousRootKeySection).Exists() ? new RootKeySettings(_configuration, PreviousRootKeySection, Development).Read() : null;

    /// <summary>Folder of the log's mirror; null for one in the home folder.</summary>
    public string? LogMirror => Text("Vault:LogMirror") is { } folder ? Path.GetFullPath(folder) : null;

    /// <summary>What opens the backups of a part. The two differ, so that whoever finds one can read nothing.</summary>
    /// <exception cref="StartupException">It is absent, short, or the other part's too.</exception>
    public string BackupPassphrase(BackupPart part)
    {
        var name = part == BackupPart.Data ? "Data" : "Keys";
        if (Secret($"Backup:{name}Passphrase") is not { Length: >= 20 } passphrase)
            throw new StartupException($"Set Backup__{name}Passphrase, or Backup__{name}PassphraseFile, to at least 20 characters.");
        if (Secret("Backup:DataPassphrase") == Secret("Backup:KeysPassphrase"))
            throw new StartupException("The backups of data and of keys need different passphrases: one must not open both.");
        return passphrase;
    }

    public string? ConsoleSecret => Secret("Console:ClientSecret");

    public string? Collector => Text("OTEL_EXPORTER_OTLP_ENDPOINT");

    /// <summary>/metrics also answers callers from elsewhere, where the network keeps strangers away.</summary>
    public bool MetricsForAll => _configuration.GetValue("Vault:MetricsForAll", false);

    public string SearchPath => Text("PATH") ?? "";

    /// <summary>A proxy in front ends TLS and is the only way in.</summary>
    public bool BehindTlsProxy => _configuration.GetValue("Vault:BehindTlsProxy", false);

    /// <summary>What is saved in the folder of policies is proposed at once.</summary>
    /// <exception cref="StartupException">Outside Development, where putting a version in force is an act of somebody.</exception>
    public bool WatchesPolicies => _configuration.GetValue("Vault:WatchPolicies", Development) switch
    {
        true when !Development => throw new StartupException("Vault__WatchPolicies is for Development: elsewhere a version comes into force by datavault policy activate, or by a start."),
        var watches => watches,
    };

    /// <summary>Proxies whose X-Forwarded-For is believed.</summary>
    /// <exception cref="StartupException">One is not written as a network.</exception>
    public IReadOnlyList<System.Net.IPNetwork> TrustedProxies =>
        [.. (Text("Vault:TrustedProxies") ?? "").Split([' ', ','], StringSplitOptions.RemoveEmptyEntries).Select(text => System.Net.IPNetwork.TryParse(text, out var network)
            ? network
            : throw new StartupException($"Vault__TrustedProxies names {text}: a network is address/bits, such as 10.0.0.5/32."))];

    /// <summary>Customers of the sample; 0 for none.</summary>
    public TimeSpan IndexEpochLength => _configuration.GetValue("Vault:IndexEpochLength", TimeSpan.FromDays(90));

    public TimeSpan EpochLength => _configuration.GetValue("Vault:EpochLength", TimeSpan.FromHours(24));

    public TimeSpan RetentionEvery => _configuration.GetValue("Vault:RetentionEvery", TimeSpan.FromDays(1));

    public TimeSpan EpochRetention => _configuration.GetValue("Vault:EpochRetention", TimeSpan.FromDays(7));

    public double RotationShare => _configuration.GetValue("Vault:RotationShare", 0.25);

    public TimeSpan RenewalGrace => _configuration.GetValue("Vault:RenewalGrace", TimeSpan.FromMinutes(10));

    /// <summary>Ages from which a rotation is said to be due.</summary>
    /// <summary>Outside Development backups are to be made and tried; zero: nobody is reminded.</summary>
    public TimeSpan? BackupsDueAfter => Reminder("Backup:DueAfter", TimeSpan.FromDays(2));

    public TimeSpan? DrillsDueAfter => Reminder("Backup:DrillDueAfter", TimeSpan.FromDays(100));

    public KeyAges KeyAges => new()
    {
        Root = _configuration.GetValue("Vault:KeyAges:Root", new KeyAges().Root),
        Vault = _configuration.GetValue("Vault:KeyAges:Vault", new KeyAges().Vault),
        Subjects = _configuration.GetValue("Vault:KeyAges:Subjects", new KeyAges().Subjects),
    };

    /// <summary>From where on a figure of the officer's desk is red.</summary>
    /// <exception cref="StartupException">A limit is no time that passes.</exception>
    public DeskLimits Desk => _configuration.GetSection("Desk").Get<DeskLimits>() switch
    {
        null => new DeskLimits(),
        { DueSoon.Ticks: > 0, Stuck.Ticks: > 0, Erasure.Ticks: > 0, Unacknowledged.Ticks: > 0, Anchored.Ticks: > 0, BreachLeft.Ticks: > 0, Drill.Ticks: > 0, ClockAhead.Ticks: > 0, RecountEvery.Ticks: > 0, ReaderFactor: > 0, BulkPeople: > 0 } limits => limits,
        _ => throw new StartupException("The limits under Desk are above zero."),
    };

    /// <summary>How old a sign-in may be for approvals, keys, the policy, accounts and applications.</summary>
    public TimeSpan StepUpAge => _configuration.GetValue("Vault:StepUpAge", TimeSpan.FromMinutes(15));

    /// <summary>An application with <c>policy.manage</c> puts versions of the policy in force by its own secret; otherwise people alone do.</summary>
    public bool ApplicationsActivatePolicies => _configuration.GetValue("Vault:ApplicationsActivatePolicies", false);

    /// <summary>In <see cref="BoundClasses"/>: all that the catalogue calls so.</summary>
    public const string SensitiveClasses = "sensitive";

    /// <summary>Classes of fields that no application reads in plain without a key of its own (RFC 9449).</summary>
    public IReadOnlyList<string> BoundClasses => (Text("Vault:BoundClasses") ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    public double IndexShare => _configuration.GetValue("Vault:IndexShare", 0.5);

    public int SearchCandidates => _configuration.GetValue("Vault:SearchCandidates", 2_000);

    public int SampleCustomers => _configuration.GetValue("Vault:SampleCustomers", SampleData.DefaultCustomers);

    /// <summary>File of breached passwords by their SHA-1, in order.</summary>
    public string? BreachedPasswords => _configuration["Issuer:BreachedPasswords"] switch
    {
        null or "" => null,
        var file when File.Exists(file) => file,
        _ => throw new StartupException("Issuer:BreachedPasswords names no file."),
    };

    /// <summary>How e-mail leaves the vault: by a server, in Development without one into a folder of the home, and otherwise not.</summary>
    /// <exception cref="StartupException">A server is named without an address to send from.</exception>
    public MailRoute? Mail => Text("Mail:Host") switch
    {
        { } host => new MailServer
        {
            Host = host,
            Port = _configuration.GetValue("Mail:Port", 587),
            From = Text("Mail:From") is { } from && System.Net.Mail.MailAddress.TryCreate(from, out _) ? from : throw new StartupException("Mail__Host needs Mail__From: the address that messages come from."),
            User = Text("Mail:User"),
            Password = Secret("Mail:Password"),
        },
        null => Development ? new MailFolder { Path = Path.Combine(Home, "mail") } : null,
    };

    /// <summary>Officers who are reminded once a day of requests whose time runs out.</summary>
    /// <exception cref="StartupException">One is no address.</exception>
    public IReadOnlyList<string> Reminders =>
        [.. (Text("Mail:Reminders") ?? "").Split([' ', ','], StringSplitOptions.RemoveEmptyEntries).Select(text => MailDoor.IsAddress(text)
            ? text
            : throw new StartupException("Mail__Reminders names what is no address: it is a list of addresses, with commas between."))];

    public int PasswordIterations => _configuration.GetValue("Issuer:PasswordIterations", 600_000);

    /// <summary>A private PostgreSQL is run beside the server when none is named.</summary>
    public bool RunsOwnDatabase => Development && Connection("Vault") is null && Connection("Keys") is null;

    public string? Connection(string name) => _configuration.GetConnectionString(name) is { Length: > 0 } text ? text : null;

    /// <exception cref="StartupException">The connection string is absent.</exception>
    public string RequiredConnection(string name) =>
        Connection(name) ?? throw new StartupException($"ConnectionStrings__{name} is not set.");

    /// <summary>The folder of policies: configured, else found upwards from the working directory, else from where the binaries are.</summary>
    public string PoliciesFolder()
    {
        if (Text("Vault:Policies") is { } configured)
            return Directory.Exists(configured) ? configured : throw new StartupException($"Vault__Policies names {configured}, which is not a folder.");
        return PoliciesFrom(Directory.GetCurrentDirectory()) ?? PoliciesFrom(AppContext.BaseDirectory)
            ?? throw new StartupException("There is no folder 'policies': start in the repository or set Vault__Policies.");
    }

    internal static string? PoliciesFrom(string start)
    {
        for (var folder = new DirectoryInfo(start); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "policies", "catalogue.yaml")))
                return Path.Combine(folder.FullName, "policies");
        }
        return null;
    }

    /// <summary>Outside Development nothing unsafe is guessed.</summary>
    /// <exception cref="StartupException">One line naming what is unsafe or absent.</exception>
    public void RefuseUnsafe()
    {
        if (Development)
            return;
        RequiredConnection("Vault");
        RequiredConnection("Keys");
        _ = (RootKey, PreviousRootKey, WatchesPolicies, TrustedProxies, Mail, Reminders);
        if (Identity.ConsoleProvider(ConsoleSecret) is null && ConsoleSecret is not { Length: >= 32 })
            throw new StartupException("Set Console__ClientSecret, or Console__ClientSecretFile, to at least 32 random characters.");
        if (!Address.StartsWith("https://", StringComparison.Ordinal))
            throw new StartupException("Outside Development Vault__PublicAddress must be the https:// address that callers use.");
        if (!BehindTlsProxy && Urls.Any(u => !u.StartsWith("https://", StringComparison.Ordinal)))
            throw new StartupException("Outside Development the server listens on https:// only (ASPNETCORE_URLS), unless Vault__BehindTlsProxy=true says that a proxy ends TLS.");
    }

    /// <summary>Who is told of erasures: <c>Erasure:Recipients:NAME</c> with <c>Url</c>, <c>Secret</c> or <c>SecretFile</c>, <c>Reference</c> and <c>Client</c>.</summary>
    /// <exception cref="StartupException">An address that is not https (outside Development), or a secret that is too short.</exception>
    public IReadOnlyList<RecipientSetting> Recipients() => [.. _configuration.GetSection("Erasure:Recipients").GetChildren().Select(section => Recipient(section, section.Key))];

    /// <summary>Who is told that a person has a message: <c>Messages:Channel</c> with <c>Url</c>, and <c>Secret</c> or <c>SecretFile</c>; null without one.</summary>
    /// <exception cref="StartupException">As for <see cref="Recipients"/>.</exception>
    public RecipientSetting? MessageChannel() => _configuration.GetSection("Messages:Channel") is var section && section.Exists() ? Recipient(section, "messages") : null;

    private RecipientSetting Recipient(IConfigurationSection section, string name)
    {
        var at = section.Path;
        if (!Uri.TryCreate(Text($"{at}:Url"), UriKind.Absolute, out var url) || url.Scheme != Uri.UriSchemeHttps && !(Development && url.Scheme == Uri.UriSchemeHttp))
            throw new StartupException($"{at}:Url must be an https:// address.");
        if (Secret($"{at}:Secret") is not { Length: >= 32 } secret || !RecipientCalls.IsSecret(secret))
            throw new StartupException($"Set {at}:Secret, or {at}:SecretFile, to at least 32 random characters, or to whsec_ and at least 24 random bytes in base64.");
        return new RecipientSetting(new ErasureRecipient(name, Text($"{at}:Reference") ?? ErasureRecipient.CustomerReference, Text($"{at}:Client")), url, secret);
    }

    private TimeSpan? Reminder(string name, TimeSpan outsideDevelopment)
    {
        var after = _configuration.GetValue(name, Development ? TimeSpan.Zero : outsideDevelopment);
        return after > TimeSpan.Zero ? after : null;
    }

    private string? Text(string name) => _configuration[name] is { Length: > 0 } text ? text : null;

    // A file keeps a secret out of the environment, where other processes may see it.
    private string? Secret(string name) =>
        Text(name) ?? ReadSecret(Text(name + "File"));

    /// <exception cref="StartupException">The file is named and cannot be read.</exception>
    internal static string? ReadSecret(string? file)
    {
        try
        {
            return file is null ? null : File.ReadAllText(file).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartupException($"The file {file} that a setting names cannot be read.");
        }
    }
}
