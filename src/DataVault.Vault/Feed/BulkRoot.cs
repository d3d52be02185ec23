using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>
/// The one hash that an entry about many persons carries: the RFC 6962 root over their sorted, distinct tags, so that it can be shown of one
/// person that they were among them, without listing the others.
/// </summary>
internal static class BulkRoot
{
    public static (int Count, byte[] Root) Of(IEnumerable<ReadOnlyMemory<byte>> tags)
    {
        var sorted = tags.Select(tag => tag.ToArray()).DistinctBy(Convert.ToHexString).OrderBy(Convert.ToHexString, StringComparer.Ordinal);
        var range = CompactRange.Empty();
        foreach (var tag in sorted) range.Append(MerkleHash.Leaf(tag));
        return ((int)range.Size, range.Root());
    }
}
