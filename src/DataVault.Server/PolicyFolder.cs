using DataVault.Policy;
using DataVault.Server.Database;
using DataVault.Vault;

namespace DataVault.Server;

/// <summary>The folder of policies as a start finds it: what a new vault begins with, and to every other a proposal.</summary>
internal sealed class PolicyFolder
{
    private readonly string name;
    private readonly Dictionary<string, string> files;
    private readonly IReadOnlyList<PolicyProblem> problems = [];

    private PolicyFolder(string name, Dictionary<string, string> files)
    {
        (this.name, this.files) = (name, files);
        try
        {
            Policy = PolicySet.Load(files);
        }
        catch (PolicyException e)
        {
            problems = e.Problems;
        }
    }

    /// <summary>Null when it does not load.</summary>
    public PolicySet? Policy { get; }

    public static PolicyFolder Read(ServerSettings settings)
    {
        var folder = settings.PoliciesFolder();
        return new PolicyFolder(folder, Directory.EnumerateFiles(folder, "*.yaml", SearchOption.AllDirectories)
            .ToDictionary(file => Path.GetRelativePath(folder, file).Replace('\\', '/'), File.ReadAllText));
    }

    /// <exception cref="StartupException">It does not load.</exception>
    public PolicySet Required() => Policy ?? throw new StartupException("The policy does not load: " + string.Join("; ", problems));

    /// <summary>
    /// What a serving process begins with: of a vault that keeps versions the one in force, whatever the folder holds, so that a broken folder stops no start; of one
    /// that keeps none yet, the folder's.
    /// </summary>
    public async Task<PolicySet> BeginningAsync(string vault, CancellationToken stop) => await PolicyActivations.NamedAsync(vault, stop) ?? Required();

    /// <summary>Proposes the folder, once the vault serves. One that was in force before and is not any more is left where it is: a restart takes nothing back.</summary>
    public async Task ProposeAsync(PolicyActivations activations, Action<string> print, CancellationToken stop)
    {
        if (Policy is not null && await activations.AdoptAsync(files, stop))
        {
            foreach (var finding in Policy.Lint()) print($"The policy has a flaw that no later version may have: {finding}");
            return;
        }

        if (Policy is not null && await activations.IsKnownAsync(Policy.Version, stop))
        {
            var newest = activations.InForce;
            if (newest != Policy.Version) print($"{name} holds the policy {Policy.Version}, which was in force before; in force stays {newest}.");
            return;
        }

        var outcome = await activations.ActivateAsync(Recipient.Process("server-start"), new PolicyProposal(files, []), default, stop);
        foreach (var problem in outcome.Problems) print($"The policy of {name} is refused: {problem}");
        print(outcome.Problems.Count > 0 ? $"In force stays {outcome.Previous}." : $"The policy {outcome.Version} takes the place of {outcome.Previous}.");
        foreach (var note in outcome.Notes) print(note);
    }
}
