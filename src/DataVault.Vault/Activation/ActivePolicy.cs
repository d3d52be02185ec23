using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>
/// The policy in force. A new version takes the place of the old one between two calls, never within one: whoever serves a call takes the version first,
/// and <see cref="Current"/> is that version until the call is over, however many versions come meanwhile.
/// </summary>
public sealed class ActivePolicy
{
    private readonly AsyncLocal<Call?> taken = new();
    private volatile PolicySet newest;
    private volatile Func<CancellationToken, ValueTask>? ensure;

    /// <param name="first">What the process begins with.</param>
    public ActivePolicy(PolicySet first)
    {
        ArgumentNullException.ThrowIfNull(first);
        newest = first;
    }

    /// <summary>The version that the call in progress took; where none did, the newest.</summary>
    public PolicySet Current => taken.Value?.Policy ?? newest;

    /// <summary>What the next call takes.</summary>
    public PolicySet Newest => newest;

    /// <summary>The version in force cannot be loaded by this process, which decides nothing until it can.</summary>
    public bool IsRefusing { get; internal set; }

    /// <summary>The database names other activations than this vault wrote last; they are not followed.</summary>
    public bool IsDisputed { get; internal set; }

    /// <summary>From here to the disposal, in everything that is awaited or begun in between, <see cref="Current"/> stays the same.</summary>
    public IDisposable Take()
    {
        var call = new Call(this, newest, taken.Value);
        taken.Value = call;
        return call;
    }

    /// <summary>
    /// Makes sure that <see cref="Newest"/> is the version in force, in this process as in all others: before <see cref="Take"/>, whenever something is decided.
    /// </summary>
    /// <exception cref="VaultException">It is not known to be, or cannot be loaded: nothing may be decided.</exception>
    public ValueTask EnsureNewestAsync(CancellationToken ct) => ensure?.Invoke(ct) ?? ValueTask.CompletedTask;

    /// <summary>From here on somebody follows what other processes activate.</summary>
    internal void FollowBy(Func<CancellationToken, ValueTask> follow) => ensure = follow;

    /// <summary>Calls that begin from here on take this version.</summary>
    internal void Swap(PolicySet next) => newest = next;

    private sealed class Call(ActivePolicy owner, PolicySet policy, Call? outer) : IDisposable
    {
        /// <summary>INVARIANT: null once the call is over, so that what outlives it does not decide by its version.</summary>
        public PolicySet? Policy { get; private set; } = policy;

        public void Dispose()
        {
            Policy = null;
            owner.taken.Value = outer;
        }
    }
}
