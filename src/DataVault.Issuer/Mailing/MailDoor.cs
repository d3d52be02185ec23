namespace DataVault.Issuer;

/// <summary>E-mail for other parts of the server, by the same route as that of the issuer. Whoever uses it keeps what is not sent yet.</summary>
public sealed class MailDoor
{
    private readonly Mailing.ILetterCarrier? carrier;

    internal MailDoor(Mailing.ILetterCarrier? carrier) => this.carrier = carrier;

    /// <summary>One address alone: no name, no second address, no line that would become a header.</summary>
    public static bool IsAddress(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Mailing.Letter.IsAddress(text);
    }

    /// <param name="id">The same at each attempt: mailboxes know a repetition by it.</param>
    /// <param name="to">Passes <see cref="IsAddress"/>.</param>
    /// <param name="content">What is to arrive.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <exception cref="InvalidOperationException">No route is configured, or the address or subject would become something else.</exception>
    public Task SendAsync(Guid id, string to, MailContent content, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(content);
        if (carrier is null) throw new InvalidOperationException("No route for e-mail is configured.");
        if (!IsAddress(to) || content.Subject.Any(char.IsControl)) throw new InvalidOperationException("That is no message.");
        return carrier.CarryAsync(id, new Mailing.Letter(to, content.Subject, content.Text) { Html = content.Html }, cancellationToken);
    }
}

/// <summary>What a message says.</summary>
/// <param name="Subject">One line.</param>
/// <param name="Text">As text.</param>
/// <param name="Html">The same as a page.</param>
public sealed record MailContent(string Subject, string Text, string? Html = null)
{
    /// <inheritdoc/>
    public override string ToString() => nameof(MailContent);
}
