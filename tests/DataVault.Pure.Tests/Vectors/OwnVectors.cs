using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using DataVault.Cryptography;
using Xunit;

namespace DataVault.Pure.Tests.Vectors;

/// <summary>One case: names and texts. Bytes are hexadecimal, lists have a blank between their members.</summary>
internal sealed class Vector : SortedDictionary<string, string>
{
    public Vector()
        : base(StringComparer.Ordinal)
    {
    }

    public byte[] Bytes(string name) => Convert.FromHexString(this[name]);

    public IReadOnlyList<byte[]> List(string name) => [.. this[name].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Convert.FromHexString)];

    public int Number(string name) => int.Parse(this[name], CultureInfo.InvariantCulture);

    public long Long(string name) => long.Parse(this[name], CultureInfo.InvariantCulture);

    public static string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);

    public static string Hex(IEnumerable<byte[]> list) => string.Join(' ', list.Select(bytes => Hex(bytes)));
}

/// <summary>One file of <c>tests/vectors/{version}/</c>.</summary>
/// <param name="Name">Without <c>.json</c>.</param>
/// <param name="Inputs">The cases as the file was begun with; used once, when it is written.</param>
/// <param name="Outputs">What today's code makes of a case: every member must be as the file says.</param>
internal sealed record VectorKind(string Name, Func<IEnumerable<Vector>> Inputs, Func<Vector, Vector> Outputs)
{
    public override string ToString() => Name;
}

/// <summary>The formats of this project as bytes that never change: see tests/vectors/README.md.</summary>
internal static class OwnVectors
{
    public const string Version = "1";

    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Folder { get; } = Path.Combine(Root(), "tests", "vectors", Version);

    public static void Check(VectorKind kind)
    {
        var cases = JsonSerializer.Deserialize<List<Vector>>(File.ReadAllText(PathOf(kind)))!;
        Assert.NotEmpty(cases);
        foreach (var (vector, number) in cases.Select((vector, number) => (vector, number)))
        {
            foreach (var (name, expected) in kind.Outputs(vector))
                Assert.True(vector.TryGetValue(name, out var stored) && stored == expected, $"{kind.Name} {number}, {name}: the file says {stored}, the code {expected}");
        }
    }

    /// <summary>Writes the files that are not there yet, and the list of their hashes.</summary>
    public static void Write(IEnumerable<VectorKind> kinds)
    {
        Directory.CreateDirectory(Folder);
        foreach (var kind in kinds.Where(kind => !File.Exists(PathOf(kind))))
        {
            var cases = kind.Inputs().ToList();
            foreach (var vector in cases)
            {
                foreach (var (name, value) in kind.Outputs(vector)) vector[name] = value;
            }

            File.WriteAllText(PathOf(kind), JsonSerializer.Serialize(cases, Readable) + "\n");
        }

        File.WriteAllText(Path.Combine(Folder, "SHA256SUMS"), Sums());
    }

    /// <summary>In the form of sha256sum, by name.</summary>
    public static string Sums() => string.Concat(Directory.EnumerateFiles(Folder, "*.json").Order(StringComparer.Ordinal)
        .Select(file => $"{Vector.Hex(SHA256.HashData(File.ReadAllBytes(file)))}  {Path.GetFileName(file)}\n"));

    private static string PathOf(VectorKind kind) => Path.Combine(Folder, kind.Name + ".json");

    private static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "DataVault.sln"))) folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("The tests run outside the repository.");
    }
}

/// <summary>Bytes that are the same at every run: SHA-256 over a seed and a count.</summary>
internal sealed class CountedBytes(string seed) : IRandomBytes
{
    private int count;

    public void Fill(Span<byte> destination)
    {
        while (destination.Length > 0)
        {
            var block = SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{seed} {count++}")));
            var take = Math.Min(block.Length, destination.Length);
            block.AsSpan(0, take).CopyTo(destination);
            destination = destination[take..];
        }
    }

    public byte[] Next(int length)
    {
        var bytes = new byte[length];
        Fill(bytes);
        return bytes;
    }

    public string Hex(int length) => Vector.Hex(Next(length));
}
