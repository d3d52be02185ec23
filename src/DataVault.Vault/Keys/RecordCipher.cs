using System.Buffers;
using System.Buffers.Binary;
using System.Collections;
using System.Security.Cryptography;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>A person's record as <c>vault.subject</c> holds it.</summary>
/// <param name="Record">Packed class groups.</param>
/// <param name="RecordSeal">MAC over version, record and facts.</param>
/// <param name="Facts">Consents, objections, restriction, hold: not secret, but sealed against change.</param>
internal sealed record SealedRecord(SubjectId Subject, long RowVersion, int KeyVersion, byte[] Record, byte[] RecordSeal, byte[] Facts);

/// <summary>Since when a value of a field is stored.</summary>
internal readonly record struct StoredAge(int FieldId, DateTimeOffset RecordedAt);

/// <summary>One released field. The JSON is a slice of the record's buffer: copy what must live longer.</summary>
internal sealed class OpenedField(FieldDefinition field, FieldPermit permit, in GroupField stored)
{
    private readonly ReadOnlyMemory<byte> provenance = stored.Provenance;

    public FieldDefinition Field { get; } = field;

    public FieldPermit Permit { get; } = permit;

    public long Version { get; } = stored.Version;

    public ReadOnlyMemory<byte> Utf8Json { get; } = stored.Utf8Json;

    /// <summary>Decoded when asked for; before the record is disposed.</summary>
    public FieldProvenance Provenance => RecordCodec.DecodeProvenance(provenance);

    public override string ToString() => Field.Name;
}

/// <summary>Permitted fields of one person in clear; disposing erases them.</summary>
internal sealed class OpenedRecord : IReadOnlyList<OpenedField>, IDisposable
{
    private readonly List<OpenedField> fields = [];
    private readonly List<byte[]> buffers = [];

    public int Count => fields.Count;

    public OpenedField this[int index] => fields[index];

    public void Add(OpenedField field) => fields.Add(field);

    // INVARIANT: these buffers are never pooled: a slice kept too long shows zeros, not another person.
    public byte[] Buffer(int length)
    {
        var buffer = new byte[length];
        buffers.Add(buffer);
        return buffer;
    }

    public IEnumerator<OpenedField> GetEnumerator() => fields.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public void Dispose()
    {
        foreach (var buffer in buffers) CryptographicOperations.ZeroMemory(buffer);
    }
}

/// <summary>A value in clear, for writing and for history.</summary>
internal sealed record FieldValue(FieldDefinition Field, byte[] Utf8Json, FieldProvenance Provenance, long Version)
{
    public override string ToString() => Field.Name;
}

/// <summary>
/// The only place that opens envelopes of people. Whatever it opens, it opens against permits that the decision point minted, and it returns what they name.
/// Formats: docs/formats/envelope.md and docs/formats/record.md.
/// </summary>
internal sealed class RecordCipher(VaultKeyring keyring, ActivePolicy policy, IRandomBytes random, NewestVersions newest)
{
    public const int DigestSize = 32;

    [ThreadStatic]
    private static ArrayBufferWriter<byte>? plain;

    /// <summary>Seals new or changed content; groups that were not opened or not changed keep their bytes.</summary>
    public SealedRecord Seal(SubjectKeys keys, long rowVersion, RecordContent content, byte[] facts)
    {
        var groups = new List<(int ClassId, ReadOnlyMemory<byte> Sealed)>();
        foreach (var group in content.Groups(rowVersion))
        {
            if (group.Fields is null) groups.Add((group.ClassId, group.Sealed));
            else if (group.Fields.Count > 0) groups.Add((group.ClassId, SealGroup(keys, "field", group.ClassId, rowVersion, group.Fields)));
        }

        return Complete(keys, rowVersion, RecordCodec.Pack(groups), facts);
    }

    /// <summary>The same record with other facts (a consent, an objection, a restriction, a hold): version and seal follow.</summary>
    public SealedRecord WithFacts(SealedRecord record, SubjectKeys keys, long rowVersion, byte[] facts)
    {
        Verify(record, keys);
        return Complete(keys, rowVersion, record.Record, facts);
    }

