namespace DataVault.Issuer;

/// <summary>Which roles people of the staff may have, and for what. The issuer knows no policy, so the host says it, anew at each question.</summary>
public interface IStaffRoles
{
    bool Exists(string role);

    /// <summary>The purposes that a token of somebody with the role carries; none where there is no such role any more.</summary>
    IReadOnlyList<string> PurposesOf(string role);
}

/// <summary>Roles and purposes of people, customers and staff.</summary>
internal sealed class RolePurposes(IStaffRoles staff, IssuerOptions options)
{
    public bool Exists(string role) => role == IssuerOptions.CustomerRole || staff.Exists(role);

    public IReadOnlyList<string> Of(IReadOnlyList<string> roles) =>
        [.. roles.SelectMany(role => role == IssuerOptions.CustomerRole ? options.CustomerPurposes : staff.PurposesOf(role)).Distinct()];
}
