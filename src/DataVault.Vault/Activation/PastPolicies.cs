using System.Collections.Concurrent;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>Versions of the policy that were in force once, for what is said of acts of then. A few are kept at hand.</summary>
internal sealed class PastPolicies(PolicyStore store, ActivePolicy active)
{
    private const int Most = 8;

    private readonly ConcurrentDictionary<string, PolicySet> kept = new(StringComparer.Ordinal);

    /// <param name="version">16 bytes, as entries of the log bear it.</param>
    /// <param name="ct">Ends the waiting.</param>
    /// <returns>Null when the vault does not keep it, or this program does not understand it any more.</returns>
    public async Task<PolicySet?> FindAsync(ReadOnlyMemory<byte> version, CancellationToken ct)
    {
        var name = Convert.ToHexStringLower(version.Span);
        if (name == active.Current.Version) return active.Current;
        if (kept.TryGetValue(name, out var known)) return known;
        if (await LoadAsync(name, ct) is not { } loaded) return null;
        if (kept.Count >= Most) kept.Clear();
        return kept.GetOrAdd(name, loaded);
    }

    private async Task<PolicySet?> LoadAsync(string name, CancellationToken ct)
    {
        try
        {
            return await store.LoadAsync(name, ct);
        }
        catch (PolicyException)
        {
            return null;
        }
    }
}
