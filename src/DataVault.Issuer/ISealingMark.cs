namespace DataVault.Issuer;

/// <summary>Remembers that clients and accounts have been sealed, where whoever writes into the issuer's database cannot reach it.</summary>
public interface ISealingMark
{
    Task<bool> IsSetAsync(CancellationToken cancellationToken);

    Task SetAsync(CancellationToken cancellationToken);
}
