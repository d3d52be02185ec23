using DataVault.Cryptography;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>
/// The folder of packages that wait to be fetched: one file each, named by its request and sealed under a key of its own. That key is handed
/// out sealed under the person's: what destroys those destroys every package that was not fetched.
/// </summary>
internal sealed class PackageFolder(VaultOptions options, IRandomBytes random)
{
    private const string Extension = ".package";
    private const string Label = "package-key";
    private readonly string folder = Path.Combine(options.Home, "packages");

    /// <summary>Writes a package under a new key and returns that key, sealed. Nothing appears under the final name before all is written.</summary>
    public async Task<byte[]> WriteAsync(SubjectKeys held, Guid request, Func<Stream, Task> write)
    {
        DurableFile.EnsureFolder(folder);
        var (path, draft) = (PathOf(request), PathOf(request) + ".part");
        using var key = SecretBytes.Random(KeyDerivation.KeySize, random);
        try
        {
            await using (var stream = PackageFile.Create(draft, SecretBytes.CopyOf(key.Span), request, random))
                await write(stream);
            File.Move(draft, path, overwrite: true);
            return Seal(held, request, key);
        }
        catch
        {
            File.Delete(draft);
            throw;
        }
    }

    /// <summary>The package, for the last time: its file goes when the stream is disposed. Null when there is no file.</summary>
    public Stream? OpenOnce(SubjectKeys held, Guid request, byte[] sealedKey) =>
        File.Exists(PathOf(request)) ? PackageFile.OpenOnce(PathOf(request), Open(held, request, sealedKey), request) : null;

    /// <summary>Removes the files of requests that have no package any more: expired, or erased with the person.</summary>
    public void RemoveAllBut(IReadOnlySet<Guid> waiting)
    {
        if (!Directory.Exists(folder)) return;
        foreach (var path in Directory.EnumerateFiles(folder))
        {
            var name = Path.GetFileName(path).Split('.')[0];
            if (Guid.TryParseExact(name, "N", out var request) && !waiting.Contains(request)) File.Delete(path);
        }
    }

    private byte[] Seal(SubjectKeys held, Guid request, SecretBytes key)
    {
        using var wrapping = WrappingKey(held);
        return SealedValue.Seal(wrapping.Span, (uint)held.KeyVersion, 0, key.Span, Context(stackalloc byte[AssociatedData.Limit], held, request).Bytes, random);
    }

    private static SecretBytes Open(SubjectKeys held, Guid request, byte[] sealedKey)
    {
        using var wrapping = WrappingKey(held);
        return SealedValue.OpenSecret(wrapping.Span, sealedKey, Context(stackalloc byte[AssociatedData.Limit], held, request).Bytes);
    }

    private static SecretBytes WrappingKey(SubjectKeys held)
    {
        using var note = new SecretBytes(KeyDerivation.KeySize);
        held.NoteKey(note.Span);
        return KeyDerivation.Expand(note.Span, Label);
    }

    private static AssociatedData Context(Span<byte> buffer, SubjectKeys held, Guid request) =>
        new AssociatedData(buffer, Label).Add(held.Subject.Value).Add(request);

    private string PathOf(Guid request) => Path.Combine(folder, request.ToString("N") + Extension);
}
