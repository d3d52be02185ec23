using System.Text;
using DataVault.Cryptography;
using DataVault.Pure.Tests.Cryptography;

namespace DataVault.Pure.Tests.Vectors;

/// <summary>Envelopes and what keys are made of.</summary>
internal static class CryptographyVectors
{
    private static readonly string[] Labels =
    [
        "commit", "field", "audit-detail", "note", "record-seal", "subject-tag", "pseudonym-input", "service", "blind-index", "pseudonym-domain", "epoch", "actor-tag", "tombstone",
        "root-wrap", "root-key-id", "backup-chunks",
    ];

    public static IReadOnlyList<VectorKind> Kinds { get; } =
    [
        new("envelopes", Envelopes, Envelope), new("padding", Paddings, Padded), new("derivations", Derivations, Derivation), new("terms", Terms, Term),
        new("pseudonyms", Pseudonyms, Pseudonym), new("root-key-files", RootKeyFiles, RootKey), new("recovery-shares", Shares, Shared), new("backups", Backups, Backup),
    ];

    private static IEnumerable<Vector> Envelopes()
    {
        var bytes = new CountedBytes("envelopes");
        foreach (var length in new[] { 0, 1, 32, 64, 300 })
        {
            yield return new()
            {
                ["key"] = bytes.Hex(32), ["keyVersion"] = "1", ["recordVersion"] = $"{length}", ["nonce"] = bytes.Hex(12), ["label"] = "field",
                ["components"] = $"{bytes.Hex(16)} {bytes.Hex(16)} 00000002", ["plaintext"] = bytes.Hex(length),
            };
        }
    }

    private static Vector Envelope(Vector v)
    {
        var context = new AssociatedData(new byte[AssociatedData.Limit], v["label"]);
        foreach (var component in v.List("components")) context = context.Add(component);
        var value = SealedValue.Seal(v.Bytes("key"), (uint)v.Number("keyVersion"), (ulong)v.Long("recordVersion"), v.Bytes("plaintext"), context.Bytes, new FixedBytes(v.Bytes("nonce")));
        using var opened = SealedValue.OpenSecret(v.Bytes("key"), v.TryGetValue("sealed", out var stored) ? Convert.FromHexString(stored) : value, context.Bytes);
        return new() { ["context"] = Vector.Hex(context.Bytes), ["sealed"] = Vector.Hex(value), ["plaintext"] = Vector.Hex(opened.Span) };
    }

    private static IEnumerable<Vector> Paddings() => new[] { 0, 1, 31, 32, 255, 256, 1000, 70_000 }.Select(length => new Vector { ["length"] = $"{length}" });

    private static Vector Padded(Vector v)
    {
        var padded = new byte[Padding.PaddedLength(v.Number("length"))];
        Padding.Write(padded, v.Number("length"));
        return new() { ["padded"] = $"{padded.Length}", ["length"] = $"{Padding.ContentLength(padded)}" };
    }

    private static IEnumerable<Vector> Derivations()
    {
        var bytes = new CountedBytes("derivations");
        foreach (var (label, place) in Labels.Select((label, place) => (label, place)))
            yield return new() { ["key"] = bytes.Hex(place % 3 == 0 ? 64 : 32), ["label"] = label, ["context"] = bytes.Hex(place % 5 * 8), ["length"] = $"{(place % 4 == 3 ? 130 : 32)}" };
    }

    private static Vector Derivation(Vector v)
    {
        var output = new byte[v.Number("length")];
        KeyDerivation.Expand(v.Bytes("key"), v["label"], v.Bytes("context"), output);
        return new() { ["output"] = Vector.Hex(output) };
    }

    private static IEnumerable<Vector> Terms()
    {
        var bytes = new CountedBytes("terms");
        foreach (var text in new[] { "ada@example.org", "+447700900123", "müller", "", "日本" }) yield return new() { ["key"] = bytes.Hex(32), ["normalised"] = text };
    }

    private static Vector Term(Vector v)
    {
        using var index = new BlindIndexKey(v.Bytes("key"));
        return new() { ["term"] = Vector.Hex(index.Term(v["normalised"])) };
    }

