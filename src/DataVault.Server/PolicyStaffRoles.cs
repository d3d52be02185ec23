using DataVault.Issuer;
using DataVault.Vault;

namespace DataVault.Server;

/// <summary>People may have the roles of the policy in force, for the purposes that its rules name: but for the person concerned's own, and those of the vault itself.</summary>
internal sealed class PolicyStaffRoles(ActivePolicy policy) : IStaffRoles
{
    public bool Exists(string role) =>
        role != IssuerOptions.CustomerRole && !IdentitySettings.ProcessRoles.Contains(role) && policy.Current.Roles.Find(role) is not null;

    public IReadOnlyList<string> PurposesOf(string role) => Exists(role) ? policy.Current.Questions.PurposesOf(role) : [];
}
