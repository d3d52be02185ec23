using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DataVault.Cryptography;
using DataVault.Issuer;
using DataVault.Issuer.Accounts;
using DataVault.Issuer.Tokens;
using DataVault.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace DataVault.Benchmarks;

/// <summary>
/// The issuer without HTTP: tokens written and checked a second, against the signature alone of the same stack; what the check of a token adds to a call; and a
/// sign-in, against the password's hash alone.
/// </summary>
internal static class IdentityBenchmark
{
    private const string Address = "https://vault.example";
    private const string Email = "person@people.example";

    public static async Task RunAsync(BenchmarkOptions options)
    {
        var (rounds, count, calls, signIns) = (options.Number("rounds", 9), options.Number("tokens", 5_000), options.Number("calls", 2_000), options.Number("signins", 8));
        await using var issuer = await OpenAsync(options.Number("iterations", 600_000));
        using var raw = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var terms = new TokenTerms(null, null);
        var (writer, validator) = (issuer.GetRequiredService<TokenWriter>(), issuer.GetRequiredService<AccessTokenValidator>());
        var client = (await issuer.GetRequiredService<ClientRegistry>().FindAsync("campaigns", default))!;
        var sample = Encoding.ASCII.GetBytes(await writer.ForApplicationAsync(client, terms, default));
        var signature = raw.SignData(sample, HashAlgorithmName.SHA256);

        Console.WriteLine("tokens written, against ECDSA P-256 signatures of as many bytes (aim 0.5)");
        await new Paired("token", "signature alone", rounds).RunAsync(count, "tokens", () => TimesAsync(count, _ => writer.ForApplicationAsync(client, terms, default)), () => Times(count, _ => raw.SignData(sample, HashAlgorithmName.SHA256)));

        Console.WriteLine("tokens checked that were never seen, against ECDSA P-256 verifications of as many bytes (aim 0.5)");
        var fresh = new Queue<string>();
        await new Paired("token", "verification alone", rounds).RunAsync(
            count,
            "tokens",
            () => TimesAsync(count, _ => RequireAsync(validator.ValidateAsync(fresh.Dequeue(), default))),
            () => Times(count, _ => raw.VerifyData(sample, signature, HashAlgorithmName.SHA256)),
            async () =>
            {
                fresh.Clear();
                for (var i = 0; i < count; i++) fresh.Enqueue(await writer.ForApplicationAsync(client, terms, default));
            });

        await CallsAsync(issuer, client, rounds, calls);
        await SignInsAsync(issuer, rounds, signIns);
    }

    // What a call pays before anything is looked at: the header to whoever calls.
    private static async Task CallsAsync(ServiceProvider issuer, DataVault.Issuer.Clients.Client client, int rounds, int calls)
    {
        var (writer, presented) = (issuer.GetRequiredService<TokenWriter>(), issuer.GetRequiredService<PresentedTokens>());
        using var proof = new Prover(issuer.GetRequiredService<DpopProofs>());
        var (bearer, bound) = (await writer.ForApplicationAsync(client, new TokenTerms(null, null), default), await writer.ForApplicationAsync(client, new TokenTerms(null, proof.Thumbprint), default));
        var proofs = new Queue<string>();
        Console.WriteLine("what a call adds whose token was seen before: with a proof of its key (aim 60 µs), and without");
        await new Paired("DPoP", "bearer", rounds).RunAsync(
            calls,
            "calls",
            () => TimesAsync(calls, _ => ReadAsync(presented, "DPoP " + bound, proofs.Dequeue())),
            () => TimesAsync(calls, _ => ReadAsync(presented, "Bearer " + bearer, null)),
            () =>
            {
                proofs.Clear();
                for (var i = 0; i < calls; i++) proofs.Enqueue(proof.For(bound));
                return Task.CompletedTask;
            });
    }

    private static async Task SignInsAsync(ServiceProvider issuer, int rounds, int signIns)
    {
        await using var scope = issuer.CreateAsyncScope();
        var signIn = scope.ServiceProvider.GetRequiredService<PasswordSignIn>();
        var hasher = scope.ServiceProvider.GetRequiredService<IPasswordHasher<Account>>();
        var password = (await issuer.GetRequiredService<AccountRegistry>().CreateAsync(Email, IssuerOptions.CustomerRole, IssuerParty.Vault, Guid.NewGuid(), lasting: true)).OneTimePassword;
        var hash = hasher.HashPassword(new Account(), password);
        Console.WriteLine("sign-ins one after the other, against the hash of the password alone (aim: nothing else)");
        await new Paired("sign-in", "hash alone", rounds).RunAsync(
            signIns,
            "sign-ins",
            () => TimesAsync(signIns, _ => SignInAsync(signIn, password)),
            () => Times(signIns, _ => hasher.VerifyHashedPassword(new Account(), hash, password)));
    }

    private static async Task SignInAsync(PasswordSignIn signIn, string password)
    {
        if (await signIn.CheckAsync(Realm.Customer, Email, password, default) is null) throw new InvalidOperationException("Nobody signed in.");
    }

    private static async Task ReadAsync(PresentedTokens presented, string authorization, string? proof)
    {
        var call = new DefaultHttpContext();
        call.Request.Method = HttpMethods.Get;
        call.Request.Path = Prover.Path;
        call.Request.Headers.Authorization = authorization;
        if (proof is not null) call.Request.Headers["DPoP"] = proof;
        if ((await presented.ReadAsync(call)).Token is null) throw new InvalidOperationException("The token was refused.");
    }

