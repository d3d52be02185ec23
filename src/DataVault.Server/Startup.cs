using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using DataVault.Analytics;
using DataVault.Client;
using DataVault.Console;
using DataVault.Issuer;
using DataVault.Policy;
using DataVault.Server.Backup;
using DataVault.Server.Database;
using DataVault.Server.Endpoints;
using DataVault.Server.Http;
using DataVault.Server.OpenDsr;
using DataVault.Server.Operations;
using DataVault.Server.Outbound;
using DataVault.Transparency;
using DataVault.Vault;
using Microsoft.Extensions.Logging.Console;

namespace DataVault.Server;

/// <summary>Where the databases are and how the server logs in to them.</summary>
internal sealed record DatabaseConnections(string Vault, string Keys, string Issuer, string Analytics)
{
    public static DatabaseConnections Configured(ServerSettings settings)
    {
        var vault = settings.RequiredConnection("Vault");
        return new(vault, settings.RequiredConnection("Keys"), settings.Connection("Issuer") ?? vault, settings.Connection("Analytics") ?? vault);
    }

    public static DatabaseConnections Embedded(EmbeddedPostgres postgres) => Embedded(postgres.ConnectionString);

    /// <param name="connection">Gives the connection string of a database for a role.</param>
    public static DatabaseConnections Embedded(Func<string, string, string> connection) =>
        new(connection("vault", "dv_vault_app"), connection("keys", "dv_keys_app"), connection("vault", "dv_issuer_app"), connection("vault", "dv_analytics_app"));

    /// <summary>Each login with the groups it needs; one that serves two parts gets the groups of both.</summary>
    public IEnumerable<ServerLogin> Logins() =>
        [new(Vault, "dv_vault"), new(Keys, "dv_keys"), new(Issuer, "dv_issuer"), new(Analytics, "dv_analytics")];
}

/// <summary>The composition root: reads the settings, brings the databases up, wires the parts, serves until told to stop.</summary>
internal sealed class Startup(WebApplicationBuilder builder, ServerSettings settings, PolicyFolder folder, Action<string> print)
{
    /// <summary>The console's id at the vault's own issuer.</summary>
    public const string ConsoleClient = "console";

    private PolicySet? begun;
    private DomainProvision? provideDomains;

    /// <summary>Standard output carries something else than words.</summary>
    public bool LogsAside { get; init; }

    /// <summary>Runs until cancelled.</summary>
    public async Task ServeAsync(CancellationToken stop)
    {
        settings.RefuseUnsafe();
        using var home = settings.RunsOwnDatabase ? VaultHome.Claim(settings.Home) : VaultHome.Join(settings.Home);
        RefuseTakenPort();
        await using var postgres = settings.RunsOwnDatabase ? await StartPostgresAsync(stop) : null;
        var connections = postgres is null ? DatabaseConnections.Configured(settings) : DatabaseConnections.Embedded(postgres);
        begun = await folder.BeginningAsync(connections.Vault, stop);
        if (postgres is not null)
            await PrepareAsync(postgres, connections, stop);
        if (!settings.Development)
            await RefusePowerfulLoginsAsync(connections, stop);
        await using var app = Build(connections, ConsoleSecret(home));
        var firstRun = new FirstRun(app.Services, home, settings, print);
        var fill = settings.Development && !firstRun.IsDone;
        await app.StartAsync(stop);
        WarnOfOneNetwork(app.Logger);
        // For whoever verifies the log from this machine; it is public, and /audit/keys gives it too.
        await WriteKeyFileAsync(app.Services.GetRequiredService<SignerCare>(), stop);
        await EnsureSignInsAsync(app.Services, home, stop);
        await folder.ProposeAsync(app.Services.GetRequiredService<PolicyActivations>(), print, stop);
        using var watch = settings.WatchesPolicies ? WatchFolder(app.Services) : null;
        if (watch is not null)
            await watch.StartAsync(stop);
        if (fill)
            await firstRun.FillAsync(postgres, stop);
        app.Services.GetRequiredService<Health>().IsFilled = true;
        if (settings.Development)
            firstRun.Announce(withSecrets: fill);
        await WaitAsync(app, postgres, stop);
    }

