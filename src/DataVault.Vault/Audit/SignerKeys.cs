using System.Security.Cryptography;
using System.Text;
using DataVault.Cryptography;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>
/// The keys that sign the log: private halves sealed in the home folder, and the public list of all there ever were. Processes share the folder;
/// each looks again when the list has changed.
/// </summary>
internal sealed class SignerKeys(VaultKeyring keyring, SignerMemory memory, VaultOptions options, IRandomBytes random) : IDisposable
{
    private readonly Lock turn = new();
    private readonly Dictionary<string, ECDsa> opened = [];
    private LogKeys? list;
    private FileStamp stamp;

    public SignerMemory Memory => memory;

    private string FirstKey => Path.Combine(options.Home, "log-signer.key");

    private string ListPath => Path.Combine(options.Home, "log-signer.keys");

    /// <exception cref="SignerRefusalException">A key cannot be opened, or the list cannot be read.</exception>
    public LogKeys List
    {
        get
        {
            lock (turn) return Load();
        }
    }

    /// <summary>Signs with every key that is in use on a tree of this size; null for one that is signed with all that are in use now.</summary>
    /// <exception cref="SignerRefusalException">A key cannot be opened, or the list cannot be read.</exception>
    public NoteSigner SignerOf(long? size)
    {
        lock (turn)
        {
            var signers = Load().Keys.Where(key => size is null ? key.Until is null : key.Covers(size.Value) && opened.ContainsKey(key.VerifierKey))
                .Select(key => new NoteSigner(options.Origin, opened[key.VerifierKey]));
            return signers.Aggregate((before, next) => next.Beside(before));
        }
    }

    /// <summary>A key that is to follow: made and sealed, but in no list yet. One that was made before and not announced is taken again.</summary>
    public string Prepare()
    {
        lock (turn)
        {
            var listed = Load().Keys.Select(key => key.VerifierKey).ToHashSet();
            if (Directory.EnumerateFiles(options.Home, "log-signer.*.key").Select(Open).FirstOrDefault(key => !listed.Contains(key)) is { } waiting) return waiting;
            using var fresh = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var verifierKey = new NoteSigner(options.Origin, fresh).VerifierKey;
            DurableFile.CreateOnce(PathOf(verifierKey), Seal(fresh), random);
            return verifierKey;
        }
    }

    /// <summary>The key signs from now on, beside the one before.</summary>
    public void Begin(string verifierKey, long from) => Change(keys => [.. keys, new LogKey(verifierKey, from)]);

    /// <summary>The oldest key in use signs no more. Its private half is destroyed.</summary>
    public void End(string verifierKey, long until)
    {
        Change(keys => [.. keys.Select(key => key.VerifierKey == verifierKey ? key with { Until = until } : key)]);
        lock (turn) DestroyEnded(Load());
    }

    /// <summary>Keeps a text beside the keys; durable when it returns.</summary>
    public void Keep(string path, string text) => DurableFile.Replace(path, Encoding.UTF8.GetBytes(text), random);

    public void Dispose()
    {
        foreach (var key in opened.Values) key.Dispose();
    }

    private void Change(Func<IReadOnlyList<LogKey>, IReadOnlyList<LogKey>> change)
    {
        lock (turn)
        {
            var changed = LogKeys.Of(change(Load().Keys));
            DurableFile.Replace(ListPath, Encoding.ASCII.GetBytes(changed.ToString()), random);
            list = null;
        }
    }

    private LogKeys Load()
    {
        var now = FileStamp.Of(ListPath);
        if (list is not null && now == stamp) return list;
        try
        {
            var read = File.Exists(ListPath) ? ReadList() : LogKeys.Of([new LogKey(OpenFirst(), 0)]);
            foreach (var key in read.Keys.Where(key => key.Until is null && !opened.ContainsKey(key.VerifierKey))) Open(PathOf(read, key.VerifierKey));
            DestroyEnded(read);
            (list, stamp) = (read, now);
            return read;
        }
        catch (Exception e) when (e is CryptographicException or FileNotFoundException or FormatException)
        {
            throw new SignerRefusalException("a signing key in the home folder is gone or cannot be opened", e);
        }
    }

    private LogKeys ReadList() =>
        LogKeys.TryParse(File.ReadAllText(ListPath), out var read) && read!.Name == options.Origin ? read : throw new FormatException("The list of signing keys is damaged or of another log.");

    // After a crash between the end in the list and the end of the file, the next who reads the list finishes it.
    private void DestroyEnded(LogKeys keys)
    {
        foreach (var ended in keys.Keys.Where(key => key.Until is not null))
        {
            if (opened.Remove(ended.VerifierKey, out var key)) key.Dispose();
            File.Delete(PathOf(keys, ended.VerifierKey));
        }
    }

    private string OpenFirst()
    {
        if (File.Exists(FirstKey)) return Open(FirstKey);
        // What signed already was known to others: another key in its place is a fork to them, and no key announces it.
        if (File.Exists(memory.Path) && memory.TryRecall() is not { Size: 0 }) throw new FileNotFoundException("The signing key is gone.");
        // INVARIANT: the memory is there before the key, so that a key without a memory means a lost memory.
        memory.Begin();
        using var fresh = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        DurableFile.CreateOnce(FirstKey, Seal(fresh), random);
        return Open(FirstKey);
    }

    // The first key keeps the name that it had while there was only one.
    private string PathOf(LogKeys listed, string verifierKey) => verifierKey == listed.Keys[0].VerifierKey ? FirstKey : PathOf(verifierKey);

    private string PathOf(string verifierKey) => Path.Combine(options.Home, $"log-signer.{verifierKey.Split('+')[1]}.key");

    private string Open(string path)
    {
        using var sealing = keyring.Derive("log-signer");
        using var pkcs8 = SealedValue.OpenSecret(sealing.Span, File.ReadAllBytes(path), Context(stackalloc byte[AssociatedData.Limit]));
        var key = ECDsa.Create();
        key.ImportPkcs8PrivateKey(pkcs8.Span, out _);
        var verifierKey = new NoteSigner(options.Origin, key).VerifierKey;
        if (!opened.TryAdd(verifierKey, key)) key.Dispose();
        return verifierKey;
    }

    private byte[] Seal(ECDsa key)
    {
        using var sealing = keyring.Derive("log-signer");
        var pkcs8 = key.ExportPkcs8PrivateKey();
        var value = SealedValue.Seal(sealing.Span, 1, 0, pkcs8, Context(stackalloc byte[AssociatedData.Limit]), random);
        CryptographicOperations.ZeroMemory(pkcs8);
        return value;
    }

    private ReadOnlySpan<byte> Context(Span<byte> buffer) => new AssociatedData(buffer, "log-signer").Add(Encoding.UTF8.GetBytes(options.Origin)).Bytes;
}