    /// <summary>The fields that are kept, under the next key of the same person. What is opened for that never leaves this class.</summary>
    /// <exception cref="CryptographicException">The record was changed, mixed or rolled back.</exception>
    public SealedRecord Carry(SealedRecord record, (SubjectKeys From, SubjectKeys To) keys, byte[] facts, Func<int, bool> keeps)
    {
        Verify(record, keys.From);
        var rowVersion = record.RowVersion + 1;
        return Complete(keys.To, rowVersion, RecordCodec.Pack(CarryGroups("field", record.Record, keys, rowVersion, keeps)), facts);
    }

    /// <summary>The same for a row of the history; empty when nothing of it is kept.</summary>
    public byte[] CarryHistory(byte[] history, long rowVersion, (SubjectKeys From, SubjectKeys To) keys, Func<int, bool> keeps) =>
        CarryGroups("history", history, keys, rowVersion, keeps) is { Count: > 0 } groups ? RecordCodec.Pack(groups) : [];

    /// <summary>The same for an event.</summary>
    public byte[] CarryEvent(EventTypeDefinition type, Guid eventId, byte[] value, (SubjectKeys From, SubjectKeys To) keys)
    {
        if (keys.From.Subject != keys.To.Subject) throw new InvalidOperationException("The keys are of two people.");
        Span<byte> key = stackalloc byte[KeyDerivation.KeySize];
        var padded = new byte[SealedValue.OpenedLength(value.Length)];
        try
        {
            var context = EventContext(keys.From.Subject, type, eventId, stackalloc byte[AssociatedData.Limit]);
            keys.From.ClassKey(type.Class.Id, key);
            SealedValue.Open(key, value, context, padded);
            keys.To.ClassKey(type.Class.Id, key);
            return SealedValue.Seal(key, (uint)keys.To.KeyVersion, 0, padded, context, random);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
            CryptographicOperations.ZeroMemory(padded);
        }
    }

    /// <summary>When each value of a record was recorded. The values are opened for that and go nowhere.</summary>
    /// <exception cref="CryptographicException">The record was changed, mixed or rolled back.</exception>
    public List<StoredAge> Ages(SealedRecord record, SubjectKeys keys)
    {
        Verify(record, keys);
        return Ages("field", record.Record, keys);
    }

    /// <summary>The same of a row of the history.</summary>
    public List<StoredAge> AgesOfHistory(byte[] history, SubjectKeys keys) => Ages("history", history, keys);

    private List<StoredAge> Ages(string label, byte[] packed, SubjectKeys keys)
    {
        var ages = new List<StoredAge>();
        foreach (var (classId, value) in RecordCodec.Unpack(packed))
        {
            var buffer = new byte[SealedValue.OpenedLength(value.Length)];
            try
            {
                ages.AddRange(OpenGroup(keys, label, classId, value.Span, buffer).Select(field => new StoredAge(field.FieldId, RecordCodec.DecodeProvenance(field.Provenance).RecordedAt)));
            }
            finally
            {
                CryptographicOperations.ZeroMemory(buffer);
            }
        }

        return ages;
    }

    private List<(int ClassId, ReadOnlyMemory<byte> Sealed)> CarryGroups(
        string label, byte[] packed, (SubjectKeys From, SubjectKeys To) keys, long rowVersion, Func<int, bool> keeps)
    {
        if (keys.From.Subject != keys.To.Subject) throw new InvalidOperationException("The keys are of two people.");
        var groups = new List<(int ClassId, ReadOnlyMemory<byte> Sealed)>();
        foreach (var (classId, value) in RecordCodec.Unpack(packed))
        {
            var buffer = new byte[SealedValue.OpenedLength(value.Length)];
            try
            {
                var kept = OpenGroup(keys.From, label, classId, value.Span, buffer).Where(field => keeps(field.FieldId)).ToList();
                if (kept.Count > 0) groups.Add((classId, SealGroup(keys.To, label, classId, rowVersion, kept)));
            }
            finally
            {
                CryptographicOperations.ZeroMemory(buffer);
            }
        }

        return groups;
    }

