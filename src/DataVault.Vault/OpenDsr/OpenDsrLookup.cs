using DataVault.Policy;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>Whom identities lead to.</summary>
/// <param name="Subject">Somebody; null where they lead to nobody, or to nobody alone.</param>
/// <param name="Outcome"><see cref="OpenDsrWords.Ambiguous"/>, or null.</param>
internal readonly record struct OpenDsrMatch(SubjectId? Subject, string? Outcome);

/// <summary>
/// Finds whom a controller means, by blind indexes, each record decided like any other search: who is out of the controller's reach is nobody. The identities are
/// forgotten when it returns.
/// </summary>
internal sealed class OpenDsrLookup(CandidateFinder finder, Decider decider, AuditLog log, ReleaseTerms terms, VaultOptions options)
{
    private const int MostFound = 100;

    /// <summary>Identities of a request must agree: those that lead to anybody must lead to one and the same person. Nothing is done to somebody by guessing.</summary>
    /// <exception cref="VaultException">invalid-fields: a value that no person can have, or a type that means no field; forbidden.</exception>
    public async Task<OpenDsrMatch> FindAsync(Recipient controller, IReadOnlyList<OpenDsrIdentity> identities, Guid requestId, CancellationToken ct)
    {
        var questions = Read(identities);
        FieldDefinition[] fields = [.. questions.Select(question => question.Keys.Single()).Distinct()];
        int[] items = [.. fields.Select(AuditLog.ItemCode)];
        if (fields.Any(field => !decider.Policy.Decisions.CouldPermit(controller, AccessAction.Search, SubjectRequests.Purpose, field)))
        {
            await log.AppendAsync(log.Entry(EntryType.Denied, controller, default, SubjectRequests.Purpose, EntryResult.Denied, items, requestId), null, ct);
            throw VaultException.Forbidden();
        }

        var (all, common, crowded) = (new HashSet<SubjectId>(), (HashSet<SubjectId>?)null, false);
        foreach (var question in questions)
        {
            var found = await FoundAsync(controller, question, all, ct);
            if (found is null) crowded = true;
            else if (found.Count > 0) common = common is null ? found : [.. common.Intersect(found)];
        }

        var entry = log.Entry(EntryType.Search, controller, default, SubjectRequests.Purpose, EntryResult.Ok, items, requestId);
        await log.AppendAsync(await finder.ConcerningAsync(entry, [.. all], ct), ct);
        await terms.CountFoundAsync(controller, decider.Purpose(SubjectRequests.Purpose), [.. common ?? []], fields, requestId, ct);
        return common switch
        {
            null => new OpenDsrMatch(null, crowded ? OpenDsrWords.Ambiguous : null),
            { Count: 1 } => new OpenDsrMatch(common.Single(), null),
            _ => new OpenDsrMatch(null, OpenDsrWords.Ambiguous),
        };
    }

    /// <summary>Null: more people have this than can tell anybody apart.</summary>
    private async Task<HashSet<SubjectId>?> FoundAsync(Recipient controller, Dictionary<FieldDefinition, SearchCondition> question, HashSet<SubjectId> all, CancellationToken ct)
    {
        var hidden = new List<SubjectId>();
        try
        {
            var found = await finder.FindAsync(controller, SubjectRequests.Purpose, question, MostFound, hidden, ct);
            all.UnionWith(found.Select(record => record.Subject).Concat(hidden));
            return found.Count > MostFound ? null : [.. found.Select(record => record.Subject)];
        }
        catch (VaultException e) when (e.Slug == "invalid-request")
        {
            return null;
        }
    }

    private List<Dictionary<FieldDefinition, SearchCondition>> Read(IReadOnlyList<OpenDsrIdentity> identities)
    {
        var questions = new List<Dictionary<FieldDefinition, SearchCondition>>();
        var problems = new List<FieldProblem>();
        for (var index = 0; index < identities.Count; index++)
        {
            var (type, at) = (identities[index].Type, $"/subject_identities/{index}");
            if (!options.OpenDsr.Identities.TryGetValue(type, out var name) || decider.Policy.Catalogue.Find(name) is not { } field || !decider.Policy.Catalogue.IsIndexed(field))
                problems.Add(new FieldProblem(at + "/identity_type", "unsupported", "This type of identity is not supported."));
            else if (SearchCondition.Equal(identities[index].Value) is var condition && condition.Prepare(field) is not null)
                problems.Add(new FieldProblem(at + "/identity_value", "invalid", "No identity of this type has such a value."));
            else
                questions.Add(new() { [field] = condition });
        }

        return problems.Count == 0 ? questions : throw VaultException.Invalid(problems);
    }
}
