using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Pure.Tests.Vectors;
using DataVault.Vault.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Vectors;

/// <summary>The vault's own formats against tests/vectors; those below it, and the guard over all files: OwnVectorTests of the pure tests.</summary>
public sealed class StoreVectorTests
{
    private static readonly VectorKind[] Kinds =
    [
        new("subject-keys", People, Keys), new("class-groups", Groups, Group), new("packed-records", Records, Packed), new("record-seals", Seals, Seal), new("facts", Facts, Encoded), new("facts-3", AgedFacts, Aged),
        new("tombstones", Tombstones, Journal),
    ];

    public static TheoryData<string> Names => [.. Kinds.Select(kind => kind.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void The_code_still_makes_and_reads(string name) => OwnVectors.Check(Kinds.Single(kind => kind.Name == name));

    /// <summary>As in OwnVectorTests.</summary>
    [Fact(Explicit = true)]
    public void Write_the_files_that_are_missing()
    {
        OwnVectors.Write(Kinds);
        Assert.All(Kinds, OwnVectors.Check);
    }

    private static IEnumerable<Vector> People()
    {
        var bytes = new CountedBytes("subject-keys");
        yield return new() { ["subject"] = bytes.Hex(16), ["version"] = "1", ["secrets"] = bytes.Hex(64), ["origin"] = "vault.example/log", ["digest"] = bytes.Hex(32) };
        yield return new() { ["subject"] = bytes.Hex(16), ["version"] = "3", ["secrets"] = bytes.Hex(96), ["origin"] = "another.example/log", ["digest"] = bytes.Hex(32) };
    }

    private static Vector Keys(Vector v)
    {
        var wrapped = new WrappedKey(Subject(v), v.Number("version"), 1, 1, [], null);
        using var keys = new SubjectKeys(wrapped, SHA256.HashData(Encoding.UTF8.GetBytes(v["origin"])), SecretBytes.CopyOf(v.Bytes("secrets")));
        return new()
        {
            ["tag"] = Vector.Hex(keys.Tag.Span), ["commitment"] = Vector.Hex(keys.Commitment),
            ["classKeys"] = Vector.Hex(Enumerable.Range(1, 3).Select(id => Written(key => keys.ClassKey(id, key)))),
            ["auditDetailKey"] = Vector.Hex(Written(key => keys.AuditDetailKey(key))), ["noteKey"] = Vector.Hex(Written(key => keys.NoteKey(key))),
            ["pseudonymInput"] = Vector.Hex(Written(key => keys.PseudonymInput(key))), ["recordSeal"] = Vector.Hex(Written(key => keys.RecordSeal(v.Bytes("digest"), key))),
        };
    }

    // A field is id,version,source,origin,Unix ms,notice or -,JSON in hexadecimal.
    private static IEnumerable<Vector> Groups()
    {
        yield return new() { ["fields"] = $"1,1,crm,provided,1700000000123,2024-05,{Json("\"ada@example.org\"")} 300,7,crm,provided,1700000000123,2024-05,{Json("null")}" };
        yield return new() { ["fields"] = $"2,128,web,observed,0,-,{Json("[\"a\",{\"b\":1.5}]")} 3,129,model,inferred,4102444800000,-,{Json(new string('x', 200))}" };
        yield return new() { ["fields"] = "" };
    }

    private static Vector Group(Vector v)
    {
        var fields = v["fields"].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(text => text.Split(',')).Select(f => new GroupField(
            Integer(f[0]), Integer(f[1]),
            RecordCodec.Encode(new FieldProvenance(f[2], DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(f[4], CultureInfo.InvariantCulture)), f[3], f[5] == "-" ? null : f[5])),
            Convert.FromHexString(f[6]))).ToList();
        var output = new ArrayBufferWriter<byte>();
        RecordCodec.EncodeGroup(fields, output);
        var decoded = RecordCodec.DecodeGroup(output.WrittenSpan.ToArray()).Select(field => (field, from: RecordCodec.DecodeProvenance(field.Provenance))).Select(f =>
            $"{f.field.FieldId},{f.field.Version},{f.from.Source},{f.from.Origin},{f.from.RecordedAt.ToUnixTimeMilliseconds()},{f.from.Notice ?? "-"},{Vector.Hex(f.field.Utf8Json.Span)}");
        return new() { ["encoded"] = Vector.Hex(output.WrittenSpan), ["fields"] = string.Join(' ', decoded) };
    }

    private static IEnumerable<Vector> Records()
    {
        var bytes = new CountedBytes("packed-records");
        yield return new() { ["classes"] = "1 2 200", ["sealed"] = $"{bytes.Hex(73)} {bytes.Hex(105)} {bytes.Hex(400)}" };
        yield return new() { ["classes"] = "", ["sealed"] = "" };
    }

