using System.Globalization;
using System.Text.Json;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using Npgsql;

namespace DataVault.Vault;

/// <summary>What came of a proposal.</summary>
/// <param name="Version">The version proposed; null when it does not load.</param>
/// <param name="Previous">The version that was in force when it was proposed.</param>
/// <param name="Activation">Null when nothing was activated: a dry run, or the version is in force already.</param>
/// <param name="Processes">How many processes serve by it when this is said. None begins anything by another.</param>
public sealed record ActivationOutcome(string? Version, string Previous, IReadOnlyList<PolicyProblem> Problems, IReadOnlyList<string> Notes)
{
    public PolicyActivation? Activation { get; init; }

    public int Processes { get; init; }

    /// <summary>Changes that have to be named, and were not.</summary>
    public IReadOnlyList<string> ToAcknowledge { get; init; } = [];
}

/// <summary>A page of activations, newest first.</summary>
public sealed record ActivationPage(IReadOnlyList<PolicyActivation> Items, string? Next);

/// <summary>
/// Puts versions of the policy in force:
/// <code>
/// examine  ->  file the version, its numbers, the activation and its log entry: one transaction  ->  swap here  ->  wait until no process serves by another
/// </code>
/// INVARIANT: before the commit nothing has happened; after it, whatever ends, every process follows or decides nothing.
/// </summary>
public sealed class PolicyActivations
{
    public const int MaxLimit = 200;

    private readonly VaultDatabase database;
    private readonly AuditLog log;
    private readonly ActivePolicy active;
    private readonly PolicyStore store;
    private readonly PolicyScrutiny scrutiny;
    private readonly ActivationTools tools;

    internal PolicyActivations(VaultDatabase database, AuditLog log, ActivePolicy active, PolicyStore store, PolicyScrutiny scrutiny, ActivationTools tools) =>
        (this.database, this.log, this.active, this.store, this.scrutiny, this.tools) = (database, log, active, store, scrutiny, tools);

    /// <summary>
    /// The newest version that a vault names which nobody serves yet; null when it keeps none. Before keys are opened nobody knows who named it: the start looks again.
    /// </summary>
    /// <exception cref="VaultStartException">This program cannot load any that it names.</exception>
    public static async Task<PolicySet?> NamedAsync(string connectionString, CancellationToken ct)
    {
        await using var database = new VaultDatabase(connectionString);
        try
        {
            return await PolicyStore.NamedAsync(database, ct);
        }
        catch (PolicyException e)
        {
            throw new VaultStartException($"The policy in force cannot be loaded from the database: {string.Join("; ", e.Problems)}");
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName or PostgresErrorCodes.InvalidCatalogName or PostgresErrorCodes.InvalidAuthorizationSpecification)
        {
            return null;
        }
    }

    /// <summary>What activating it would say; nothing is changed. That somebody asked is an entry of the log.</summary>
    public async Task<ActivationOutcome> TryAsync(Recipient recipient, PolicyProposal proposal, Guid requestId, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(proposal);
        var now = active.Newest;
        var verdict = await ExamineAsync(proposal, now, provide: false, ct);
        var entry = log.Entry(EntryType.PolicyQuestion, recipient, default, "", EntryResult.Ok, [], requestId) with { Rules = ["dry-run", .. Proposed(verdict.Policy?.Version)] };
        await log.AppendAsync(entry, null, ct);
        return OutcomeOf(verdict, now);
    }

    /// <summary>Activates, unless something is wrong; that is in the outcome and in the log, and what was in force stays so.</summary>
    /// <exception cref="VaultException">Another version came meanwhile, or the database is away.</exception>
    public async Task<ActivationOutcome> ActivateAsync(Recipient recipient, PolicyProposal proposal, Guid requestId, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(proposal);
        await tools.Watch.LookAsync(ct);
        var now = active.Newest;
        var verdict = await ExamineAsync(proposal, now, provide: true, ct);
        var outcome = OutcomeOf(verdict, now);
        if (!verdict.Passed)
        {
            await RefuseAsync(recipient, outcome, requestId, ct);
            return outcome;
        }

        // The same again is an activation where the database does not say that it is in force: so somebody puts right what was written into it.
        if (verdict.Policy!.Version == now.Version && await store.StandingAsync(ct) is { Foreign: [], InForce: { } inForce } && inForce.Sequence == tools.Watch.Sequence) return outcome;
        var activation = await CommitAsync(recipient, verdict, proposal.Files, now, requestId);
        await tools.Watch.LookAsync(CancellationToken.None);
        return outcome with { Activation = activation, Processes = await tools.Processes.FollowedAsync(activation.Sequence, ct) };
    }

