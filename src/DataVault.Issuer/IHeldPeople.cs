namespace DataVault.Issuer;

/// <summary>
/// What the issuer may ask the vault about people, whose profiles it does not know: whose an e-mail address is, and what the address of somebody is. Each question is an entry
/// of the vault's log, and the policy decides whether there is an answer. Whether an address is held is never asked
/// while the browser of whoever typed it waits.
/// </summary>
public interface IHeldPeople
{
    /// <summary>The one customer whose address this is, or null.</summary>
    /// <param name="email">As somebody typed it.</param>
    /// <param name="question">A number by which the log knows the question.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task<Guid?> FindAsync(string email, Guid question, CancellationToken cancellationToken);

    /// <summary>The address that is held of a customer, or null.</summary>
    Task<string?> AddressOfAsync(Guid subject, Guid question, CancellationToken cancellationToken);
}
