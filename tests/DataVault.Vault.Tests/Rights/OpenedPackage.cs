using System.IO.Compression;
using DataVault.Policy;

namespace DataVault.Vault.Tests.Rights;

/// <summary>A package as the person gets it, unpacked into memory.</summary>
internal static class OpenedPackage
{
    /// <summary>Asks for a package as the person, and fetches it: the files by their path within the bag.</summary>
    public static async Task<Dictionary<string, byte[]>> OfAsync(RightsWorld world, SubjectId subject, string kind) => Of(await ZipAsync(world, subject, kind));

    public static async Task<byte[]> ZipAsync(RightsWorld world, SubjectId subject, string kind)
    {
        var request = await world.OpenAsync(RightsWorld.Customer(subject), kind, subject);
        await using var stream = await world.Requests.PackageAsync(RightsWorld.Customer(subject), request.Id, Guid.NewGuid(), default);
        using var copy = new MemoryStream();
        await stream.CopyToAsync(copy);
        return copy.ToArray();
    }

    public static Dictionary<string, byte[]> Of(byte[] bytes)
    {
        using var zip = new ZipArchive(new MemoryStream(bytes));
        return zip.Entries.ToDictionary(entry => entry.FullName[(entry.FullName.IndexOf('/', StringComparison.Ordinal) + 1)..], entry =>
        {
            using var content = entry.Open();
            using var copy = new MemoryStream();
            content.CopyTo(copy);
            return copy.ToArray();
        });
    }
}
