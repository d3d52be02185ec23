using System.Diagnostics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using DataVault.Server.Outbound;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataVault.Server.Tests.Outbound;

/// <summary>Timestamps, against the authority that OpenSSL is.</summary>
public sealed class TimestampTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tsa").FullName;

    [Fact]
    public async Task A_checkpoint_is_timestamped_verified_and_kept_with_an_entry_that_says_so()
    {
        MakeAuthority("rsa:2048");
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        await using var authority = await AuthorityAsync();
        using var state = new OutboundState();
        using var rounds = Rounds(vault, state, authority);
        await WitnessRoundsTests.GrowAsync(vault, 3);
        await rounds.RoundAsync(CancellationToken.None);
        var kept = await vault.Get<LogAnchors>().TimestampAsync(3);
        Assert.Equal(await vault.Get<AuditReader>().CheckpointAsync(), kept!.Note);
        Assert.Equal("ok", state.Parts.Single().Value);

        // Anybody can verify it without us.
        await File.WriteAllTextAsync(At("note"), kept.Note);
        await File.WriteAllBytesAsync(At("token"), kept.Token.ToArray());
        Assert.Contains("Verification: OK", OpenSsl("ts", "-verify", "-data", At("note"), "-in", At("token"), "-token_in", "-CAfile", At("root.pem")), StringComparison.Ordinal);
        var entries = await vault.Get<LogAnchors>().EntriesAsync(0, 10);
        await vault.Get<AuditReader>().SignAsync();
        entries = await vault.Get<LogAnchors>().EntriesAsync(0, 10);
        Assert.Equal((EntryType.Timestamp, 3L), (entries[^1].Entry.Type, entries[^1].Entry.RecordVersion));

        // Not before the interval is over.
        await rounds.RoundAsync(CancellationToken.None);
        Assert.Null(await vault.Get<LogAnchors>().TimestampAsync(4));
    }

    [Fact]
    public async Task An_answer_to_another_question_or_of_another_authority_is_refused()
    {
        MakeAuthority("rsa:2048");
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        await WitnessRoundsTests.GrowAsync(vault, 3);
        var old = Reply(new TimestampRequest("other"u8.ToArray(), new byte[] { 1, 2, 3 }).Encode());
        await using var replaying = await StandIn.StartAsync(context => context.Response.Body.WriteAsync(old).AsTask());
        using var state = new OutboundState();
        using var rounds = Rounds(vault, state, replaying);
        await Assert.ThrowsAsync<CryptographicException>(() => rounds.RoundAsync(CancellationToken.None));
        Assert.Null(await vault.Get<LogAnchors>().TimestampAsync());
        Assert.Equal("late", state.Parts.Single().Value);
    }

    [Theory]
    [InlineData("rsa:2048")]
    [InlineData("ec")]
    public void A_token_verifies_for_its_content_nonce_and_root_and_for_no_other(string kind)
    {
        MakeAuthority(kind);
        var content = Encoding.UTF8.GetBytes("a checkpoint\n");
        var request = new TimestampRequest(content, new byte[] { 0x80, 2, 3 });
        var reply = Reply(request.Encode());
        var token = request.Accept(reply, Roots("root.pem"));
        Assert.Equal(token.Time, TimestampToken.Verify(token.Encoded, content, Roots("root.pem")).Time);
        Assert.Throws<CryptographicException>(() => new TimestampRequest(content, new byte[] { 1, 2, 4 }).Accept(reply, Roots("root.pem")));
        Assert.Throws<CryptographicException>(() => TimestampToken.Verify(token.Encoded, "another"u8, Roots("root.pem")));
        MakeAuthority(kind, "other-");
        Assert.Throws<CryptographicException>(() => TimestampToken.Verify(token.Encoded, content, Roots("other-root.pem")));

        var bytes = token.Encoded.ToArray();
        for (var i = 0; i < bytes.Length; i += 7)
        {
            var changed = (byte[])bytes.Clone();
            changed[i] ^= 0x01;
            try
            {
                // A bit within unsigned parts (a certificate's own root) may not matter; the time that is believed must not change.
                Assert.Equal(token.Time, TimestampToken.Verify(changed, content, Roots("root.pem")).Time);
            }
            catch (CryptographicException e)
            {
                Assert.NotEmpty(e.Message);
            }
        }
    }

    [Fact]
    public void A_certificate_that_is_not_for_time_stamping_makes_no_timestamps()
    {
        MakeAuthority("rsa:2048", usage: "serverAuth");
        var request = new TimestampRequest("x"u8.ToArray(), new byte[] { 1 });
        byte[] reply;
        try
        {
            reply = Reply(request.Encode());
        }
        catch (InvalidOperationException)
        {
            // OpenSSL itself declines to sign with it.
            return;
        }
        Assert.Throws<CryptographicException>(() => request.Accept(reply, Roots("root.pem")));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private TimestampRounds Rounds(RunningVault vault, OutboundState state, StandIn authority) => new(
        new TimestampOptions { Address = authority.Address, Roots = At("root.pem") }, OutboundHttp.Connect(), vault.Get<LogAnchors>(), vault.Get<AuditReader>(), state,
        new RoundsContext(TimeProvider.System, NullLogger.Instance));

    private Task<StandIn> AuthorityAsync() => StandIn.StartAsync(async context =>
    {
        Assert.Equal("application/timestamp-query", context.Request.ContentType);
        context.Response.ContentType = "application/timestamp-reply";
        await context.Response.Body.WriteAsync(Reply(await StandIn.BodyAsync(context)));
    });

    private byte[] Reply(byte[] question)
    {
        File.WriteAllBytes(At("question"), question);
        OpenSsl("ts", "-reply", "-config", At("tsa.cnf"), "-queryfile", At("question"), "-out", At("reply"));
        return File.ReadAllBytes(At("reply"));
    }

    private void MakeAuthority(string kind, string prefix = "", string usage = "timeStamping")
    {
        string[] key = kind == "ec" ? ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] : [kind];
        OpenSsl(["req", "-x509", "-newkey", .. key, "-nodes", "-keyout", At(prefix + "root.key"), "-out", At(prefix + "root.pem"), "-subj", "/CN=root", "-days", "30"]);
        OpenSsl(["req", "-newkey", .. key, "-nodes", "-keyout", At(prefix + "tsa.key"), "-out", At("tsa.csr"), "-subj", "/CN=tsa"]);
        File.WriteAllText(At("ext.cnf"), $"extendedKeyUsage=critical,{usage}\nbasicConstraints=CA:FALSE\n");
        OpenSsl("x509", "-req", "-in", At("tsa.csr"), "-CA", At(prefix + "root.pem"), "-CAkey", At(prefix + "root.key"), "-CAcreateserial", "-days", "20", "-extfile", At("ext.cnf"), "-out", At(prefix + "tsa.pem"));
        if (prefix.Length > 0) return;
        File.WriteAllText(At("serial"), "01\n");
        File.WriteAllText(
            At("tsa.cnf"),
            $"""
            [tsa]
            default_tsa = authority
            [authority]
            serial = {At("serial")}
            crypto_device = builtin
            signer_cert = {At("tsa.pem")}
            signer_key = {At("tsa.key")}
            signer_digest = sha256
            default_policy = 1.2.3.4.1
            digests = sha256
            ess_cert_id_alg = sha256
            """);
    }

    private X509Certificate2Collection Roots(string file)
    {
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(At(file));
        return roots;
    }

    private string At(string name) => Path.Combine(_folder, name);

    private static string OpenSsl(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("openssl", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output + error.Result : throw new InvalidOperationException($"openssl {arguments[0]} failed: {error.Result}");
    }
}
