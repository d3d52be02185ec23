namespace DataVault.Vault;

/// <summary>An endpoint of a recipient who is told when a person was erased, rectified or restricted (GDPR 19).</summary>
/// <param name="Name">Name in the configuration; of a recipient that the policy declares, its name there.</param>
/// <param name="Reference">By what the recipient knows the person: <c>customer</c>, the vault's id, or the name of an analytics domain, the pseudonym there.</param>
/// <param name="Client">Its client id: it is told of those alone of whom the log says that it was given something. Null: of those that the policy ties to it, and of everybody where it does not.</param>
public sealed record ErasureRecipient(string Name, string Reference = ErasureRecipient.CustomerReference, string? Client = null)
{
    public const string CustomerReference = "customer";
}
