using System.Security.Cryptography;
using Xunit;

namespace DataVault.Pure.Tests.Vectors;

/// <summary>What was written once can be read for ever, and is still written so. The vault's own formats: StoreVectorTests beside it.</summary>
public sealed class OwnVectorTests
{
    /// <summary>Of tests/vectors/1/SHA256SUMS. It changes when files are added there, never because one was changed.</summary>
    private const string SumsOfVersion1 = "307b3128ef11e3768455361640a211fdb59e90431adbd9af33c858ec61927a35";

    private static readonly VectorKind[] Kinds = [.. CryptographyVectors.Kinds, .. TransparencyVectors.Kinds];

    public static TheoryData<string> Names => [.. Kinds.Select(kind => kind.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void The_code_still_makes_and_reads(string name) => OwnVectors.Check(Kinds.Single(kind => kind.Name == name));

    [Fact]
    public void No_vector_was_edited()
    {
        var stored = File.ReadAllText(Path.Combine(OwnVectors.Folder, "SHA256SUMS"));
        Assert.Equal(stored, OwnVectors.Sums());
        Assert.Equal(SumsOfVersion1, Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.ASCII.GetBytes(stored))));
    }

    /// <summary>Run by hand when a format is added: <c>-explicit only -method …</c>. It writes files that are missing and touches none that is there.</summary>
    [Fact(Explicit = true)]
    public void Write_the_files_that_are_missing()
    {
        OwnVectors.Write(Kinds);
        Assert.All(Kinds, OwnVectors.Check);
    }
}
