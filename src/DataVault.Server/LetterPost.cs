using System.Net.Mail;
using DataVault.Issuer;
using DataVault.Vault;

namespace DataVault.Server;

/// <summary>Joins the vault, which writes letters, and the issuer, which sends e-mail: neither knows the other.</summary>
internal sealed class LetterPost(MailDoor door) : ILetterPost
{
    public bool IsAddress(string text) => MailDoor.IsAddress(text);

    public async Task SendAsync(OutgoingLetter letter, CancellationToken cancellation)
    {
        try
        {
            var printed = letter.Printed;
            await door.SendAsync(letter.Id, letter.To, new MailContent(printed.Subject, printed.Text(), printed.Html()), cancellation);
        }
        catch (SmtpException e)
        {
            throw new RecipientCallException("smtp-" + e.StatusCode.ToString().ToLowerInvariant());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or System.Security.Authentication.AuthenticationException or InvalidOperationException)
        {
            // What a mail server answers quotes addresses: types only.
            throw new RecipientCallException(e.GetType().Name);
        }
    }
}
