using DataVault.Testing;
using Xunit;

namespace DataVault.Vault.Tests;

/// <summary>Fixture of a test class: databases of its own.</summary>
public sealed class VaultDatabases : DatabasePerClass, IAsyncLifetime
{
    public async ValueTask InitializeAsync() => await PrepareAsync();
}
