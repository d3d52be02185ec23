using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace DataVault.Architecture.Tests;

/// <summary>
/// The walls between assemblies, one line each: what an assembly may see. Each is a sentence of the threat model
/// (SECURITY.md); whatever is not listed is forbidden.
/// </summary>
internal static class Walls
{
    public static IReadOnlyDictionary<string, string[]> Allowed { get; } = new Dictionary<string, string[]>
    {
        ["DataVault.Policy"] = [],
        ["DataVault.Transparency"] = [],
        ["DataVault.Cryptography"] = [],
        ["DataVault.Client"] = [],
        ["DataVault.Vault"] = ["DataVault.Policy", "DataVault.Transparency", "DataVault.Cryptography"],
        ["DataVault.Issuer"] = ["DataVault.Cryptography"],
        ["DataVault.Analytics"] = ["DataVault.Policy"],
        ["DataVault.Console"] = ["DataVault.Client"],
        ["DataVault.Server"] =
        [
            "DataVault.Policy", "DataVault.Transparency", "DataVault.Client", "DataVault.Vault", "DataVault.Issuer",
            "DataVault.Analytics", "DataVault.Console",
        ],
        ["datavault"] = ["DataVault.Client", "DataVault.Policy", "DataVault.Transparency", "DataVault.Cryptography"],
        ["datavault-verify"] = ["DataVault.Transparency"],
    };

    /// <summary>The folder of an assembly's project; programs are named otherwise than their projects.</summary>
    public static string ProjectOf(string assembly) => assembly switch
    {
        "datavault" => "DataVault.Cli",
        "datavault-verify" => "DataVault.Verifier",
        _ => assembly,
    };

    /// <summary>Outside assemblies that an assembly must not see, by prefix.</summary>
    public static IReadOnlyDictionary<string, string[]> Forbidden { get; } = new Dictionary<string, string[]>
    {
        ["DataVault.Policy"] = ["Npgsql", "Microsoft.EntityFrameworkCore", "Microsoft.AspNetCore", "System.Net.Http"],
        ["DataVault.Transparency"] = ["Npgsql", "Microsoft.EntityFrameworkCore", "Microsoft.AspNetCore", "System.Net.Http"],
        ["DataVault.Cryptography"] = ["Npgsql", "Microsoft.EntityFrameworkCore", "Microsoft.AspNetCore", "System.Net.Http"],
        ["DataVault.Client"] = ["Npgsql", "Microsoft.EntityFrameworkCore", "Microsoft.AspNetCore"],
        ["DataVault.Vault"] = ["Microsoft.AspNetCore", "System.Net.Http"],
        ["DataVault.Console"] = ["Npgsql", "Microsoft.EntityFrameworkCore"],
        ["datavault"] = ["Npgsql", "Microsoft.EntityFrameworkCore", "Microsoft.AspNetCore"],
        ["datavault-verify"] = ["Npgsql", "Microsoft.EntityFrameworkCore", "Microsoft.AspNetCore", "System.Net"],
    };

    /// <summary>What the assembly in <paramref name="file"/> sees and must not.</summary>
    public static IReadOnlyList<string> Breaches(string file)
    {
        using var stream = File.OpenRead(file);
        using var image = new PEReader(stream);
        var metadata = image.GetMetadataReader();
        var name = metadata.GetString(metadata.GetAssemblyDefinition().Name);
        var seen = metadata.AssemblyReferences.Select(handle => metadata.GetString(metadata.GetAssemblyReference(handle).Name));
        return [.. seen.Where(reference => !MaySee(name, reference)).Select(reference => $"{name} -> {reference}")];
    }

    private static bool MaySee(string assembly, string reference)
    {
        if (reference.StartsWith("DataVault.", StringComparison.Ordinal)) return Allowed[assembly].Contains(reference);
        return !Forbidden.GetValueOrDefault(assembly, []).Any(prefix => reference.StartsWith(prefix, StringComparison.Ordinal));
    }
}
