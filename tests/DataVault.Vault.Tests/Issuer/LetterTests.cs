using System.Net;
using System.Net.Mail;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using DataVault.Issuer;
using DataVault.Issuer.Mailing;
using DataVault.Issuer.Storage;
using DataVault.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>Messages to people: durable, sealed, and sent to nobody over a line that others read.</summary>
public sealed class LetterTests(IssuerHost host) : IClassFixture<IssuerHost>
{
    private const string Text = "a text that nobody else is to read";

    [Fact]
    public async Task A_message_waits_sealed_through_a_failure_and_goes_out_once()
    {
        var (person, to) = (await host.PersonAsync("customer"), NewAddress());
        host.Letters.IsAway = true;
        await FailAsync(await QueueAsync(person, to));
        Assert.DoesNotContain(to, string.Join('\n', await host.QueryAsync("SELECT encode(sealed, 'escape') FROM issuer.letter")), StringComparison.Ordinal);
        host.Letters.IsAway = false;
        await Queue.SendDueAsync(default);
        Assert.Empty(host.Letters.To(to));

        host.Clock.Advance(TimeSpan.FromSeconds(30));

        Assert.Equal(Text, Assert.Single(await host.Letters.ArrivedAsync(host, to)).Text);
        host.Clock.Advance(TimeSpan.FromHours(1));
        await Queue.SendDueAsync(default);
        Assert.Single(host.Letters.To(to));
    }

    [Fact]
    public async Task A_message_that_nobody_takes_is_given_up_counted_and_forgotten()
    {
        var (person, to) = (await host.PersonAsync("customer"), NewAddress());
        host.Letters.IsAway = true;
        var id = await QueueAsync(person, to, TimeSpan.FromDays(7));
        await UntilAsync(async () =>
        {
            await Queue.SendDueAsync(default);
            return (await host.QueryAsync($"UPDATE issuer.letter SET due_at = '2000-01-01' WHERE id = '{id}' AND NOT dead RETURNING id")).Count == 0;
        });

        host.Letters.IsAway = false;
        Assert.True(host.Letters.Attempts >= LetterQueue.Attempts);
        Assert.Equal(["true 0"], await host.QueryAsync($"SELECT dead || ' ' || length(sealed) FROM issuer.letter WHERE id = '{id}'"));
        Assert.True((await host.Services.GetRequiredService<IssuerWatch>().LettersAsync(default)).Dead > 0);
    }

    [Fact]
    public async Task A_message_that_is_of_no_use_any_more_is_not_sent()
    {
        var (person, to) = (await host.PersonAsync("customer"), NewAddress());
        host.Letters.IsAway = true;
        var id = await QueueAsync(person, to, TimeSpan.FromMinutes(1));
        await FailAsync(id);
        host.Letters.IsAway = false;
        host.Clock.Advance(TimeSpan.FromMinutes(2));
        await Queue.SendDueAsync(default);

        await UntilAsync(async () => (await host.QueryAsync($"SELECT 1 FROM issuer.letter WHERE id = '{id}' AND dead")).Count == 1);
        Assert.Empty(host.Letters.To(to));
    }

    [Fact]
    public async Task An_administrator_of_the_database_sends_nobody_anything()
    {
        var (person, to) = (await host.PersonAsync("customer"), NewAddress());
        host.Letters.IsAway = true;
        var id = await QueueAsync(person, to);
        await FailAsync(id);
        host.Letters.IsAway = false;
        var theirs = Guid.NewGuid();
        await host.QueryAsync($"INSERT INTO issuer.letter (id, account_id, sealed, due_at) SELECT '{theirs}', account_id, sealed, '2000-01-01' FROM issuer.letter WHERE id = '{id}' RETURNING id");

        await Queue.SendDueAsync(default);

        await UntilAsync(async () => (await host.QueryAsync($"SELECT 1 FROM issuer.letter WHERE id = '{theirs}' AND dead")).Count == 1);
        Assert.Empty(host.Letters.To(to));
    }