    /// <summary>What the log says of a record after a write: anybody who has the row can compute it.</summary>
    // SPEC record §3.1
    public byte[] Digest(SealedRecord record)
    {
        var digest = new byte[DigestSize];
        Digest(keyring.VaultId, record.Subject, record.RowVersion, record.Record, record.Facts, digest);
        return digest;
    }

    /// <summary>Opens the groups that hold permitted fields and returns those fields.</summary>
    /// <exception cref="CryptographicException">The record was changed, mixed or rolled back.</exception>
    public OpenedRecord Open(SealedRecord record, SubjectKeys keys, IReadOnlyList<FieldPermit> permits)
    {
        var opened = OpenHeld(record, keys, permits);
        newest.Saw(keys, record.RowVersion);
        return opened;
    }

    /// <summary>
    /// The same of a row that the caller's transaction holds. INVARIANT: that transaction may have written it and may still fail, so its version is not remembered here; otherwise the state
    /// that is left would be taken for an older one that somebody put back.
    /// </summary>
    public OpenedRecord OpenHeld(SealedRecord record, SubjectKeys keys, IReadOnlyList<FieldPermit> permits)
    {
        RefuseForeign(record.Subject, keys, permits);
        Check(record, keys);
        var opened = new OpenedRecord();
        foreach (var (classId, value) in RecordCodec.Unpack(record.Record))
        {
            if (Names(permits, classId)) OpenInto(opened, keys, ("field", classId), value, permits);
        }

        return opened;
    }

    /// <summary>Opens the groups that an update touches; the rest stays sealed.</summary>
    public RecordContent OpenForUpdate(SealedRecord record, SubjectKeys keys, IReadOnlyList<FieldPermit> permits)
    {
        RefuseForeign(record.Subject, keys, permits);
        Verify(record, keys);
        var content = new RecordContent(policy.Current.Catalogue);
        foreach (var (classId, value) in RecordCodec.Unpack(record.Record))
        {
            if (!Names(permits, classId)) content.Keep(classId, value);
            else content.Take(classId, value, OpenGroup(keys, "field", classId, value.Span, new byte[SealedValue.OpenedLength(value.Length)]));
        }

        return content;
    }

    /// <summary>Seals the values that a change replaced, class by class; empty when it replaced none.</summary>
    public byte[] SealHistory(SubjectKeys keys, long rowVersion, RecordContent content) =>
        RecordCodec.Pack([.. content.Replaced
            .GroupBy(old => old.ClassId).OrderBy(g => g.Key)
            .Select(g => (g.Key, (ReadOnlyMemory<byte>)SealGroup(keys, "history", g.Key, rowVersion, [.. g.Select(old => old.Field).OrderBy(f => f.FieldId)])))]);

    public OpenedRecord OpenHistory(SubjectKeys keys, byte[] history, IReadOnlyList<FieldPermit> permits)
    {
        RefuseForeign(keys.Subject, keys, permits);
        var opened = new OpenedRecord();
        foreach (var (classId, value) in RecordCodec.Unpack(history))
        {
            if (Names(permits, classId)) OpenInto(opened, keys, ("history", classId), value, permits);
        }

        return opened;
    }

    /// <summary>Seals the properties of an event.</summary>
    public byte[] SealEvent(SubjectKeys keys, EventTypeDefinition type, Guid eventId, ReadOnlySpan<byte> content)
    {
        Span<byte> key = stackalloc byte[KeyDerivation.KeySize];
        var padded = ArrayPool<byte>.Shared.Rent(Padding.PaddedLength(content.Length));
        var plaintext = padded.AsSpan(0, Padding.PaddedLength(content.Length));
        try
        {
            keys.ClassKey(type.Class.Id, key);
            content.CopyTo(plaintext);
            Padding.Write(plaintext, content.Length);
            return SealedValue.Seal(key, (uint)keys.KeyVersion, 0, plaintext, EventContext(keys.Subject, type, eventId, stackalloc byte[AssociatedData.Limit]), random);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
            CryptographicOperations.ZeroMemory(plaintext);
            ArrayPool<byte>.Shared.Return(padded);
        }
    }

