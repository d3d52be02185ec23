using System.Reflection;
using System.Reflection.Emit;
using System.Xml.Linq;

namespace DataVault.Architecture.Tests;

public sealed class WallTests
{
    public static TheoryData<string> Assemblies => [.. Walls.Allowed.Keys];

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void An_assembly_sees_only_what_its_wall_allows(string assembly) =>
        Assert.Empty(Walls.Breaches(Path.Combine(AppContext.BaseDirectory, assembly + ".dll")));

    [Theory]
    [InlineData("DataVault.Analytics", typeof(Cryptography.SecretBytes))]
    [InlineData("DataVault.Console", typeof(Vault.VaultModule))]
    [InlineData("DataVault.Issuer", typeof(Policy.PolicySet))]
    [InlineData("DataVault.Policy", typeof(Npgsql.NpgsqlConnection))]
    [InlineData("DataVault.Vault", typeof(Microsoft.AspNetCore.Http.HttpContext))]
    public void A_breach_is_seen(string assembly, Type forbidden)
    {
        var file = Path.Combine(Directory.CreateTempSubdirectory("wall").FullName, assembly + ".dll");
        Emit(assembly, forbidden, file);

        var breach = Assert.Single(Walls.Breaches(file));
        Assert.Contains(forbidden.Assembly.GetName().Name!, breach, StringComparison.Ordinal);
    }

    /// <summary>Who opens envelopes, each against permits of one decision: reads and events, searches, exports, changes, indexes, the feed, letters.</summary>
    private static readonly string[] Openers =
    [
        "Disclosure/CustomerSearch.cs", "Disclosure/ReleaseOpening.cs", "Events/EventRows.cs", "Feed/FeedReader.cs", "Indexes/IndexedValues.cs", "Letters/LetterBook.cs", "Profiles/ProfilePatcher.cs",
        "Rights/ExportSource.cs",
    ];

    [Fact]
    public void Only_those_who_hold_permits_open_envelopes_and_only_the_cipher_derives_the_keys_of_fields()
    {
        var files = Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories).Where(file => !file.Contains("/obj/", StringComparison.Ordinal)).ToList();
        string Name(string file) => Path.GetRelativePath(Path.Combine(Repository.Root, "src", "DataVault.Vault"), file).Replace('\\', '/');
        bool Calls(string file, params string[] names) => File.ReadLines(file).Any(line => names.Any(name => line.Contains(name, StringComparison.Ordinal)) && !line.TrimStart().StartsWith("//", StringComparison.Ordinal));
        Assert.Equal(Openers, files.Where(file => Calls(file, "cipher.Open", "cipher.OpenEvent(", "cipher.OpenHistory(", "cipher.OpenForUpdate(")).Select(Name).Order(StringComparer.Ordinal));
        Assert.Equal(["Keys/RecordCipher.cs", "Keys/SubjectKeys.cs"], files.Where(file => Calls(file, "ClassKey(")).Select(Name).Order(StringComparer.Ordinal));
    }

    /// <summary>Who asks whether the policy could permit something, before it is known of whom: each asks the decision itself as soon as it is.</summary>
    private static readonly string[] Foreseers =
        ["Consents/ConsentDoor.cs", "Disclosure/CustomerSearch.cs", "Disclosure/DisclosureGate.cs", "Events/CustomerLookups.cs", "Indexes/IndexedValues.cs", "Obligations/Approvals.cs", "OpenDsr/OpenDsrLookup.cs", "Profiles/ProfilePatcher.cs"];

    [Fact]
    public void Only_those_who_came_through_a_decision_read_consents_and_nobody_takes_what_could_be_permitted_for_a_permission()
    {
        var folder = Path.Combine(Repository.Root, "src", "DataVault.Vault");
        IEnumerable<string> Calling(string call) => Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && File.ReadAllText(file).Contains(call, StringComparison.Ordinal))
            .Select(file => Path.GetRelativePath(folder, file).Replace('\\', '/')).Order(StringComparer.Ordinal);
        Assert.Equal(["Consents/ConsentLedger.cs", "Consents/ConsentReceipts.cs", "Rights/ExportSource.cs"], Calling("ConsentActs.OfAsync("));
        Assert.Equal(Foreseers, Calling(".CouldPermit("));
    }

    [Fact]
    public void Every_project_lists_exactly_the_references_of_its_wall()
    {
        foreach (var (assembly, allowed) in Walls.Allowed)
        {
            var project = Walls.ProjectOf(assembly);
            var listed = XDocument.Parse(Repository.Read($"src/{project}/{project}.csproj")).Descendants("ProjectReference")
                .Select(reference => Path.GetFileNameWithoutExtension((string)reference.Attribute("Include")!));

            Assert.Equal(allowed.Order(), listed.Order());
        }
    }

    [Fact]
    public void No_source_project_escapes_the_table() =>
        Assert.Equal(
            Walls.Allowed.Keys.Select(Walls.ProjectOf).Order(),
            Directory.EnumerateDirectories(Path.Combine(Repository.Root, "src")).Select(folder => Path.GetFileName(folder)!).Order());

    [Fact]
    public void References_do_not_pass_through() =>
        Assert.Contains(
            "<DisableTransitiveProjectReferences>true</DisableTransitiveProjectReferences>",
            Repository.Read("Directory.Build.props"), StringComparison.Ordinal);

    [Fact]
    public void Only_the_decision_point_can_mint_a_permit()
    {
        var permit = typeof(Policy.FieldPermit);

        Assert.True(permit.IsSealed && permit.IsClass);
        Assert.Empty(permit.GetConstructors(BindingFlags.Public | BindingFlags.Instance));
        Assert.DoesNotContain(permit.GetMethods(), method => method.Name == "<Clone>$");
    }

    [Fact]
    public void Policy_opens_its_internals_to_no_product_assembly() =>
        Assert.All(
            XDocument.Parse(Repository.Read("src/DataVault.Policy/DataVault.Policy.csproj")).Descendants("InternalsVisibleTo"),
            friend => Assert.Matches(@"^DataVault\.(\w+\.Tests|Testing|Benchmarks)$", (string)friend.Attribute("Include")!));

    [Fact]
    public void The_cipher_opens_an_envelope_only_for_permits()
    {
        var cipher = typeof(Vault.VaultModule).Assembly.GetTypes().Single(type => type.Name == "RecordCipher");
        var openers = cipher.GetMethods(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly)
            .Where(method => method.Name.StartsWith("Open", StringComparison.Ordinal) && !method.IsPrivate)
            .ToList();

        Assert.False(cipher.IsPublic);
        Assert.NotEmpty(openers);
        Assert.All(openers, method => Assert.Contains(method.GetParameters(), TakesPermit));
    }

    private static bool TakesPermit(ParameterInfo parameter) =>
        parameter.ParameterType == typeof(Policy.FieldPermit)
        || parameter.ParameterType.GenericTypeArguments.Contains(typeof(Policy.FieldPermit));

    private static void Emit(string assembly, Type forbidden, string file)
    {
        var builder = new PersistedAssemblyBuilder(new AssemblyName(assembly), typeof(object).Assembly);
        var type = builder.DefineDynamicModule(assembly).DefineType("Breach", TypeAttributes.Public);
        type.DefineField("hole", forbidden, FieldAttributes.Public);
        type.CreateType();
        builder.Save(file);
    }
}
