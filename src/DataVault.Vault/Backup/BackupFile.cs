using System.Security.Cryptography;
using DataVault.Cryptography;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>A backup that cannot be used: what is wrong with it.</summary>
public sealed class BackupException(string message) : Exception(message);

/// <summary>Writes and reads the encrypted stream of a backup: facts first, then what PostgreSQL's own tool gave. Nothing is ever held whole, or on disk in clear.</summary>
public static class BackupFile
{
    /// <summary>Seals a dump.</summary>
    /// <param name="facts">What it says of itself.</param>
    /// <param name="dump">Read to its end.</param>
    /// <param name="ended">Called when the dump has ended: throws if whoever made it failed, and then the container stays without its last chunk.</param>
    /// <param name="destination">Stays open.</param>
    /// <param name="passphrase">What opens it.</param>
    /// <param name="progress">Told how many bytes of the dump are sealed.</param>
    /// <param name="ct">Ends the work early.</param>
    /// <returns>SHA-256 of the dump.</returns>
    public static async Task<byte[]> SealAsync(
        BackupFacts facts, Stream dump, Func<Task> ended, Stream destination, string passphrase, IProgress<long> progress, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(facts);
        using var writer = await BackupWriter.CreateAsync(destination, BackupFacts.NameOf(facts.Part), passphrase, new SystemRandomBytes(), ct);
        await writer.WriteAsync(facts.ToBytes(), last: false, ct);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[BackupWriter.ChunkSize];
        var total = 0L;
        for (var read = await FillAsync(dump, buffer, ct); read > 0; read = await FillAsync(dump, buffer, ct))
        {
            hash.AppendData(buffer, 0, read);
            await writer.WriteAsync(buffer.AsMemory(0, read), last: false, ct);
            progress.Report(total += read);
        }

        // INVARIANT: the last chunk is written only when the dump is known to be whole.
        await ended();
        await writer.WriteAsync(hash.GetCurrentHash(), last: true, ct);
        await destination.FlushAsync(ct);
        return hash.GetHashAndReset();
    }

    /// <summary>Opens a backup and hands its dump on.</summary>
    /// <param name="source">Read to its end.</param>
    /// <param name="passphrase">Gives what opens a part; it may refuse.</param>
    /// <param name="begin">Gets the facts and gives where the dump goes; throws to refuse.</param>
    /// <param name="progress">Told how many bytes of the dump are handed on.</param>
    /// <param name="ct">Ends the work early.</param>
    /// <exception cref="BackupException">The container is damaged; what was handed on is not to be used.</exception>
    public static async Task<BackupFacts> OpenAsync(
        Stream source, Func<BackupPart, string> passphrase, Func<BackupFacts, Task<Stream>> begin, IProgress<long> progress, CancellationToken ct)
    {
        try
        {
            return await ReadAsync(source, passphrase, begin, progress, ct);
        }
        catch (BackupFormatException e)
        {
            throw new BackupException(e.Message);
        }
    }

    /// <summary>Gives a file that was read again its name, for good.</summary>
    public static void Keep(string unfinished, string file)
    {
        File.Move(unfinished, file, overwrite: false);
        DurableRename.FlushFolder(Path.GetDirectoryName(Path.GetFullPath(file))!);
    }

    private static async Task<BackupFacts> ReadAsync(
        Stream source, Func<BackupPart, string> passphrase, Func<BackupFacts, Task<Stream>> begin, IProgress<long> progress, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(begin);
        using var reader = await BackupReader.OpenAsync(source, part => passphrase(PartOf(part)), ct);
        var facts = Facts(reader.Part, await reader.ReadAsync(ct) ?? []);
        var sink = await begin(facts);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var (held, total) = (await reader.ReadAsync(ct), 0L);
        while (held is not null)
        {
            // The last chunk is the hash of all before it: one chunk is held back.
            var next = await reader.ReadAsync(ct);
            if (next is null && !hash.GetCurrentHash().AsSpan().SequenceEqual(held)) throw new BackupFormatException("The backup does not hold what was dumped.");
            if (next is not null)
            {
                hash.AppendData(held);
                await sink.WriteAsync(held, ct);
                progress.Report(total += held.Length);
            }

            held = next;
        }

        return facts;
    }

    private static BackupPart PartOf(string name) => name switch
    {
        "data" => BackupPart.Data,
        "keys" => BackupPart.Keys,
        _ => throw new BackupFormatException("This is not a backup."),
    };

    private static BackupFacts Facts(string part, byte[] chunk)
    {
        try
        {
            var facts = BackupFacts.Parse(chunk);
            return BackupFacts.NameOf(facts.Part) == part ? facts : throw new BackupFormatException("The backup is of another part than it says.");
        }
        catch (FormatException e)
        {
            throw new BackupFormatException(e.Message);
        }
    }

    private static async Task<int> FillAsync(Stream dump, byte[] buffer, CancellationToken ct) => await dump.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, ct);
}
