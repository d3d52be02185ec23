using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>What restores did to applications and accounts.</summary>
/// <param name="Names">Applications and staff to whom they give back what somebody had taken from them, as the log names them.</param>
/// <param name="People">Customers of whom the same holds.</param>
/// <param name="Explained">Of those to whom nothing was taken, how many versions of their rows a restore that somebody stands behind can have lost.</param>
/// <param name="Restores">How many restores were looked at.</param>
public sealed record UndoneSignIns(IReadOnlySet<string> Names, IReadOnlySet<Guid> People, IReadOnlyDictionary<string, int> Explained, int Restores);

/// <summary>
/// What restores undo of the acts upon applications and accounts, from the entries that they lost: for whoever keeps those, who refuses them until an operator has
/// gone through them.
/// </summary>
public sealed class UndoneActs
{
    // An act changes a row at most so often.
    private const int ChangesOfAct = 2;

    private const string Person = "person:";

    // The log was searched as far as this row says.
    private static readonly byte[] Looked = [3];

    private readonly RestoreDeclarations restores;
    private readonly LogStore log;
    private readonly RowMemory memory;
    private readonly TagResolver tags;
    private readonly AuditTrail trail;

    internal UndoneActs(RestoreDeclarations restores, LogStore log, RowMemory memory, TagResolver tags, AuditTrail trail) =>
        (this.restores, this.log, this.memory, this.tags, this.trail) = (restores, log, memory, tags, trail);

    /// <summary>Of the restores that the log has declared, or somebody has accepted, since this was last done to its end.</summary>
    /// <returns>What they did, and what <see cref="DoneAsync"/> is to be told once that is seen to.</returns>
    public async Task<(UndoneSignIns Undone, long Size)> LookAsync(CancellationToken ct = default)
    {
        var from = await memory.NewestAsync(Looked, ct);
        var (declared, size) = await restores.ReadAsync(from, ct);
        // The first time nothing is known of what operators have seen to.
        var news = from == 0 ? [] : declared.Where(restore => restore.Index >= from || restore.AcceptedAt >= from).ToList();
        var (taken, lost) = (new Dictionary<string, HashSet<string>>(StringComparer.Ordinal), new Dictionary<string, int>(StringComparer.Ordinal));
        foreach (var restore in news)
        {
            await foreach (var (index, encoded) in log.EntriesAsync(restore.From, restore.Index, ct)) Take(taken, lost, (index, LogEntry.Decode(encoded)), restore.IsBelieved);
        }

        var left = taken.Where(pair => pair.Value.Count > 0).Select(pair => pair.Key).ToHashSet(StringComparer.Ordinal);
        var sought = left.Where(key => key.StartsWith(Person, StringComparison.Ordinal)).Select(key => Guid.ParseExact(key[Person.Length..], "N")).ToHashSet();
        var people = sought.Count == 0 ? [] : (await tags.FindAsync(sought, ct)).Values.Select(person => person.Value);
        return (new UndoneSignIns(left, people.ToHashSet(), lost.Where(pair => !left.Contains(pair.Key)).ToDictionary(), news.Count), size);
    }

    /// <summary>What was found is seen to.</summary>
    public Task DoneAsync(long size, CancellationToken ct = default) => memory.ReachedAsync(Looked, size, ct);

    /// <summary>By what the sets name an application, a member of staff, or a customer.</summary>
    public async Task<string> NameOfAsync(Recipient recipient, Guid? customer, CancellationToken ct = default) =>
        trail.NameOf(recipient) ?? (customer is { } subject ? Person + await trail.TagOfAsync(new SubjectId(subject), ct) : "");

    // What somebody was given is lost and no danger; nor is what they were given after it had been taken from them.
    private static void Take(Dictionary<string, HashSet<string>> taken, Dictionary<string, int> lost, (long Index, LogEntry Entry) told, bool believed)
    {
        var entry = told.Entry;
        if (believed && entry is { Type: EntryType.SignIn, Result: EntryResult.Ok }) Add(lost, entry.Subject.IsEmpty ? "account:" + Convert.ToHexStringLower(entry.Actor.Span) : PersonOf(entry), 1);
        if (LostAct.Of(told.Index, entry) is not { } act) return;
        // Of somebody who is erased no tag is left, and no account.
        var named = entry.Rules is [_, _, var of] ? of : "";
        if (named.Length == 0 && entry.Subject.IsEmpty) return;
        var key = named.Length > 0 ? named : PersonOf(entry);
        if (believed) Add(lost, key, ChangesOfAct);
        if (!taken.TryGetValue(key, out var from)) taken[key] = from = new(StringComparer.Ordinal);
        switch (act.What)
        {
            // What ended one token or session ends with them: it takes nothing that lasts.
            case "created" or "registered" or "passkey-added" or "outside-linked" or "application-allowed" or "access-token-revoked" or "sign-in-revoked": break;
            case "enabled": from.Remove("disabled"); break;
            case "accepted-as-it-was": from.Clear(); break;
            default: from.Add(act.What); break;
        }
    }

    private static string PersonOf(LogEntry entry) => Person + Convert.ToHexStringLower(entry.Subject.Span);

    private static void Add(Dictionary<string, int> counts, string key, int count) => counts[key] = counts.GetValueOrDefault(key) + count;
}