    /// <summary>The command <c>signer</c>: <c>keys</c>, <c>rotate</c>, <c>retire</c>, or <c>adopt FILE</c> with a checkpoint that an auditor or a witness holds.</summary>
    public Task CareForSignerAsync(IReadOnlyList<string> words, CancellationToken stop) => WithVaultAsync(async services =>
    {
        try
        {
            var care = services.GetRequiredService<SignerCare>();
            print(await new SignerCommand(care).RunAsync(words, stop));
            await WriteKeyFileAsync(care, stop);
        }
        catch (VaultException e)
        {
            throw new StartupException(e.Message);
        }
    }, stop);

    /// <summary>The command <c>migrate</c>: databases, schema, and the logins named by the server's connection strings.</summary>
    public async Task MigrateAsync(CancellationToken stop)
    {
        var provisioning = new Provisioning(settings.RequiredConnection("VaultMigrator"), settings.RequiredConnection("KeysMigrator"));
        await provisioning.CreateDatabasesAsync(stop);
        await provisioning.MigrateAsync(folder.Required(), stop);
        await provisioning.CreateLoginsAsync(DatabaseConnections.Configured(settings).Logins(), stop);
        print("The databases are up to date.");
    }

    /// <summary>The command <c>administrator EMAIL</c>: the first account of a new vault, which invites all others.</summary>
    public Task CreateAdministratorAsync(string email, CancellationToken stop) => WithVaultAsync(async services =>
    {
        try
        {
            var issued = await services.GetRequiredService<AccountRegistry>().CreateAsync(email, "administrator", IssuerParty.Vault, cancellationToken: stop);
            print($"The administrator signs in at {settings.Address}/console with this password, once, and then chooses another: {issued.OneTimePassword}");
        }
        catch (IssuerException e)
        {
            throw new StartupException(e.Message);
        }
    }, stop);

    /// <summary>The commands <c>restore status</c> and, with names, <c>restore lift</c>.</summary>
    public Task GoThroughSignInsAsync(IReadOnlyList<string> lifted, CancellationToken stop) => WithVaultAsync(async services =>
    {
        try
        {
            var signIns = services.GetRequiredService<OlderSignIns>();
            if (lifted.Count > 0)
                await RestoredSignIns.LiftAsync(signIns, lifted, print, stop);
            else
                await RestoredSignIns.ShowAsync(signIns, print, stop);
        }
        catch (IssuerException e)
        {
            throw new StartupException(e.Message);
        }
    }, stop);

    // For commands that write to the log: the parts run, on a port that nobody knows, beside whatever servers there are.
    private Task WithVaultAsync(Func<IServiceProvider, Task> work, CancellationToken stop) => Visit().BesideServersAsync(async databases =>
    {
        await using var app = Build(databases.Logins, settings.ConsoleSecret ?? "");
        app.Urls.Clear();
        app.Urls.Add("http://127.0.0.1:0");
        await app.StartAsync(stop);
        try
        {
            await work(app.Services);
        }
        finally
        {
            await app.StopAsync(CancellationToken.None);
        }
    }, stop);

