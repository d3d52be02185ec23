using DataVault.Vault;

namespace DataVault.Testing;

/// <summary>What must hold at the end of every test that breaks something.</summary>
public static class Soundness
{
    /// <summary>Both databases, the log, the journal and the packages agree; a message lists what does not.</summary>
    public static async Task AssertSoundAsync(this RunningVault vault, bool deep = true)
    {
        ArgumentNullException.ThrowIfNull(vault);
        var report = await vault.Get<VaultCheck>().RunAsync(new CheckOptions(deep));
        if (!report.Ok) throw new InvalidOperationException("The vault is not sound: " + string.Join("; ", report.Findings));
    }
}