    private static async Task RequireAsync(ValueTask<ValidatedToken?> validation) => _ = await validation ?? throw new InvalidOperationException("The token was refused.");

    private static async Task TimesAsync(int count, Func<int, Task> act)
    {
        for (var i = 0; i < count; i++) await act(i);
    }

    private static Task Times<T>(int count, Func<int, T> act)
    {
        for (var i = 0; i < count; i++) act(i);
        return Task.CompletedTask;
    }

    private static async Task<ServiceProvider> OpenAsync(int iterations)
    {
        var cluster = await PostgresCluster.SharedAsync();
        await cluster.ExecuteAsync("postgres", "create database identity");
        await IssuerMigrator.MigrateAsync(cluster.ConnectionString("identity"), CancellationToken.None);
        var services = new ServiceCollection().AddLogging(logging => logging.ClearProviders());
        services.AddSingleton<IServiceKeys, Keys>().AddSingleton<ISealingMark, Done>().AddSingleton<IRowMemory, Reached>().AddSingleton<IStaffRoles, NoStaff>().AddSingleton<IHeldPeople, NobodyHeld>();
        services.AddSingleton<ISignInAudit, Unrecorded>();
        services.AddIssuer(new IssuerOptions { Connection = cluster.ConnectionString("identity"), Issuer = Address, Development = true, PasswordIterations = iterations });
        var issuer = services.BuildServiceProvider();
        await issuer.GetRequiredService<ClientRegistry>().RegisterAsync(ClientRegistration.Application("campaigns", "Campaigns", ["marketing"], ["marketing", "personalisation"]), IssuerParty.Vault);
        return issuer;
    }

    /// <summary>A client that proves its key (RFC 9449 §4.2).</summary>
    private sealed class Prover(DpopProofs proofs) : IDisposable
    {
        public const string Path = "/v1/customers/search";

        private readonly ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

        // RFC 7638 §3.2: the members in this order, without spaces.
        private string Jwk => key.ExportParameters(false).Q is var q ? $$"""{"crv":"P-256","kty":"EC","x":"{{Base64Url.EncodeToString(q.X)}}","y":"{{Base64Url.EncodeToString(q.Y)}}"}""" : "";

        public string Thumbprint => Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(Jwk)));

        public string For(string token)
        {
            var header = $$"""{"typ":"dpop+jwt","alg":"ES256","jwk":{{Jwk}}}""";
            var hash = Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(token)));
            var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
            var claims = $$"""{"jti":"{{Guid.NewGuid():N}}","htm":"GET","htu":"{{Address}}{{Path}}","iat":{{now}},"ath":"{{hash}}","nonce":"{{proofs.Nonce}}"}""";
            var signed = $"{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(header))}.{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(claims))}";
            return $"{signed}.{Base64Url.EncodeToString(key.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256))}";
        }

        public void Dispose() => key.Dispose();
    }

    private sealed class Keys : IServiceKeys
    {
        public SecretBytes Derive(string label) => SecretBytes.CopyOf(SHA256.HashData(Encoding.UTF8.GetBytes(label)));
    }

    private sealed class Done : ISealingMark
    {
        public Task<bool> IsSetAsync(string what, CancellationToken cancellationToken) => Task.FromResult(true);

        public Task SetAsync(string what, CancellationToken cancellationToken) => Task.CompletedTask;
    }

    private sealed class NoStaff : IStaffRoles
    {
        public bool Exists(string role) => false;

        public IReadOnlyList<string> PurposesOf(string role) => [];
    }

    private sealed class NobodyHeld : IHeldPeople
    {
        public Task<Guid?> FindAsync(string email, Guid question, CancellationToken cancellationToken) => Task.FromResult<Guid?>(null);

        public Task<string?> AddressOfAsync(Guid subject, Guid question, CancellationToken cancellationToken) => Task.FromResult<string?>(null);
    }

    // The log is measured by itself (append), and so are the keys (keys).
    private sealed class Unrecorded : ISignInAudit
    {
        public Task RecordAsync(SignInEvent signIn, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task<long> IntendAsync(IssuerChange change, CancellationToken cancellationToken) => Task.FromResult(0L);

        public Task ConfirmAsync(MadeChange made, CancellationToken cancellationToken) => Task.CompletedTask;
    }

    private sealed class Reached : IRowMemory
    {
        private readonly ConcurrentDictionary<string, long> reached = new();

        public Task<bool> IsNewestAsync(ReadOnlyMemory<byte> row, long version, CancellationToken cancellationToken) =>
            Task.FromResult(reached.AddOrUpdate(Convert.ToHexString(row.Span), version, (_, known) => Math.Max(known, version)) == version);

        public Task ReachedAsync(ReadOnlyMemory<byte> row, long version, CancellationToken cancellationToken) => IsNewestAsync(row, version, cancellationToken);

        public Task<long> NewestAsync(ReadOnlyMemory<byte> row, CancellationToken cancellationToken) => Task.FromResult(reached.GetValueOrDefault(Convert.ToHexString(row.Span)));

        public Task<IReadOnlyList<int>> OlderAsync(IReadOnlyList<(byte[] Row, long Version)> rows, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<int>>([]);

        public Task LowerAsync(ReadOnlyMemory<byte> row, long version, CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
