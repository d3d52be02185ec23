using System.Buffers.Binary;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>
/// The one hash that an entry about many persons carries: the RFC 6962 root over their sorted, distinct tags, so that it can be shown of one
/// person that they were among them, without listing the others.
/// </summary>
internal static class BulkRoot
{
    public static (int Count, byte[] Root) Of(IEnumerable<ReadOnlyMemory<byte>> tags)
    {
        var range = CompactRange.Empty();
        Span<byte> bytes = stackalloc byte[SubjectKeys.TagSize];
        foreach (var tag in tags.Select(tag => BinaryPrimitives.ReadUInt128BigEndian(tag.Span)).Distinct().Order())
        {
            BinaryPrimitives.WriteUInt128BigEndian(bytes, tag);
            range.Append(MerkleHash.Leaf(bytes));
        }
        return ((int)range.Size, range.Root());
    }
}