    /// <summary>The command <c>check</c>: reads everything as of one moment, changes nothing, beside servers that work or without. False when something is wrong, and then it has said what.</summary>
    public async Task<bool> CheckAsync(bool deep, CancellationToken stop)
    {
        var sound = false;
        await Visit().LookAsync(
            async databases =>
            {
                await using var app = Build(databases.Logins, settings.ConsoleSecret ?? "");
                var report = await app.Services.GetRequiredService<VaultCheck>().RunAsync(new CheckOptions(deep), print, stop);
                print("Looked at " + string.Join(", ", report.Counted.Select(counted => $"{counted.Value:N0} {counted.Key}")));
                foreach (var note in report.Notes)
                    print("Note: " + note);
                foreach (var finding in report.Findings)
                    print($"WRONG {finding}");
                var foreign = await app.Services.GetRequiredService<IssuerCheck>().RunAsync(stop);
                foreach (var line in foreign)
                    print($"WRONG {new CheckFinding("sign-ins", line)}");
                sound = report.Ok && foreign.Count == 0;
                print(sound ? "The databases, the log, the journal and the packages agree." : "The vault is not sound.");
            },
            stop);
        return sound;
    }

    /// <summary>For commands that work on the databases and go.</summary>
    public VaultVisit Visit()
    {
        settings.RefuseUnsafe();
        return new VaultVisit(settings, StartPostgresAsync, connections => Build(connections, settings.ConsoleSecret ?? ""));
    }

    private void RefuseTakenPort()
    {
        foreach (var url in settings.Urls)
        {
            var address = AddressOf(url);
            if (address.Port == 0)
                continue;
            using var probe = new TcpListener(InterfaceOf(address.Host), address.Port);
            try
            {
                probe.Start();
            }
            catch (SocketException)
            {
                throw new StartupException($"Port {address.Port} of {address.Host} is taken by another program: stop it, or choose another with ASPNETCORE_URLS (or --urls).");
            }
        }
    }

    private static BindingAddress AddressOf(string url)
    {
        try
        {
            return BindingAddress.Parse(url);
        }
        catch (FormatException)
        {
            throw new StartupException($"'{url}' is not an address to listen on: write http://127.0.0.1:8080 (ASPNETCORE_URLS or --urls).");
        }
    }

    // A name that is neither an address nor localhost stands for every interface, as it does for the web server.
    private static IPAddress InterfaceOf(string host) =>
        IPAddress.TryParse(host, out var ip) ? ip : host == "localhost" ? IPAddress.Loopback : IPAddress.Any;

    // One key is one line, which every verifier reads; several are a list. A signer whose keys cannot be opened says so itself, and the vault goes on.
    private async Task WriteKeyFileAsync(SignerCare care, CancellationToken stop)
    {
        if (care.KeysOrNull() is { } keys)
            await File.WriteAllTextAsync(Path.Combine(settings.Home, "log.vkey"), keys.Keys is [var only] ? only.VerifierKey + "\n" : keys.ToString(), stop);
    }

    private async Task<EmbeddedPostgres> StartPostgresAsync(CancellationToken stop) =>
        await EmbeddedPostgres.StartAsync(
            new EmbeddedPostgresOptions(settings.Home, ["dv_vault_app", "dv_keys_app", "dv_issuer_app", "dv_analytics_app"], settings.SearchPath) { Progress = print },
            stop);

    // Every call then comes from the proxy: one who fails holds up all others.
    private void WarnOfOneNetwork(ILogger logger)
    {
        if (settings.BehindTlsProxy && settings.TrustedProxies.Count == 0)
            logger.LogWarning("Vault__BehindTlsProxy is set and Vault__TrustedProxies is not: to limits, brakes and networks of applications the whole world is one network, the proxy's. Name the proxy.");
    }

    private async Task PrepareAsync(EmbeddedPostgres postgres, DatabaseConnections connections, CancellationToken stop)
    {
        if (postgres.IsNew)
            print("Creating the databases vault and keys");
        var provisioning = new Provisioning(
            postgres.ConnectionString("vault", EmbeddedPostgres.Administrator), postgres.ConnectionString("keys", EmbeddedPostgres.Administrator));
        await provisioning.CreateDatabasesAsync(stop);
        await provisioning.MigrateAsync(begun ?? folder.Required(), stop);
        await provisioning.CreateLoginsAsync(connections.Logins(), stop);
        provideDomains = (domains, ct) => VaultMigrator.ProvideDomainsAsync(postgres.ConnectionString("vault", EmbeddedPostgres.Administrator), domains, ct);
    }

