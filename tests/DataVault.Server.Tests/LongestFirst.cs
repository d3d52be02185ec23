using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(DataVault.Server.Tests.LongestFirst))]

namespace DataVault.Server.Tests;

/// <summary>
/// What starts processes again and again begins first: it takes minutes, one test after another, and would otherwise be what all others have ended before.
/// </summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    private static readonly string[] Long =
        ["Deaths.DrillTests", "Deaths.BrokenDrillTests", "Deaths.ReturnDrillTests", "Deaths.BackupKillTests", "Deaths.OperatorCommandTests", "Deaths.KillTests", "PolicyStartTests", "Browser.AccessibilityTests", "Plaintext.ErasedWholeTests", "StepUpTests", "LifecycleTests", "Memory.MemoryTests"];

    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection => [.. testCollections.OrderBy(Place).ThenBy(one => one.UniqueID, StringComparer.Ordinal)];

    private static int Place<TTestCollection>(TTestCollection collection)
        where TTestCollection : ITestCollection
    {
        var at = Array.FindIndex(Long, name => collection.TestCollectionDisplayName.Contains("." + name + " ", StringComparison.Ordinal));
        return at < 0 ? Long.Length : at;
    }
}
