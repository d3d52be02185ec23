namespace DataVault.Issuer;

/// <summary>Remembers what of an upgrade was done, where whoever writes into the issuer's database cannot reach it.</summary>
public interface ISealingMark
{
    /// <param name="what">A constant of <see cref="SealingMarks"/>.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task<bool> IsSetAsync(string what, CancellationToken cancellationToken);

    /// <inheritdoc cref="IsSetAsync"/>
    Task SetAsync(string what, CancellationToken cancellationToken);
}

/// <summary>What is done once.</summary>
public static class SealingMarks
{
    /// <summary>Clients and accounts have been sealed.</summary>
    public const string Rows = "issuer-rows-sealed";

    /// <summary>Changes that waited to be confirmed have been sealed.</summary>
    public const string Changes = "issuer-changes-sealed";
}