    private static async Task RefusePowerfulLoginsAsync(DatabaseConnections connections, CancellationToken stop)
    {
        await LoginCheck.RefusePowerfulAsync("Issuer", connections.Issuer, stop);
        await LoginCheck.RefusePowerfulAsync("Analytics", connections.Analytics, stop);
    }

    private string ConsoleSecret(VaultHome home)
    {
        if (settings.ConsoleSecret is { } configured)
            return configured;
        var file = Path.Combine(home.Folder, "console.secret");
        if (!File.Exists(file))
            FileModes.WriteSecret(file, RandomNumberGenerator.GetHexString(64, lowercase: true));
        return File.ReadAllText(file);
    }

    // The two ways in that the vault brings itself.
    private async Task EnsureSignInsAsync(IServiceProvider services, VaultHome home, CancellationToken stop)
    {
        var registry = services.GetRequiredService<ClientRegistry>();
        if (settings.Identity.ConsoleProvider(settings.ConsoleSecret) is null)
            await EnsureConsoleAsync(registry, home, stop);
        await registry.EnsureAsync(ClientRegistration.Program(CommandLineClient.Id, "the command line (datavault login)", CommandLineClient.Path), null, stop);
    }

    private Task EnsureConsoleAsync(ClientRegistry registry, VaultHome home, CancellationToken stop) =>
        registry.EnsureAsync(
            ClientRegistration.SignIn(ConsoleClient, "Console", [settings.Address + "/console/callback"], [settings.Address + "/console/signed-out"]),
            ConsoleSecret(home),
            stop);

    private PolicyFolderWatch WatchFolder(IServiceProvider services) => new(
        folder, services.GetRequiredService<PolicyActivations>(), print, services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<PolicyFolderWatch>>());