    [Fact]
    public async Task With_an_account_its_messages_go()
    {
        var (person, to) = (await host.PersonAsync("customer"), NewAddress());
        host.Letters.IsAway = true;
        var id = await QueueAsync(person, to);
        await FailAsync(id);
        await host.Accounts.RemoveAsync(person.Id, IssuerHost.Administrator);
        host.Letters.IsAway = false;

        Assert.Empty(await host.QueryAsync($"SELECT id FROM issuer.letter WHERE id = '{id}'"));
    }

    [Fact]
    public async Task In_Development_a_message_is_a_file_for_the_vaults_user_alone()
    {
        var folder = Path.Combine(Path.GetTempPath(), $"mail-{Guid.NewGuid():N}");
        try
        {
            await new MailFolderCarrier(new MailFolder { Path = folder }, host.Clock).CarryAsync(Guid.NewGuid(), new Letter("one@people.example", "A subject", "Zürich"), default);
            var file = Assert.Single(Directory.GetFiles(folder));
            Assert.EndsWith(".eml", file, StringComparison.Ordinal);
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, OperatingSystem.IsWindows() ? UnixFileMode.UserRead | UnixFileMode.UserWrite : File.GetUnixFileMode(file));
            var text = await File.ReadAllTextAsync(file);
            Assert.Contains("To: one@people.example\r\n", text, StringComparison.Ordinal);
            Assert.EndsWith("\r\n\r\nZürich", text, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_mail_server_without_TLS_or_with_a_certificate_of_somebody_else_is_told_nothing(bool offersTls)
    {
        using var server = new StandInMailServer(offersTls);
        var carrier = new MailServerCarrier(new MailServer { Host = "localhost", Port = server.Port, From = "vault@vault.example", User = "vault", Password = "a password" });

        await Assert.ThrowsAnyAsync<Exception>(() => carrier.CarryAsync(Guid.NewGuid(), new Letter("one@people.example", "A subject", Text), default));

        Assert.NotEmpty(server.Heard);
        Assert.DoesNotContain(server.Heard, line => line.StartsWith("AUTH", StringComparison.Ordinal) || line.StartsWith("MAIL", StringComparison.Ordinal) || line.StartsWith("DATA", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_mail_server_that_proves_its_name_gets_the_message()
    {
        using var server = new StandInMailServer(offersTls: true);
#pragma warning disable SYSLIB0014 // The one way in which SmtpClient is told of a certificate authority of a test; any other certificate goes by the machine's.
        ServicePointManager.ServerCertificateValidationCallback = (_, shown, _, errors) =>
            errors == SslPolicyErrors.None || shown?.GetCertHashString(HashAlgorithmName.SHA256) == server.Certificate.GetCertHashString(HashAlgorithmName.SHA256);
#pragma warning restore SYSLIB0014
        var carrier = new MailServerCarrier(new MailServer { Host = "localhost", Port = server.Port, From = "vault@vault.example", User = "vault", Password = "a password" });

        await carrier.CarryAsync(Guid.NewGuid(), new Letter("one@people.example", "A subject", Text), default);

        Assert.Contains("RCPT TO:<one@people.example>", server.Heard);
        Assert.Contains(Convert.ToBase64String(Encoding.UTF8.GetBytes(Text)), server.Heard);
        Assert.Contains("Auto-Submitted: auto-generated", server.Heard);
    }

    private LetterQueue Queue => host.Services.GetRequiredService<LetterQueue>();

    private static string NewAddress() => $"{Guid.NewGuid():N}@people.example";

    private async Task<Guid> QueueAsync(Person person, string to, TimeSpan? life = null)
    {
        await using var transaction = await host.Services.GetRequiredService<IssuerDatabase>().BeginAsync(default);
        await Queue.AddAsync(transaction, person.Id, new Letter(to, "A subject", Text), host.Clock.GetUtcNow() + (life ?? TimeSpan.FromHours(12)), default);
        await transaction.CommitAsync(default);
        return Guid.Parse(Assert.Single(await host.QueryAsync($"SELECT id FROM issuer.letter WHERE account_id = '{person.Id}'")));
    }

    // One attempt of it at least, whatever other messages wait.
    private Task FailAsync(Guid id) => UntilAsync(async () =>
    {
        await Queue.SendDueAsync(default);
        return (await host.QueryAsync($"SELECT id FROM issuer.letter WHERE id = '{id}' AND attempts > 0 AND due_at > '{host.Clock.GetUtcNow():O}'")).Count == 1;
    });

    private static async Task UntilAsync(Func<Task<bool>> holds)
    {
        using var end = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!await holds()) end.Token.ThrowIfCancellationRequested();
    }

    /// <summary>As much of a mail server as one message needs, with a certificate of its own making.</summary>
    private sealed class StandInMailServer : IDisposable
    {
        private readonly TcpListener listener = new(IPAddress.Loopback, 0);
        private readonly System.Collections.Concurrent.ConcurrentQueue<string> heard = new();
        private readonly bool offersTls;

        public StandInMailServer(bool offersTls)
        {
            this.offersTls = offersTls;
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
            Certificate = request.CreateSelfSigned(new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.Zero), new DateTimeOffset(2060, 1, 1, 0, 0, 0, TimeSpan.Zero));
            listener.Start();
            _ = ServeAsync();
        }

        public X509Certificate2 Certificate { get; }

        public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

        public IReadOnlyCollection<string> Heard => heard;

        public void Dispose()
        {
            listener.Dispose();
            Certificate.Dispose();
        }

        private async Task ServeAsync()
        {
            using var client = await listener.AcceptTcpClientAsync();
            Stream line = client.GetStream();
            await SayAsync(line, "220 localhost");
            while (await HearAsync(line) is { } said)
            {
                heard.Enqueue(said);
                if (said.StartsWith("EHLO", StringComparison.Ordinal)) await SayAsync(line, line is SslStream ? "250-localhost\r\n250 AUTH LOGIN" : offersTls ? "250-localhost\r\n250 STARTTLS" : "250 localhost");
                else if (said == "STARTTLS") line = await SecureAsync(line);
                else if (said.StartsWith("AUTH", StringComparison.Ordinal)) await SayAsync(line, "334 UGFzc3dvcmQ6");
                else if (said == Convert.ToBase64String(Encoding.ASCII.GetBytes("a password"))) await SayAsync(line, "235 welcome");
                else if (said == "DATA") await TakeAsync(line);
                else await SayAsync(line, said == "QUIT" ? "221 bye" : "250 ok");
            }
        }

        private async Task<Stream> SecureAsync(Stream line)
        {
            await SayAsync(line, "220 go on");
            var secure = new SslStream(line);
            await secure.AuthenticateAsServerAsync(Certificate);
            return secure;
        }

        private async Task TakeAsync(Stream line)
        {
            await SayAsync(line, "354 go on");
            while (await HearAsync(line) is { } said and not ".") heard.Enqueue(said);
            await SayAsync(line, "250 taken");
        }

        private static Task SayAsync(Stream line, string text) => line.WriteAsync(Encoding.ASCII.GetBytes(text + "\r\n")).AsTask();

        private static async Task<string?> HearAsync(Stream line)
        {
            var text = new StringBuilder();
            var letter = new byte[1];
            while (await line.ReadAsync(letter) == 1)
            {
                if (letter[0] == '\n') return text.ToString().TrimEnd('\r');
                text.Append((char)letter[0]);
            }

            return null;
        }
    }
}

/// <summary>An issuer that has no way to send e-mail.</summary>
public sealed class MailLessIssuer : IssuerHost
{
    private protected override ILetterCarrier? Carrier => null;
}

public sealed class WithoutMailTests(MailLessIssuer host) : IClassFixture<MailLessIssuer>
{
    [Fact]
    public async Task Where_no_mail_can_be_sent_the_page_says_so()
    {
        var person = await host.PersonAsync("customer");
        using var here = new Browser(host.Address);
        (await here.SignInAsync("customer", person.Email, person.Password)).Dispose();

        using var answer = await here.GetAsync("/account/email");

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Contains("sends no e-mail", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }
}