    /// <summary>Opens an event; the caller erases the bytes.</summary>
    public byte[] OpenEvent(SubjectKeys keys, FieldPermit permit, Guid eventId, ReadOnlySpan<byte> value)
    {
        RefuseForeign(keys.Subject, keys, [permit]);
        if (permit.Item is not EventTypeDefinition type) throw new InvalidOperationException("The permit is not for events.");
        Span<byte> key = stackalloc byte[KeyDerivation.KeySize];
        var padded = new byte[SealedValue.OpenedLength(value.Length)];
        try
        {
            keys.ClassKey(type.Class.Id, SealedValue.KeyVersionOf(value), key);
            SealedValue.Open(key, value, EventContext(keys.Subject, type, eventId, stackalloc byte[AssociatedData.Limit]), padded);
            return padded[..Padding.ContentLength(padded)];
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
            CryptographicOperations.ZeroMemory(padded);
        }
    }

    /// <summary>The same record under another version of the person's key; nothing in clear leaves. Its version stays, its seal is another.</summary>
    public SealedRecord Renewed(SealedRecord record, SubjectKeys keys, int version)
    {
        Verify(record, keys);
        var groups = RenewedGroups(record.Record, keys, "field", version);
        keys.Select(version);
        return Complete(keys, record.RowVersion, groups, record.Facts);
    }

    public byte[] RenewedHistory(byte[] history, SubjectKeys keys, int version) => RenewedGroups(history, keys, "history", version);

    public byte[] RenewedEvent(ReadOnlySpan<byte> value, SubjectKeys keys, EventTypeDefinition type, Guid eventId, int version) =>
        Renewed(value, keys, type.Class.Id, version, EventContext(keys.Subject, type, eventId, stackalloc byte[AssociatedData.Limit]));

    /// <exception cref="CryptographicException">Record, version and facts are not what was last written together.</exception>
    /// <exception cref="OlderRecordException">They are, but something newer has been seen since.</exception>
    public void Verify(SealedRecord record, SubjectKeys keys)
    {
        Check(record, keys);
        newest.Saw(keys, record.RowVersion);
    }

    private void Check(SealedRecord record, SubjectKeys keys)
    {
        if (!SealHolds(keyring.VaultId, record, keys)) throw new CryptographicException("The record does not match its seal.");
        if (record.RowVersion < keys.NotBefore)
        {
            VaultMeters.RolledBack();
            throw new OlderRecordException();
        }
    }

    /// <summary>Whether record, version and facts are what was once written together.</summary>
    /// <exception cref="StaleKeyException">The record is sealed under a key that is not at hand.</exception>
    internal static bool SealHolds(Guid vaultId, SealedRecord record, SubjectKeys keys)
    {
        keys.Select(record.KeyVersion);
        Span<byte> digest = stackalloc byte[DigestSize];
        Span<byte> expected = stackalloc byte[DigestSize];
        Digest(vaultId, record.Subject, record.RowVersion, record.Record, record.Facts, digest);
        keys.RecordSeal(digest, expected);
        return CryptographicOperations.FixedTimeEquals(expected, record.RecordSeal);
    }

    /// <summary>What was sealed with these keys is committed: an older state is not served any more.</summary>
    public void Committed(SubjectKeys keys) => newest.Wrote(keys);

    /// <summary>Whether a record matches its seal and every group of it opens. Nothing of what opens leaves this method.</summary>
    public bool IsIntact(SealedRecord record, SubjectKeys keys) => Holds(() =>
    {
        Verify(record, keys);
        TryGroups(keys, "field", record.Record);
    });

    /// <summary>The same of a history row.</summary>
    public bool IsIntactHistory(SubjectKeys keys, byte[] history) => Holds(() => TryGroups(keys, "history", history));