    private async Task WaitAsync(WebApplication app, EmbeddedPostgres? postgres, CancellationToken stop)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stop, app.Lifetime.ApplicationStopping);
        var supervision = postgres?.SuperviseAsync(print, ended.Token) ?? Task.CompletedTask;
        try
        {
            await Task.Delay(Timeout.Infinite, ended.Token);
        }
        catch (OperationCanceledException)
        {
            print("Stopping");
        }
        await app.StopAsync(CancellationToken.None);
        await supervision.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
    }

    private WebApplication Build(DatabaseConnections connections, string consoleSecret)
    {
        builder.WebHost.UseUrls([.. settings.Urls]);
        builder.WebHost.ConfigureKestrel(Limits.Apply);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(20));
        AddLogging(builder.Logging);
        AddParts(builder.Services, connections, consoleSecret);
        AddHttp(builder.Services);
        var app = builder.Build();
        UseHttp(app);
        Map(app);
        return app;
    }

    private void AddLogging(ILoggingBuilder logging)
    {
        logging.ClearProviders();
        logging.AddConsole(console =>
        {
            console.FormatterName = settings.Development ? PlainLog.FormatName : JsonLog.FormatName;
            if (LogsAside)
                console.LogToStandardErrorThreshold = LogLevel.Trace;
        });
        logging.AddConsoleFormatter<JsonLog, ConsoleFormatterOptions>();
        logging.AddConsoleFormatter<PlainLog, ConsoleFormatterOptions>();
        // The framework's own lines at Information hold URLs with their queries.
        logging.SetMinimumLevel(LogLevel.Information).AddFilter("Microsoft", LogLevel.Warning).AddFilter("System", LogLevel.Warning)
            .AddFilter("Microsoft.EntityFrameworkCore", LogLevel.Error).AddFilter("Npgsql", LogLevel.None);
    }

    private void AddParts(IServiceCollection services, DatabaseConnections connections, string consoleSecret)
    {
        var recipients = settings.Recipients();
        var channel = settings.MessageChannel();
        services.AddSingleton(settings);
        services.AddVault(
            new VaultOptions
            {
                DataConnection = connections.Vault,
                KeysConnection = connections.Keys,
                Home = settings.Home,
                LogMirror = settings.LogMirror,
                Origin = settings.Origin,
                Development = settings.Development,
                RootKey = settings.RootKey,
                PreviousRootKey = settings.PreviousRootKey,
                IndexEpochLength = settings.IndexEpochLength,
                IndexShare = settings.IndexShare,
                EpochLength = settings.EpochLength,
                EpochRetention = settings.EpochRetention,
                RetentionEvery = settings.RetentionEvery,
                RotationShare = settings.RotationShare,
                RenewalGrace = settings.RenewalGrace,
                KeyAges = settings.KeyAges,
                BackupsDueAfter = settings.BackupsDueAfter,
                DrillsDueAfter = settings.DrillsDueAfter,
                Desk = settings.Desk,
                SearchCandidates = settings.SearchCandidates,
                Recipients = [.. recipients.Select(one => one.Recipient)],
                MessageChannel = channel?.Recipient.Name,
                OpenDsr = settings.OpenDsr.Options(),
                Address = settings.Address,
                LettersByMail = settings.Mail is not null,
                ReminderAddresses = settings.Mail is null ? [] : settings.Reminders,
                ProvideDomains = provideDomains,
            },
            begun ?? folder.Required());
        services.AddHttpContextAccessor().AddSingleton(p => new SignInBrake(settings.Limits, p.GetRequiredService<TimeProvider>()));
        services.AddSingleton<ISignInAudit, SignInAudit>();
        services.AddSingleton<ISubjectAccounts, SubjectAccounts>();
        services.AddSingleton<ISealingMark, SealingMark>();
        services.AddSingleton<IRowMemory, IssuerRowMemory>();
        services.AddSingleton<IStaffRoles, PolicyStaffRoles>();
        services.AddSingleton<IHeldPeople, HeldPeople>();
        services.AddSingleton(p => new RecipientCalls(channel is null ? recipients : [.. recipients, channel], p.GetRequiredService<TimeProvider>()));
        services.AddSingleton(settings.OpenDsr).AddSingleton(p => ProcessorCertificates.Load(settings.OpenDsr, settings.Home, p.GetRequiredService<TimeProvider>())).AddSingleton<OpenDsrCallbacks>();
        services.AddSingleton<IRecipientCalls, CallsOfEither>();
        services.AddIssuer(new IssuerOptions
        {
            Connection = connections.Issuer,
            Issuer = settings.Address,
            Development = settings.Development,
            PasswordIterations = settings.PasswordIterations,
            Authorities = settings.Identity.Authorities(),
            OwnTokens = settings.Identity.OwnIssuer,
            BreachedPasswords = settings.BreachedPasswords,
            Mail = settings.Mail,
        });
        if (settings.Mail is not null) services.AddSingleton<ILetterPost, LetterPost>();
        services.AddHostedService<RestoredSignIns>();
        services.AddAnalytics(connections.Analytics);
        services.AddConsole(new ConsoleOptions { Address = settings.Address, ClientId = ConsoleClient, ClientSecret = consoleSecret, Provider = settings.Identity.ConsoleProvider(settings.ConsoleSecret) });
        services.AddSingleton<SampleData>();
    }

    private void AddHttp(IServiceCollection services)
    {
        services.AddSingleton<EvenRefusals>();
        services.AddSingleton<Health>().AddSingleton<StatusSources>().AddSingleton<StatusReport>();
        services.AddOutbound(settings.Outbound);
        services.AddSingleton(_ => new Telemetry(settings.Collector));
        services.AddRateLimiter(limiter => Limits.Apply(limiter, settings.Limits));
        services.AddRequestTimeouts(timeouts => Limits.Apply(timeouts, settings.Limits));
        services.AddOpenApi("v1", OpenApi.Configure);
        services.ConfigureHttpJsonOptions(json => json.SerializerOptions.PropertyNamingPolicy = System.Text.Json.JsonNamingPolicy.CamelCase);
    }

    private void UseHttp(WebApplication app)
    {
        if (settings.TrustedProxies is { Count: > 0 } proxies)
            app.UseForwardedHeaders(Limits.Forwarded(proxies));
        app.Use((context, next) =>
        {
            ResponseHeaders.Apply(context);
            return next(context);
        });
        app.Use(Problems.HandleAsync);
        app.Use((context, next) => context.RequestServices.GetRequiredService<EvenRefusals>().HandleAsync(context, next));
        app.UseRouting();
        app.Use(async (context, next) =>
        {
            // Whatever decides, decides by the version that is in force in all processes when its call begins, and by no other until it ends.
            var policy = context.RequestServices.GetRequiredService<ActivePolicy>();
            if (Authorisation.IsGuarded(context))
                await policy.EnsureNewestAsync(context.RequestAborted);
            using var taken = policy.Take();
            await next(context);
        });
        app.Use(Caller.RecogniseAsync);
        app.UseRateLimiter();
        app.Use((context, next) => context.RequestServices.GetRequiredService<SignInBrake>().GuardAsync(context, next));
        app.UseRequestTimeouts();
        app.Use(Authorisation.CheckAsync);
        app.Use(GlobalPrivacyControl.HonourAsync);
        app.UseSwaggerUI(ui =>
        {
            ui.RoutePrefix = "docs";
            ui.DocumentTitle = "DataVault API";
            ui.SwaggerEndpoint("/openapi/v1.json", "DataVault v1");
        });
    }

    private void Map(WebApplication app)
    {
        app.Services.GetRequiredService<Telemetry>();
        app.MapOpenApi("/openapi/{documentName}.json");
        app.MapGet("/health/live", Health.AnswerLiveAsync).ExcludeFromDescription().DisableHttpMetrics();
        app.MapGet("/health/ready", (RequestDelegate)(c => c.RequestServices.GetRequiredService<Health>().AnswerReadyAsync(c))).DisableHttpMetrics();
        app.MapGet("/metrics", MetricsPage.AnswerAsync).ExcludeFromDescription().DisableHttpMetrics();
        GlobalPrivacyControl.Map(app);
        app.MapGet("/problems/{slug}", ProblemPages.AnswerAsync).ExcludeFromDescription();
        CustomerEndpoints.Map(app);
        EventEndpoints.Map(app);
        ConsentEndpoints.Map(app);
        StandingEndpoints.Map(app);
        RequestEndpoints.Map(app);
        OpenDsrEndpoints.Map(app);
        LimitEndpoints.Map(app);
        RecipientEndpoints.Map(app);
        AutomatedEndpoints.Map(app);
        RectificationEndpoints.Map(app);
        LetterEndpoints.Map(app);
        HoldEndpoints.Map(app);
        RetentionEndpoints.Map(app);
        SuppressionEndpoints.Map(app);
        BreachEndpoints.Map(app);
        EvidenceEndpoints.Map(app);
        OversightEndpoints.Map(app);
        DeskEndpoints.Map(app);
        MeEndpoints.Map(app);
        MyApplicationEndpoints.Map(app);
        RecoveryEndpoints.Map(app);
        AuditEndpoints.Map(app);
        AuditReportEndpoints.Map(app);
        PolicyEndpoints.Map(app);
        PolicyVersionEndpoints.Map(app);
        PolicyFindingEndpoints.Map(app);
        AnalyticsEndpoints.Map(app);
        AdministrationEndpoints.Map(app);
        ClientEndpoints.Map(app);
        OutsideAccountEndpoints.Map(app);
        AccountEndpoints.Map(app);
        IndexEndpoints.Map(app);
        KeyEndpoints.Map(app);
        if (settings.Identity.OwnIssuer)
            app.MapIssuer();
        app.MapConsole();
    }
}