    /// <summary>
    /// The version that a vault had before it kept any, or begins with: filed as it is. It is in force already, so refusing it would refuse the vault; what the lint
    /// finds of it is for whoever starts the server to see.
    /// </summary>
    /// <returns>False when the vault knows its versions already.</returns>
    public async Task<bool> AdoptAsync(IReadOnlyDictionary<string, string> files, CancellationToken ct)
    {
        if (tools.Watch.Sequence > 0 || await tools.Memory.RecallAsync(ct) is not null) return false;
        var adopted = await database.RunAsync(async (connection, transaction) =>
        {
            var standing = await store.LockAsync(connection, transaction, ct);
            if (standing.InForce is not null) return false;
            await PolicyStore.RemoveAsync(connection, transaction, standing.Foreign, ct);
            await store.FileAsync(connection, transaction, active.Newest, files, tools.Clock.Now, ct);
            await store.ActivateAsync(connection, transaction, new PolicyActivation(1, active.Newest.Version, tools.Clock.Now, LogWorker.Keeper.Id, null), ct);
            return true;
        }, ct);
        await tools.Watch.LookAsync(ct);
        return adopted;
    }

    /// <summary>The version that this process serves by.</summary>
    public string InForce => active.Newest.Version;

    /// <summary>Whether the version was ever in force.</summary>
    public async Task<bool> IsKnownAsync(string version, CancellationToken ct) => (await store.OfVersionAsync(version, ct)).Count > 0;

    /// <exception cref="VaultException">The limit or the cursor is not valid.</exception>
    public async Task<ActivationPage> ListAsync(int limit, string? cursor, CancellationToken ct)
    {
        if (limit is < 1 or > MaxLimit) throw VaultException.BadRequest($"The limit is between 1 and {MaxLimit}.");
        var before = long.MaxValue;
        if (cursor is not null && !long.TryParse(cursor, NumberStyles.None, CultureInfo.InvariantCulture, out before)) throw VaultException.BadRequest("The cursor is not valid.");
        var found = await MarkAsync(await store.ListAsync(before, limit + 1, ct), _ => cursor is null, ct);
        return new ActivationPage([.. found.Take(limit)], found.Count > limit ? found[limit - 1].Sequence.ToString(CultureInfo.InvariantCulture) : null);
    }

    /// <summary>Marks the activation that is served by, and puts it among the others where its row is gone: INVARIANT: what is told to be in force is what decides.</summary>
    /// <param name="missed">Whether it would be among them.</param>
    private async Task<List<PolicyActivation>> MarkAsync(List<PolicyActivation> found, Func<string, bool> missed, CancellationToken ct)
    {
        var (sequence, version) = await tools.Watch.ServedAsync(ct);
        List<PolicyActivation> marked = [.. found.Select(one => one.Sequence == sequence && one.Version == version ? one with { InForce = true } : one)];
        if (sequence == 0 || marked.Exists(one => one.InForce) || !missed(version)) return marked;
        var remembered = await tools.Memory.RecallAsync(ct) is { } known && known.Sequence == sequence ? known : null;
        var gone = new PolicyActivation(sequence, version, remembered?.At ?? tools.Clock.Now, "", remembered?.LogIndex) { InForce = true, IsGone = true };
        return [.. marked.Append(gone).OrderByDescending(one => one.Sequence)];
    }

    /// <summary>The files of a version and when it was in force.</summary>
    /// <exception cref="VaultException">There is no such version, or the database has other files under its name.</exception>
    public async Task<(IReadOnlyDictionary<string, string> Files, IReadOnlyList<PolicyActivation> Activations)> ShowAsync(string version, CancellationToken ct)
    {
        if (!IsVersion(version) || await store.FilesAsync(version, ct) is not { } files) throw VaultException.NotFound();
        if (PolicySet.VersionOf(files) != version) throw VaultException.InvalidState("The files in the database are not those of the version they are filed under.");
        return (files, await MarkAsync(await store.OfVersionAsync(version, ct), served => served == version, ct));
    }

    /// <summary>The version as it decides.</summary>
    /// <exception cref="VaultException">There is no such version, or this program does not understand it any more.</exception>
    public async Task<PolicySet> LoadAsync(string version, CancellationToken ct)
    {
        if (active.Newest.Version == version) return active.Newest;
        try
        {
            return (IsVersion(version) ? await store.LoadAsync(version, ct) : null) ?? throw VaultException.NotFound();
        }
        catch (PolicyException)
        {
            throw VaultException.InvalidState("This program does not understand that version any more.");
        }
    }

