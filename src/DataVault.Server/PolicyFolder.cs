using DataVault.Policy;
using DataVault.Policy.Reading;
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

    public static PolicyFolder Read(ServerSettings settings) => Read(settings.PoliciesFolder());

    private static PolicyFolder Read(string folder) => new(folder, Files(folder).ToDictionary(file => NameOf(folder, file), file => File.ReadAllText(file.FullName)));

    private static IEnumerable<FileInfo> Files(string folder) => Directory.Exists(folder)
        ? new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Where(file => !PolicyFileNames.IsAside(NameOf(folder, file)))
        : [];

    private static string NameOf(string folder, FileInfo file) => Path.GetRelativePath(folder, file.FullName).Replace(Path.DirectorySeparatorChar, '/');

    /// <summary>The folder as it is now.</summary>
    public PolicyFolder Again() => Read(name);

    /// <summary>Another whenever a file was saved, came or went.</summary>
    public string State() => string.Join('\n', Files(name).Select(file => $"{file.FullName} {file.Length} {file.LastWriteTimeUtc.Ticks}").Order(StringComparer.Ordinal));

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

        await ActivateAsync(activations, "server-start", print, stop);
    }

    /// <summary>Proposes what somebody saved, also if it was in force before: an edit that is taken back is taken back.</summary>
    public async Task ProposeSavedAsync(PolicyActivations activations, Action<string> print, CancellationToken stop)
    {
        var newest = (await activations.ListAsync(1, null, stop)).Items;
        if (newest.Count > 0 && newest[0].Version != Policy?.Version) await ActivateAsync(activations, "policy-folder", print, stop);
    }

    private async Task ActivateAsync(PolicyActivations activations, string process, Action<string> print, CancellationToken stop)
    {
        var outcome = await activations.ActivateAsync(Recipient.Process(process), new PolicyProposal(files, []), default, stop);
        foreach (var problem in outcome.Problems) print($"The policy of {name} is refused: {problem}");
        print(outcome.Problems.Count > 0 ? $"In force stays {outcome.Previous}." : $"The policy {outcome.Version} takes the place of {outcome.Previous}.");
        foreach (var note in outcome.Notes) print(note);
    }
}