    private static Vector Packed(Vector v)
    {
        var classes = v["classes"].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Integer);
        var packed = RecordCodec.Pack([.. classes.Zip(v.List("sealed"), (id, value) => (id, (ReadOnlyMemory<byte>)value))]);
        var groups = RecordCodec.Unpack(packed);
        return new() { ["packed"] = Vector.Hex(packed), ["classes"] = string.Join(' ', groups.Select(g => g.ClassId)), ["sealed"] = Vector.Hex(groups.Select(g => g.Sealed.ToArray())) };
    }

    private static IEnumerable<Vector> Seals()
    {
        var bytes = new CountedBytes("record-seals");
        yield return new() { ["vault"] = bytes.Hex(16), ["subject"] = bytes.Hex(16), ["rowVersion"] = "9", ["record"] = bytes.Hex(300), ["facts"] = "01000000" };
        yield return new() { ["vault"] = bytes.Hex(16), ["subject"] = bytes.Hex(16), ["rowVersion"] = "4294967296", ["record"] = "", ["facts"] = bytes.Hex(15) };
    }

    private static Vector Seal(Vector v)
    {
        var vault = new Guid(v.Bytes("vault"), bigEndian: true);
        return new() { ["digest"] = Vector.Hex(Written(digest => RecordCipher.Digest(vault, Subject(v), v.Long("rowVersion"), v.Bytes("record"), v.Bytes("facts"), digest))) };
    }

    private static IEnumerable<Vector> Facts() => new[]
    {
        "01000000",
        "0103020001010000000065e1b1800002020000000000000000020003ffff",
        "020601000702000000000000000000010002044d00010001000500010009",
    }.Select(text => new Vector { ["facts"] = text });

    private static IEnumerable<Vector> AgedFacts() => new[]
    {
        "0308000000",
        "031003000101000000000000000000022200000000000000000003610000000065e1b180010007010001000100000000",
        "030901000404000000000000000001000300",
    }.Select(text => new Vector { ["facts"] = text });

    private static Vector Aged(Vector v)
    {
        var facts = FactsCodec.Decode(v.Bytes("facts"));
        var consents = facts.Consents.Select(consent => $"{consent.PurposeId} {consent.Status} {consent.Backing} {consent.DespiteSignal}");
        return new() { ["facts"] = Vector.Hex(FactsCodec.Encode(facts)), ["read"] = $"child {facts.Child}, {facts.Holds.Count} holds, {string.Join(", ", consents)}" };
    }

    private static Vector Encoded(Vector v)
    {
        var facts = FactsCodec.Decode(v.Bytes("facts"));
        return new()
        {
            ["facts"] = Vector.Hex(FactsCodec.Encode(facts)),
            ["read"] = $"{facts.Consents.Count} consents, {facts.ObjectedPurposes.Count} objections, {facts.Holds.Count} holds, restricted {facts.Restricted}, held {facts.OnHold}, remainder {facts.Remainder}",
        };
    }

    private static IEnumerable<Vector> Tombstones()
    {
        var bytes = new CountedBytes("tombstones");
        yield return new() { ["vault"] = bytes.Hex(16), ["subjects"] = $"{bytes.Hex(32)} {bytes.Hex(32)} {bytes.Hex(32)}", ["commitment"] = bytes.Hex(32), ["at"] = "1700000000123" };
    }

    private static Vector Journal(Vector v)
    {
        var (home, vault) = (Directory.CreateTempSubdirectory("dv-vectors-").FullName, new Guid(v.Bytes("vault"), bigEndian: true));
        using (var journal = new TombstoneJournal(home))
        {
            foreach (var subject in v.List("subjects"))
            {
                var tombstone = new Tombstone(subject, v.Bytes("commitment"), DateTimeOffset.FromUnixTimeMilliseconds(v.Long("at")));
                journal.AppendAsync(vault, tombstone, CancellationToken.None).GetAwaiter().GetResult();
            }
        }

        var file = Path.Combine(home, "tombstones.journal");
        var written = File.ReadAllText(file);
        if (v.TryGetValue("journal", out var stored)) File.WriteAllText(file, stored);
        using var reading = new TombstoneJournal(home);
        var read = reading.ReadAllAsync(vault, CancellationToken.None).GetAwaiter().GetResult();
        Directory.Delete(home, recursive: true);
        return new() { ["journal"] = written, ["subjects"] = Vector.Hex(read.Select(t => t.SubjectHash)) };
    }

    private static SubjectId Subject(Vector v) => new(new Guid(v.Bytes("subject"), bigEndian: true));

    private static byte[] Written(Action<byte[]> write)
    {
        var bytes = new byte[32];
        write(bytes);
        return bytes;
    }

    private static string Json(string text) => Vector.Hex(Encoding.UTF8.GetBytes(text));

    private static int Integer(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
