using System.Security.Cryptography;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>
/// A record being written: class groups in clear where permits opened them, sealed where they did not. Remembers what it replaced, for the history.
/// Disposing erases what is in clear.
/// </summary>
internal sealed class RecordContent(Catalogue catalogue) : IDisposable
{
    private readonly SortedList<int, Group> groups = new(8);
    private readonly List<(int ClassId, GroupField Field)> replaced = [];

    /// <summary>Values that this change replaced or removed, as they were.</summary>
    public IReadOnlyList<(int ClassId, GroupField Field)> Replaced => replaced;

    public bool IsChanged => groups.Values.Any(g => g.Changed);

    /// <summary>Current value of a permitted field.</summary>
    public FieldValue? Find(FieldPermit permit)
    {
        var field = (FieldDefinition)permit.Item;
        if (!groups.TryGetValue(field.Class.Id, out var group) || group.Fields is null || !group.Fields.TryGetValue(field.Id, out var stored)) return null;
        return new FieldValue(field, stored.Utf8Json.ToArray(), RecordCodec.DecodeProvenance(stored.Provenance), stored.Version);
    }

    /// <summary>Writes a permitted field. <paramref name="utf8Json"/> is kept, not copied, and erased with this object.</summary>
    public void Set(FieldPermit permit, byte[] utf8Json, FieldProvenance provenance) => Set(permit, utf8Json, RecordCodec.Encode(provenance));

    /// <summary>The same with a provenance encoded once for many fields (<see cref="RecordCodec.Encode(FieldProvenance)"/>).</summary>
    public void Set(FieldPermit permit, byte[] utf8Json, byte[] provenance)
    {
        var field = Writable(permit);
        var group = Open(field.Class.Id);
        if (group.Fields!.TryGetValue(field.Id, out var old)) replaced.Add((field.Class.Id, old));
        // Version 0 stands for "the version that this change becomes" until the record is sealed.
        group.Fields[field.Id] = new GroupField(field.Id, 0, provenance, utf8Json);
        group.Changed = true;
    }

    /// <returns>False when the field held nothing.</returns>
    public bool Remove(FieldPermit permit)
    {
        var field = Writable(permit);
        var group = Open(field.Class.Id);
        if (!group.Fields!.TryGetValue(field.Id, out var old)) return false;
        group.Fields.Remove(field.Id);
        replaced.Add((field.Class.Id, old));
        group.Changed = true;
        return true;
    }

    public void Dispose()
    {
        foreach (var group in groups.Values)
        {
            if (group.Fields is null) continue;
            foreach (var field in group.Fields.Values) Erase(field.Utf8Json);
        }

        foreach (var (_, field) in replaced) Erase(field.Utf8Json);
    }

    internal void Keep(int classId, ReadOnlyMemory<byte> value) => groups[classId] = new Group { Sealed = value };

    internal void Take(int classId, ReadOnlyMemory<byte> value, List<GroupField> fields) =>
        groups[classId] = new Group { Sealed = value, Fields = new SortedList<int, GroupField>(fields.ToDictionary(f => f.FieldId)) };

    /// <summary>Groups by class id; fields only where they must be sealed again.</summary>
    internal IEnumerable<(int ClassId, ReadOnlyMemory<byte> Sealed, IReadOnlyList<GroupField>? Fields)> Groups(long rowVersion)
    {
        foreach (var (classId, group) in groups)
        {
            if (!group.Changed && group.Sealed.Length > 0) yield return (classId, group.Sealed, null);
            else if (group.Fields is not null) yield return (classId, default, Numbered(group.Fields.Values, rowVersion));
        }
    }

    private static GroupField[] Numbered(IList<GroupField> fields, long rowVersion)
    {
        var numbered = new GroupField[fields.Count];
        for (var i = 0; i < numbered.Length; i++) numbered[i] = fields[i].Version == 0 ? fields[i] with { Version = rowVersion } : fields[i];
        return numbered;
    }

    private FieldDefinition Writable(FieldPermit permit)
    {
        var field = (FieldDefinition)permit.Item;
        if (permit.Action is not (AccessAction.Create or AccessAction.Update)) throw new InvalidOperationException("The permit is not for writing.");
        return catalogue.ById(field.Id) ?? throw new InvalidOperationException("The field is not in the catalogue.");
    }

    private Group Open(int classId)
    {
        if (!groups.TryGetValue(classId, out var group)) groups[classId] = group = new Group { Fields = [] };
        return group.Fields is null ? throw new InvalidOperationException("The group was not opened for this change.") : group;
    }

    private static void Erase(ReadOnlyMemory<byte> value) =>
        CryptographicOperations.ZeroMemory(System.Runtime.InteropServices.MemoryMarshal.AsMemory(value).Span);

    private sealed class Group
    {
        public ReadOnlyMemory<byte> Sealed { get; init; }

        public SortedList<int, GroupField>? Fields { get; init; }

        public bool Changed { get; set; }
    }
}