    /// <summary>The same of an event.</summary>
    public bool IsIntactEvent(SubjectKeys keys, EventTypeDefinition type, Guid eventId, byte[] value) => Holds(() =>
    {
        Span<byte> key = stackalloc byte[KeyDerivation.KeySize];
        keys.ClassKey(type.Class.Id, SealedValue.KeyVersionOf(value), key);
        var padded = new byte[SealedValue.OpenedLength(value.Length)];
        SealedValue.Open(key, value, EventContext(keys.Subject, type, eventId, stackalloc byte[AssociatedData.Limit]), padded);
        CryptographicOperations.ZeroMemory(key);
        CryptographicOperations.ZeroMemory(padded);
    });

    private void TryGroups(SubjectKeys keys, string label, byte[] packed)
    {
        foreach (var (classId, value) in RecordCodec.Unpack(packed))
        {
            var buffer = new byte[SealedValue.OpenedLength(value.Length)];
            OpenGroup(keys, label, classId, value.Span, buffer);
            CryptographicOperations.ZeroMemory(buffer);
        }
    }

    private static bool Holds(Action open)
    {
        try
        {
            open();
            return true;
        }
        catch (Exception e) when (e is CryptographicException or InvalidDataException)
        {
            return false;
        }
    }

    private SealedRecord Complete(SubjectKeys keys, long rowVersion, byte[] record, byte[] facts)
    {
        Span<byte> digest = stackalloc byte[DigestSize];
        Digest(keyring.VaultId, keys.Subject, rowVersion, record, facts, digest);
        var seal = new byte[DigestSize];
        keys.RecordSeal(digest, seal);
        keys.Sealed = rowVersion;
        return new SealedRecord(keys.Subject, rowVersion, keys.KeyVersion, record, seal, facts);
    }

    private byte[] RenewedGroups(byte[] packed, SubjectKeys keys, string label, int version)
    {
        var groups = new List<(int ClassId, ReadOnlyMemory<byte> Sealed)>();
        Span<byte> context = stackalloc byte[AssociatedData.Limit];
        foreach (var (classId, value) in RecordCodec.Unpack(packed))
            groups.Add((classId, Renewed(value.Span, keys, classId, version, GroupContext(label, keys.Subject, classId, context))));
        return RecordCodec.Pack(groups);
    }

