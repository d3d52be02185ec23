using System.Globalization;
using System.Net;
using System.Net.Mail;
using System.Text;

namespace DataVault.Issuer.Mailing;

/// <summary>A message to one person. It is personal data: no log, error or metric has any of it.</summary>
internal sealed record Letter(string To, string Subject, string Text)
{
    private const int LongestAddress = 254;

    /// <summary>The same as a page, for programs that show one; null where it is text alone.</summary>
    public string? Html { get; init; }

    /// <summary>An address alone: no name, no second address, no line that would become a header.</summary>
    public static bool IsAddress(string text) =>
        text.Length is >= 3 and <= LongestAddress && !text.Any(char.IsControl) && MailAddress.TryCreate(text, out var address) && address.Address == text;

    public override string ToString() => nameof(Letter);
}

/// <summary>Takes messages out of the vault. An exception: it is tried again.</summary>
internal interface ILetterCarrier
{
    /// <param name="id">The same at each attempt.</param>
    /// <param name="letter">What is to arrive.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    Task CarryAsync(Guid id, Letter letter, CancellationToken cancellationToken);
}

/// <summary>
/// By SMTP. INVARIANT: where the server offers no TLS, or has no certificate of its name that this machine trusts, neither the password nor a message is sent.
/// </summary>
internal sealed class MailServerCarrier(MailServer server) : ILetterCarrier
{
    public async Task CarryAsync(Guid id, Letter letter, CancellationToken cancellationToken)
    {
        using var client = new SmtpClient(server.Host, server.Port)
        {
            EnableSsl = true,
            DeliveryFormat = SmtpDeliveryFormat.SevenBit,
            Credentials = server.User is { } user ? new NetworkCredential(user, server.Password) : null,
        };
        using var message = new MailMessage(server.From, letter.To, letter.Subject, letter.Text)
        {
            BodyEncoding = Encoding.UTF8,
            SubjectEncoding = Encoding.UTF8,
        };
        if (letter.Html is { } html) message.AlternateViews.Add(AlternateView.CreateAlternateViewFromString(html, Encoding.UTF8, "text/html"));
        // A server that took a message and did not come to say so gets it again under the same name, by which mailboxes know it.
        message.Headers.Add("Message-ID", $"<{id:N}@{message.From!.Host}>");
        // RFC 3834: no machine answers this one.
        message.Headers.Add("Auto-Submitted", "auto-generated");
        await client.SendMailAsync(message, cancellationToken);
    }
}

/// <summary>Into a folder that only the vault's own user reads.</summary>
internal sealed class MailFolderCarrier(MailFolder folder, TimeProvider clock) : ILetterCarrier
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public async Task CarryAsync(Guid id, Letter letter, CancellationToken cancellationToken)
    {
        var to = new MailAddress(letter.To);
        var date = clock.GetUtcNow().ToString("ddd, dd MMM yyyy HH:mm:ss '+0000'", CultureInfo.InvariantCulture);
        var text = string.Join("\r\n", [
            $"Date: {date}", "From: vault@localhost", $"To: {to.Address}", $"Subject: {letter.Subject}", $"Message-ID: <{id:N}@localhost>", "MIME-Version: 1.0", .. Body(id, letter)]);
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(folder.Path);
        else Directory.CreateDirectory(folder.Path, OwnerOnly | UnixFileMode.UserExecute);
        var (part, whole) = (Path.Combine(folder.Path, $".{id:N}.part"), Path.Combine(folder.Path, $"{id:N}.eml"));
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, Options = FileOptions.Asynchronous };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = OwnerOnly;
        await using (var file = new FileStream(part, options))
        {
            await file.WriteAsync(Encoding.UTF8.GetBytes(text), cancellationToken);
        }

        // Whoever watches the folder finds whole messages alone.
        File.Move(part, whole, overwrite: true);
    }

    private static string[] Body(Guid id, Letter letter)
    {
        var plain = Part("text/plain", letter.Text);
        return letter.Html is not { } html ? plain
            : [$"Content-Type: multipart/alternative; boundary=\"{id:N}\"", "", $"--{id:N}", .. plain, $"--{id:N}", .. Part("text/html", html), $"--{id:N}--", ""];
    }

    private static string[] Part(string type, string text) =>
        [$"Content-Type: {type}; charset=utf-8", "Content-Transfer-Encoding: 8bit", "", text.ReplaceLineEndings("\r\n")];
}
