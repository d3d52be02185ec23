namespace DataVault.Issuer.Accounts;

/// <summary>
/// Who has reset both the password and the second factor of an account has the account. So whoever reset the one does not reset the other before the owner has
/// used what is new: a password is the owner's own again once they chose it, a second factor once they set it up.
/// </summary>
internal static class TwoPeople
{
    /// <param name="actor">Who resets.</param>
    /// <param name="these">Who have reset the same since the owner came.</param>
    /// <param name="others">Who have reset the other one.</param>
    /// <returns>Both, with the actor among the first.</returns>
    /// <exception cref="IssuerException">forbidden.</exception>
    public static (string[] These, string[] Others) Mark(IssuerParty actor, string[] these, string[] others)
    {
        if (others.Contains(actor.Id))
            throw IssuerException.Forbidden("Whoever reset the password of an account does not reset its second factor too, nor the other way round, until its owner has signed in: another member of staff does.");
        return ([.. these.Except([actor.Id]), actor.Id], others);
    }
}
