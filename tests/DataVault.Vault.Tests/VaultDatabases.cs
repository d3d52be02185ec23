using DataVault.Testing;
using Xunit;

// The database works in other processes meanwhile.
[assembly: CollectionBehavior(MaxParallelThreads = 4)]

namespace DataVault.Vault.Tests;

/// <summary>Fixture of a test class: databases of its own.</summary>
public sealed class VaultDatabases : DatabasePerClass, IAsyncLifetime
{
    public async ValueTask InitializeAsync() => await PrepareAsync();
}