    // The padding stays as it is, and so does the record version that the value names.
    private byte[] Renewed(ReadOnlySpan<byte> value, SubjectKeys keys, int classId, int version, ReadOnlySpan<byte> context)
    {
        Span<byte> key = stackalloc byte[KeyDerivation.KeySize];
        var length = SealedValue.OpenedLength(value.Length);
        var buffer = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            keys.ClassKey(classId, SealedValue.KeyVersionOf(value), key);
            SealedValue.Open(key, value, context, buffer.AsSpan(0, length));
            keys.ClassKey(classId, version, key);
            return SealedValue.Seal(key, (uint)version, (ulong)SealedValue.RecordVersionOf(value), buffer.AsSpan(0, length), context, random);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
            CryptographicOperations.ZeroMemory(buffer.AsSpan(0, length));
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    internal static void Digest(Guid vaultId, SubjectId subject, long rowVersion, ReadOnlySpan<byte> record, ReadOnlySpan<byte> facts, Span<byte> digest)
    {
        var prefix = "datavault/v1/seal\0"u8;
        var buffer = ArrayPool<byte>.Shared.Rent(prefix.Length + 16 + 16 + 8 + 4 + record.Length + facts.Length);
        var span = buffer.AsSpan();
        prefix.CopyTo(span);
        var at = prefix.Length;
        vaultId.TryWriteBytes(span[at..], bigEndian: true, out _);
        subject.Value.TryWriteBytes(span[(at + 16)..], bigEndian: true, out _);
        BinaryPrimitives.WriteInt64BigEndian(span[(at + 32)..], rowVersion);
        BinaryPrimitives.WriteInt32BigEndian(span[(at + 40)..], record.Length);
        at += 44;
        record.CopyTo(span[at..]);
        facts.CopyTo(span[(at + record.Length)..]);
        SHA256.HashData(span[..(at + record.Length + facts.Length)], digest);
        ArrayPool<byte>.Shared.Return(buffer);
    }

    private byte[] SealGroup(SubjectKeys keys, string label, int classId, long rowVersion, IReadOnlyList<GroupField> fields)
    {
        var content = plain ??= new ArrayBufferWriter<byte>(1024);
        Span<byte> key = stackalloc byte[KeyDerivation.KeySize];
        try
        {
            var length = RecordCodec.EncodeGroup(fields, content);
            var padded = Padding.PaddedLength(length);
            content.GetSpan(padded - length);
            content.Advance(padded - length);
            var plaintext = System.Runtime.InteropServices.MemoryMarshal.AsMemory(content.WrittenMemory).Span;
            Padding.Write(plaintext, length);
            keys.ClassKey(classId, key);
            return SealedValue.Seal(
                key, (uint)keys.KeyVersion, (ulong)rowVersion, plaintext, GroupContext(label, keys.Subject, classId, stackalloc byte[AssociatedData.Limit]), random);
        }
        finally
        {
            // Clear, unlike a mere reset, erases.
            content.Clear();
            CryptographicOperations.ZeroMemory(key);
        }
    }

    private List<GroupField> OpenGroup(SubjectKeys keys, string label, int classId, ReadOnlySpan<byte> value, byte[] buffer)
    {
        Span<byte> key = stackalloc byte[KeyDerivation.KeySize];
        keys.ClassKey(classId, SealedValue.KeyVersionOf(value), key);
        SealedValue.Open(key, value, GroupContext(label, keys.Subject, classId, stackalloc byte[AssociatedData.Limit]), buffer);
        CryptographicOperations.ZeroMemory(key);
        return RecordCodec.DecodeGroup(buffer.AsMemory(0, Padding.ContentLength(buffer)));
    }

    private void OpenInto(OpenedRecord opened, SubjectKeys keys, (string Label, int ClassId) group, ReadOnlyMemory<byte> value, IReadOnlyList<FieldPermit> permits)
    {
        var buffer = opened.Buffer(SealedValue.OpenedLength(value.Length));
        foreach (var stored in OpenGroup(keys, group.Label, group.ClassId, value.Span, buffer))
        {
            if (Find(permits, stored.FieldId) is { } permit) opened.Add(new OpenedField((FieldDefinition)permit.Item, permit, stored));
        }
    }

    // INVARIANT: permits of one person open nothing of another, even if a caller mixes them up.
    private static void RefuseForeign(SubjectId subject, SubjectKeys keys, IReadOnlyList<FieldPermit> permits)
    {
        if (keys.Subject != subject) throw new InvalidOperationException("The keys are another person's.");
        for (var i = 0; i < permits.Count; i++)
        {
            if (permits[i].Subject != subject) throw new InvalidOperationException("A permit is for another person.");
        }
    }

    private static bool Names(IReadOnlyList<FieldPermit> permits, int classId)
    {
        for (var i = 0; i < permits.Count; i++)
        {
            if (permits[i].Item is FieldDefinition && permits[i].Item.Class.Id == classId) return true;
        }

        return false;
    }

    private static FieldPermit? Find(IReadOnlyList<FieldPermit> permits, int fieldId)
    {
        for (var i = 0; i < permits.Count; i++)
        {
            if (permits[i].Item is FieldDefinition && permits[i].Item.Id == fieldId) return permits[i];
        }

        return null;
    }

    private ReadOnlySpan<byte> GroupContext(string label, SubjectId subject, int classId, Span<byte> buffer) =>
        new AssociatedData(buffer, label).Add(keyring.VaultId).Add(subject.Value).Add(classId).Bytes;

    private ReadOnlySpan<byte> EventContext(SubjectId subject, EventTypeDefinition type, Guid eventId, Span<byte> buffer) =>
        new AssociatedData(buffer, "event").Add(keyring.VaultId).Add(subject.Value).Add(type.Id).Add(eventId).Bytes;
}
