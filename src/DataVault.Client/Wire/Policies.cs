namespace DataVault.Client.Wire;

/// <summary>An activation of a version of the policy: <c>GET /v1/policy/versions</c>, newest first.</summary>
/// <param name="Sequence">Counts activations; a version that was returned to has several.</param>
/// <param name="Version">Hash of the content, 32 hexadecimal digits; every log entry names the one it was decided by.</param>
/// <param name="At">When it came into force.</param>
/// <param name="By">The application, the process or the roles that activated it.</param>
/// <param name="LogIndex">The entry that says so; null for the version that the vault began with.</param>
/// <param name="InForce">It is the one in force.</param>
public sealed record PolicyVersionView(long Sequence, string Version, DateTimeOffset At, string By, long? LogIndex, bool InForce);

/// <summary>A version whole: <c>GET /v1/policy/versions/{version}</c>.</summary>
/// <param name="Version">Hash of the content.</param>
/// <param name="Files">Path to text.</param>
/// <param name="Activations">When it was in force, newest first.</param>
public sealed record PolicyVersionFiles(string Version, IReadOnlyDictionary<string, string> Files, IReadOnlyList<PolicyVersionView> Activations);

/// <summary>Body of <c>POST /v1/policy/activations</c>: files, or a version that was in force before.</summary>
/// <param name="Files">Path relative to the policy folder, to the text of the file.</param>
/// <param name="Version">A version of before, to return to; instead of files.</param>
/// <param name="DryRun">Say what would come of it, and change nothing.</param>
/// <param name="Retire">Names of fields and event types (<c>event:…</c>) that may go although something is held of them.</param>
public sealed record ActivatePolicy(
    IReadOnlyDictionary<string, string>? Files = null, string? Version = null, bool DryRun = false, IReadOnlyList<string>? Retire = null);

/// <summary>Something wrong with a policy; line 0 speaks of the whole file.</summary>
public sealed record PolicyProblemView(string File, int Line, string Message);

/// <summary>Answer to <see cref="ActivatePolicy"/>. Once it is here, no process begins a decision by an earlier version.</summary>
/// <param name="Version">The version proposed; null when a dry run found that it does not load.</param>
/// <param name="Previous">The version that was in force before.</param>
/// <param name="Activated">False of a dry run, and of a version that was in force already.</param>
/// <param name="Sequence">Of the activation.</param>
/// <param name="LogIndex">The entry that says so.</param>
/// <param name="Processes">How many processes serve by it.</param>
/// <param name="Problems">Why a dry run would have been refused.</param>
/// <param name="Notes">What it brings with it.</param>
public sealed record ActivationView(
    string? Version, string Previous, bool Activated, long? Sequence, long? LogIndex, int Processes, IReadOnlyList<PolicyProblemView> Problems, IReadOnlyList<string> Notes);
