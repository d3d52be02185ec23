using Xunit.v3;

namespace DataVault;

/// <summary>
/// This test shows these duties of docs/requirements.yaml: <c>[Requirement("R31")]</c>. docs/compliance.md is made from it, and <c>-trait Requirement=R31</c> runs
/// what shows one. It goes where the duty itself is met before the reader's eyes, not wherever the topic is touched.
/// </summary>
/// <param name="ids">Numbers of the list, such as R31.</param>
[AttributeUsage(AttributeTargets.Method | AttributeTargets.Class)]
internal sealed class RequirementAttribute(params string[] ids) : Attribute, ITraitAttribute
{
    /// <summary>The duties that the test shows.</summary>
    public IReadOnlyList<string> Ids { get; } = ids;

    /// <inheritdoc/>
    public IReadOnlyCollection<KeyValuePair<string, string>> GetTraits() => [.. Ids.Select(id => KeyValuePair.Create("Requirement", id))];
}