    /// <summary>The one step that puts a version in force.</summary>
    internal async Task<PolicyActivation> CommitAsync(Recipient recipient, PolicyVerdict verdict, IReadOnlyDictionary<string, string> files, PolicySet now, Guid requestId)
    {
        var next = verdict.Policy!;
        // SPEC log-entry §8: what was retired stands in the items, what was acknowledged in the rules.
        var entry = log.Entry(EntryType.PolicyChange, recipient, default, "", EntryResult.Ok, [.. verdict.Retired.Select(AuditLog.ItemCode)], requestId) with { Policy = next.VersionBytes };
        string[] rules = [PolicyPast.ReplacesRule + now.Version, .. verdict.Acknowledged.Select(change => change.Mark)];
        var served = tools.Watch.Sequence;
        if ((await tools.Memory.RecallAsync(CancellationToken.None))?.Sequence > served) throw VaultException.InvalidState("Another version was activated meanwhile.");
        // INVARIANT: not cancelled half-way: whether it is in force must be known to whoever asked.
        return await database.RunAsync(async (connection, transaction) =>
        {
            var standing = await store.LockAsync(connection, transaction, CancellationToken.None);
            if (standing.InForce?.Sequence > served) throw VaultException.InvalidState("Another version was activated meanwhile.");
            if (standing.Foreign.Count > 0) await PolicyStore.RemoveAsync(connection, transaction, standing.Foreign, CancellationToken.None);
            if (FeedsOtherwise(now, next)) await FeedQueue.EnqueueAllAsync(connection, transaction);
            await store.FileAsync(connection, transaction, next, files, tools.Clock.Now, CancellationToken.None);
            // The log's head is taken last but for the one row that names the entry.
            var told = entry with { Rules = standing.Foreign.Count > 0 ? [.. rules, $"removed:{standing.Foreign.Count}"] : rules };
            var index = await log.AppendWithinAsync(connection, transaction, [told], CancellationToken.None);
            var activation = new PolicyActivation(served + 1, next.Version, tools.Clock.Now, ActorName.Of([], recipient).Name, index) { Replaces = served > 0 ? served : null };
            await store.ActivateAsync(connection, transaction, activation, CancellationToken.None);
            return activation;
        }, CancellationToken.None);
    }

    private async Task<PolicyVerdict> ExamineAsync(PolicyProposal proposal, PolicySet now, bool provide, CancellationToken ct)
    {
        var verdict = await scrutiny.ExamineAsync(proposal, now, ct);
        if (!verdict.Passed || await scrutiny.UnprovidedAsync(verdict.Policy!, ct) is not { Count: > 0 } lacking) return verdict;
        if (tools.Provision is not { } make)
        {
            return verdict with
            {
                Problems = [.. lacking.Select(domain => new PolicyProblem(
                    "analytics.yaml", 0, $"the domain {domain.Name} needs tables or columns that only an administrator of the database can make: run DataVault.Server migrate with this folder, then activate"))],
            };
        }

        if (provide) await make(lacking, ct);
        return verdict with { Notes = [.. verdict.Notes, .. lacking.Select(domain => $"Tables of the analytics domain {domain.Name} are made.")] };
    }

    private static ActivationOutcome OutcomeOf(PolicyVerdict verdict, PolicySet now) =>
        new(verdict.Policy?.Version, now.Version, verdict.Problems, verdict.Notes) { ToAcknowledge = verdict.ToAcknowledge };

    private static IReadOnlyList<string> Proposed(string? version) => version is null ? [] : ["proposed:" + version];

    private async Task RefuseAsync(Recipient recipient, ActivationOutcome outcome, Guid requestId, CancellationToken ct)
    {
        var entry = log.Entry(EntryType.PolicyRefused, recipient, default, "", EntryResult.Denied, [], requestId) with
        {
            Rules = Proposed(outcome.Version),
        };
        var words = JsonSerializer.SerializeToUtf8Bytes(outcome.Problems.Take(100).Select(problem => problem.ToString()));
        var (described, detail) = log.WithDetail(entry, null, words, tools.Clock.Random);
        await log.AppendAsync(described, detail, ct);
    }

    /// <summary>Whether anybody's rows in the analytics domains may look different.</summary>
    private static bool FeedsOtherwise(PolicySet now, PolicySet next) => !Fed(now).SequenceEqual(Fed(next), StringComparer.Ordinal);

    private static IEnumerable<string> Fed(PolicySet policy) =>
    [
        .. policy.Analytics.SelectMany(domain => domain.CustomerColumns.Select(column => $"{domain.Name} {column.Column} {column.Field.Id} {column.Generalisation}")),
        .. policy.Analytics.SelectMany(domain => domain.EventTypes.Select(type => $"{domain.Name} {type}")),
        .. policy.Questions.WhatCan(AnalyticsFeed.Feeder.Roles[0]).Where(grant => grant.Action == AccessAction.Feed)
            .Select(grant => $"{grant.Purpose} {grant.Item.Code} {grant.Form} {string.Join(',', grant.Conditions)}"),
    ];

    private static bool IsVersion(string text) => text.Length == 2 * LogEntry.TagSize && text.All(char.IsAsciiHexDigitLower);
}

/// <summary>What activations work with beside the versions.</summary>
internal sealed record ActivationTools(PolicyWatch Watch, PolicyProcesses Processes, PolicyMemory Memory, VaultClock Clock, DomainProvision? Provision);
