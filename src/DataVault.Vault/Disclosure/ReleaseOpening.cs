using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>A read that was decided: what may be opened, and the entry that must be durable first.</summary>
/// <param name="Refused">Why nothing is released; null when something is.</param>
internal sealed record Release(ReadQuery Query, SubjectKeys Keys, SealedRecord Record, Decision Decision, PendingEntry Entry, string? Refused)
{
    public IReadOnlyList<FieldPermit> Permits => Refused is null ? Decision.Permits : [];

    /// <summary>Of the permits, those by which something is shown: what is not held is not released, and nobody is told that it was.</summary>
    public IReadOnlyList<FieldPermit> Shown { get; init; } = [];

    /// <summary>What the caller is told instead of an answer, once the refusal is in the log.</summary>
    public VaultException? Problem { get; init; }
}

/// <summary>What was opened of a record, and by which permits; disposing erases it.</summary>
internal sealed record Contents(IReadOnlyList<ReleasedField> Fields, IReadOnlyList<FieldPermit> Shown, IReadOnlyList<WithheldField> Withheld) : IDisposable
{
    public void Dispose()
    {
        foreach (var field in Fields) field.Dispose();
    }
}

/// <summary>Opens what the permits of a release name, and puts it into its forms. Whoever calls makes sure that the entry is durable before anything leaves, and erases it otherwise.</summary>
internal sealed class ReleaseOpening(RecordCipher cipher, ReleaseForms forms)
{
    /// <summary>Null when what is stored is not what was sealed.</summary>
    public Contents? TryOpen(Release release, out CryptographicException? broken)
    {
        broken = null;
        try
        {
            return Open(release);
        }
        catch (CryptographicException e)
        {
            broken = e;
            return null;
        }
    }

    /// <inheritdoc cref="TryOpen"/>
    public List<ReleasedEvent>? TryOpenEvents(Release release, List<EventRow> rows, out CryptographicException? broken)
    {
        broken = null;
        try
        {
            cipher.Verify(release.Record, release.Keys);
            var permits = release.Permits.ToDictionary(permit => permit.Item.Id);
            return [.. rows.Select(row => EventContent.Release(cipher, release.Keys, permits[row.TypeId], row))];
        }
        catch (CryptographicException e)
        {
            broken = e;
            return null;
        }
    }

    /// <summary>Asked for by name and empty is said to be not held; a request for everything lists only what it may not have.</summary>
    public static List<WithheldField> WithheldOf(Release release, IReadOnlyList<FieldPermit> shown)
    {
        var held = shown.Select(permit => AuditLog.ItemCode(permit.Item)).ToHashSet();
        var withheld = new List<WithheldField>();
        foreach (var item in release.Decision.Items)
        {
            var reason = release.Refused is not null && item.Permit is not null ? release.Refused : item.Reason;
            if (reason is null && !held.Contains(AuditLog.ItemCode(item.Item)) && release.Query.Items is not null) reason = Reasons.NotHeld;
            if (reason is not null) withheld.Add(new WithheldField(item.Item.Name, reason));
        }
        return withheld;
    }

    private Contents Open(Release release)
    {
        var released = new List<ReleasedField>(release.Permits.Count);
        var shown = new List<FieldPermit>(release.Permits.Count);
        if (release.Permits.Count == 0)
        {
            // Facts that somebody changed so that nothing is released are no less false than facts that release too much.
            cipher.Verify(release.Record, release.Keys);
            return new Contents(released, shown, WithheldOf(release, shown));
        }

        using var opened = cipher.Open(release.Record, release.Keys, release.Permits);
        foreach (var field in opened)
        {
            if (forms.Apply(field, release.Query.Purpose) is not { } utf8Json) continue;
            released.Add(new ReleasedField(field.Field.Name, field.Permit.Form, utf8Json, release.Query.Provenance ? field.Provenance : null));
            shown.Add(field.Permit);
        }
        return new Contents(released, shown, WithheldOf(release, shown));
    }
}
