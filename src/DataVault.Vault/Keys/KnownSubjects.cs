using DataVault.Policy;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>Whether an id is somebody's, for those who release nothing.</summary>
public sealed class KnownSubjects
{
    private readonly KeyRegistry keys;

    internal KnownSubjects(KeyRegistry keys) => this.keys = keys;

    /// <summary>True of whoever has a key: nobody who was erased, and nobody who never was.</summary>
    public async Task<bool> IsKnownAsync(SubjectId subject, CancellationToken cancellation) => await keys.FindFreshAsync(subject, cancellation) is not null;
}
