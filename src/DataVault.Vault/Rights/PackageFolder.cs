using System.Collections.Concurrent;
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
    private readonly ConcurrentDictionary<Guid, double> progress = new();

    /// <summary>How far a package is, 0 to 1, that this process is building; null of any other.</summary>
    public double? ProgressOf(Guid request) => progress.TryGetValue(request, out var share) ? share : null;

    public void Tell(Guid request, double share) => progress[request] = share;

    /// <summary>Writes a package under a new key, beside where it belongs: two who build the same package do not meet.</summary>
    public async Task<PackageDraft> WriteAsync(SubjectKeys held, Guid request, Func<Stream, Task> write)
    {
        DurableFile.EnsureFolder(folder);
        using var key = SecretBytes.Random(KeyDerivation.KeySize, random);
        var draft = new PackageDraft(PathOfPart(request), PathOf(request), Seal(held, request, key));
        try
        {
            await using var stream = PackageFile.Create(draft.Path, SecretBytes.CopyOf(key.Span), request, random);
            await write(stream);
            return draft;
        }
        catch
        {
            draft.Dispose();
            throw;
        }
        finally
        {
            progress.TryRemove(request, out _);
        }
    }

    /// <summary>True when the file of the package is here.</summary>
    public bool Has(Guid request) => File.Exists(PathOf(request));

    /// <summary>The package, for the last time: its file goes when the stream is disposed. Null when there is no file.</summary>
    public Stream? OpenOnce(SubjectKeys held, Guid request, byte[] sealedKey) =>
        File.Exists(PathOf(request)) ? PackageFile.OpenOnce(PathOf(request), Open(held, request, sealedKey), request) : null;

    /// <summary>The package's key under the selected version of the person's key.</summary>
    public byte[]? Renewed(SubjectKeys held, Guid request, byte[]? sealedKey)
    {
        if (sealedKey is null || SealedValue.KeyVersionOf(sealedKey) == held.KeyVersion) return sealedKey;
        using var key = Open(held, request, sealedKey);
        return Seal(held, request, key);
    }

    /// <summary>Every file with the request it belongs to, drafts too.</summary>
    public IReadOnlyList<(string Path, Guid Request)> Files() =>
        !Directory.Exists(folder) ? [] : [.. Directory.EnumerateFiles(folder)
            .Select(path => (path, Known: Guid.TryParseExact(Path.GetFileName(path).Split('.')[0], "N", out var request), request))
            .Where(file => file.Known).Select(file => (file.path, file.request))];

    /// <summary>For what a package is made of while it is made. What a process that died left behind is listed with the files of its request.</summary>
    public string PathOfPart(Guid request) => Path.Combine(folder, $"{request:N}.{DraftName()}.part");

    private string DraftName()
    {
        Span<byte> name = stackalloc byte[8];
        random.Fill(name);
        return Convert.ToHexStringLower(name);
    }

    private byte[] Seal(SubjectKeys held, Guid request, SecretBytes key)
    {
        using var wrapping = WrappingKey(held, held.KeyVersion);
        return SealedValue.Seal(wrapping.Span, (uint)held.KeyVersion, 0, key.Span, Context(stackalloc byte[AssociatedData.Limit], held, request).Bytes, random);
    }

    private static SecretBytes Open(SubjectKeys held, Guid request, byte[] sealedKey)
    {
        using var wrapping = WrappingKey(held, SealedValue.KeyVersionOf(sealedKey));
        return SealedValue.OpenSecret(wrapping.Span, sealedKey, Context(stackalloc byte[AssociatedData.Limit], held, request).Bytes);
    }

    private static SecretBytes WrappingKey(SubjectKeys held, int version)
    {
        using var note = new SecretBytes(KeyDerivation.KeySize);
        held.NoteKey(version, note.Span);
        return KeyDerivation.Expand(note.Span, Label);
    }

    private static AssociatedData Context(Span<byte> buffer, SubjectKeys held, Guid request) =>
        new AssociatedData(buffer, Label).Add(held.Subject.Value).Add(request);

    private string PathOf(Guid request) => Path.Combine(folder, request.ToString("N") + Extension);
}

/// <summary>A package that is written and not yet in its place; disposing removes what was not published.</summary>
internal sealed class PackageDraft(string path, string place, byte[] sealedKey) : IDisposable
{
    public string Path => path;

    public byte[] SealedKey => sealedKey;

    /// <summary>INVARIANT: called under the lock of the request's row, so that the file in place is the one whose key the row gets.</summary>
    public void Publish() => File.Move(path, place, overwrite: true);

    public void Dispose() => File.Delete(path);
}
