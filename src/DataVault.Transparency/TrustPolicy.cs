// Whom to believe about a log (c2sp.org/tlog-policy): a text of lines
//
//    log <verifier key> [<address>]
//    witness <name> <verifier key> [<address>]
//    group <name> all|any|<number> <name>...
//    quorum <name>|none
//
// A checkpoint counts when one of the logs has signed it and the quorum of witnesses has cosigned it.

namespace DataVault.Transparency;

/// <summary>A log that a policy names.</summary>
/// <param name="Key">The log's key; its name is the log's origin.</param>
/// <param name="Address">Where it is to be had, if the policy says so.</param>
public sealed record PolicyLog(NoteVerifier Key, string? Address);

/// <summary>A witness that a policy names.</summary>
/// <param name="Name">Its name within the policy.</param>
/// <param name="Key">Its key, of type 0x04.</param>
/// <param name="Address">Prefix of <c>/add-checkpoint</c>, if the policy says so.</param>
public sealed record PolicyWitness(string Name, NoteVerifier Key, string? Address);

/// <summary>Whom to believe about a log.</summary>
public sealed class TrustPolicy
{
    private const string None = "none";
    private const int MaxLines = 1000;

    private readonly Dictionary<string, (int Threshold, string[] Members)> _groups = [];
    private readonly List<PolicyLog> _logs = [];
    private readonly List<PolicyWitness> _witnesses = [];
    private readonly HashSet<string> _members = [];
    private readonly HashSet<string> _keys = [];
    private string? _quorum;

    private TrustPolicy()
    {
    }

    /// <summary>The logs.</summary>
    public IReadOnlyList<PolicyLog> Logs => _logs;

    /// <summary>The witnesses.</summary>
    public IReadOnlyList<PolicyWitness> Witnesses => _witnesses;

    /// <summary>Reads a policy.</summary>
    /// <param name="text">The lines.</param>
    /// <param name="policy">The policy.</param>
    /// <param name="problem">The first thing wrong, with the number of its line.</param>
    public static bool TryParse(string text, out TrustPolicy? policy, out string? problem)
    {
        var lines = text.Split('\n');
        policy = new TrustPolicy();
        problem = lines.Length > MaxLines ? "the policy is too long" : text.Any(c => c is < ' ' and not ('\t' or '\n')) ? "a control character" : null;
        for (var i = 0; i < lines.Length && problem is null; i++)
        {
            var words = lines[i].Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length > 0 && words[0][0] != '#' && policy.Read(words) is { } wrong)
                problem = $"line {i + 1}: {wrong}";
        }
        if (policy._quorum is null)
            problem ??= "there is no quorum line";
        if (problem is not null)
            policy = null;
        return policy is not null;
    }

    /// <summary>Whether the witnesses who cosigned are enough.</summary>
    /// <param name="cosigned">Whether the witness of this name has.</param>
    public bool IsQuorum(Func<string, bool> cosigned) => _quorum == None || Has(_quorum!, cosigned);

    /// <summary>What verifies the checkpoints of one log: signed by a key of that log, cosigned by the quorum.</summary>
    /// <exception cref="ArgumentException">The policy names no log of this origin.</exception>
    public NoteVerifier VerifierOf(string origin)
    {
        var keys = _logs.Where(log => log.Key.Name == origin).Select(log => log.Key).ToList();
        return keys.Count > 0 ? new PolicyVerifier(this, keys) : throw new ArgumentException("The policy names no such log.", nameof(origin));
    }

    private string? Read(string[] words) => words switch
    {
        ["log", var key, ..] when words.Length <= 3 => AddLog(key, words.ElementAtOrDefault(2)),
        ["witness", var name, var key, ..] when words.Length <= 4 => AddWitness(name, key, words.ElementAtOrDefault(3)),
        ["group", var name, var threshold, _, ..] => AddGroup(name, threshold, words[3..]),
        ["quorum", var name] => SetQuorum(name),
        _ => "not a line of a policy",
    };

    private string? AddLog(string key, string? address)
    {
        if (!NoteVerifier.TryParse(key, out var verifier) || verifier is CosignatureVerifier)
            return "not a log's verifier key of a known type";
        _logs.Add(new PolicyLog(verifier!, address));
        return _keys.Add("log " + PublicKey(key)) ? null : "the same log twice";
    }

    private string? AddWitness(string name, string key, string? address)
    {
        if (!NoteVerifier.TryParse(key, out var verifier) || verifier is not CosignatureVerifier)
            return "not a witness's verifier key of a known type";
        if (!_keys.Add("witness " + PublicKey(key)))
            return "the same witness twice";
        if (IsTaken(name))
            return "the name is taken";
        _witnesses.Add(new PolicyWitness(name, verifier, address));
        return null;
    }

    private string? AddGroup(string name, string threshold, string[] members)
    {
        if (IsTaken(name))
            return "the name is taken";
        if (members.Any(member => member == None || !IsTaken(member)))
            return "a member that is not defined above";
        // SPEC tlog-policy "Defining a witness group": each name counts once in all the file.
        if (members.Any(member => !_members.Add(member)))
            return "a name that is in a group already";
        long needed = threshold switch
        {
            "any" => 1,
            "all" => members.Length,
            _ => Decimals.TryParse(threshold, out var number) ? number : 0,
        };
        if (needed < 1 || needed > members.Length)
            return "a threshold that cannot be";
        _groups[name] = ((int)needed, members);
        return null;
    }

    private string? SetQuorum(string name)
    {
        if (_quorum is not null)
            return "a second quorum line";
        _quorum = name;
        return IsTaken(name) ? null : "a quorum that is not defined above";
    }

    private bool IsTaken(string name) => name == None || _groups.ContainsKey(name) || _witnesses.Any(witness => witness.Name == name);

    private bool Has(string name, Func<string, bool> cosigned) =>
        _groups.TryGetValue(name, out var group) ? group.Members.Count(member => Has(member, cosigned)) >= group.Threshold : cosigned(name);

    // After the name, the id and the byte of the type: keys that differ in those alone are the same.
    private static string PublicKey(string key) => Convert.ToHexString(Convert.FromBase64String(key.Split('+', 3)[2]).AsSpan(1));

    private sealed class PolicyVerifier(TrustPolicy policy, List<NoteVerifier> keys) : NoteVerifier(keys[0].Name, keys[0].KeyId)
    {
        public override NoteCheck Check(SignedNote note)
        {
            var signed = LogKeys.Combine(keys.Select(key => key.Check(note)));
            // A certificate's statement is signed by the log alone; the proofs that it carries have checkpoints.
            if (signed != NoteCheck.Valid || !Checkpoint.TryParse(note.Text, out _))
                return signed;
            var found = policy.Witnesses.ToDictionary(witness => witness.Name, witness => witness.Key.Check(note));
            if (found.ContainsValue(NoteCheck.Invalid))
                return NoteCheck.Invalid;
            if (policy.IsQuorum(name => found[name] == NoteCheck.Valid))
                return NoteCheck.Valid;
            return found.ContainsValue(NoteCheck.NotAvailable) ? NoteCheck.NotAvailable : NoteCheck.NotSigned;
        }
    }
}