    private static IEnumerable<Vector> Pseudonyms()
    {
        var bytes = new CountedBytes("pseudonyms");
        for (var i = 0; i < 4; i++) yield return new() { ["key"] = bytes.Hex(32), ["input"] = bytes.Hex(32) };
    }

    private static Vector Pseudonym(Vector v)
    {
        using var domain = new PseudonymKey(v.Bytes("key"));
        return new() { ["pseudonym"] = domain.Pseudonym(v.Bytes("input")) };
    }

    private static IEnumerable<Vector> RootKeyFiles()
    {
        var bytes = new CountedBytes("root-key-files");
        using var key = SecretBytes.Random(32, bytes);
        var file = Path.Combine(Directory.CreateTempSubdirectory("dv-vectors-").FullName, "root.key");
        RootKeyFile.Create(file, key, "a passphrase of the vectors", bytes);
        yield return new() { ["file"] = File.ReadAllText(file), ["passphrase"] = "a passphrase of the vectors", ["context"] = bytes.Hex(20), ["nonce"] = bytes.Hex(12), ["wrappedKey"] = bytes.Hex(32) };
    }

    private static Vector RootKey(Vector v)
    {
        var folder = Directory.CreateTempSubdirectory("dv-vectors-").FullName;
        var file = Path.Combine(folder, "root.key");
        File.WriteAllText(file, v["file"]);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using var key = RootKeyFile.Read(file, v["passphrase"], development: false);
        Directory.Delete(folder, recursive: true);
        var bytes = Vector.Hex(key.Span);
        using var provider = new LocalRootKey(SecretBytes.CopyOf(key.Span), new FixedBytes(v.Bytes("nonce")));
        var wrapped = provider.Wrap(v.Bytes("wrappedKey"), v.Bytes("context"));
        using var back = provider.Unwrap(wrapped, v.Bytes("context"));
        return new() { ["key"] = bytes, ["name"] = provider.Name, ["wrapped"] = Vector.Hex(wrapped), ["wrappedKey"] = Vector.Hex(back.Span) };
    }

    private static IEnumerable<Vector> Shares()
    {
        var bytes = new CountedBytes("recovery-shares");
        using var key = SecretBytes.Random(32, bytes);
        var groups = RecoveryShares.Split(key, 2, [new(1, 1), new(2, 3), new(3, 5)], default, bytes);
        yield return new() { ["shares"] = string.Join('\n', [groups[1][2], groups[2][4], groups[1][0], groups[2][1], groups[2][0]]) };
        yield return new() { ["shares"] = string.Join('\n', [groups[0][0], groups[1][1], groups[1][0]]) };
    }

    private static Vector Shared(Vector v)
    {
        using var key = RecoveryShares.Combine(v["shares"].Split('\n'));
        return new() { ["key"] = Vector.Hex(key.Span), ["name"] = LocalRootKey.NameOf(key) };
    }

    private static IEnumerable<Vector> Backups()
    {
        var bytes = new CountedBytes("backups");
        using var container = new MemoryStream();
        using (var writer = BackupWriter.CreateAsync(container, "data", "a passphrase of the vectors", bytes).GetAwaiter().GetResult())
        {
            writer.WriteAsync(Encoding.UTF8.GetBytes("the first chunk, "), last: false).GetAwaiter().GetResult();
            writer.WriteAsync(Encoding.UTF8.GetBytes("and the last one"), last: true).GetAwaiter().GetResult();
        }

        yield return new() { ["container"] = Vector.Hex(container.ToArray()), ["passphrase"] = "a passphrase of the vectors" };
    }

    private static Vector Backup(Vector v)
    {
        using var container = new MemoryStream(v.Bytes("container"));
        using var reader = BackupReader.OpenAsync(container, _ => v["passphrase"]).GetAwaiter().GetResult();
        var content = new StringBuilder();
        while (reader.ReadAsync().GetAwaiter().GetResult() is { } chunk) content.Append(Encoding.UTF8.GetString(chunk));
        return new() { ["part"] = reader.Part, ["content"] = content.ToString() };
    }
}
