using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace DataVault.Vault.Keys;

/// <summary>One erasure, as the journal keeps it.</summary>
/// <param name="SubjectHash">HMAC of the subject id under a key of the vault: tells nobody else who it was.</param>
/// <param name="Commitment">Commitment to the subject key that was destroyed.</param>
internal sealed record Tombstone(byte[] SubjectHash, byte[] Commitment, DateTimeOffset At);

/// <summary>
/// Every erasure, in a file outside both databases, so that a restored backup of either cannot forget one. One line each, all of the same length:
/// <code>sequence(16 hex) subject-hash(64 hex) commitment(64 hex) unix-ms(16 hex) chain(64 hex)</code>
/// where <c>chain = SHA-256(previous chain ‖ the line up to the chain)</c> and the first previous chain is <c>SHA-256("datavault/v1/tombstones" ‖ vault id)</c>.
/// Appending takes the file for itself, so several processes may share it.
/// </summary>
internal sealed class TombstoneJournal(string home) : IDisposable
{
    private const int LineSize = 16 + 1 + 64 + 1 + 64 + 1 + 16 + 1 + 64 + 1;
    private const int ChainAt = LineSize - 65;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private readonly string path = Path.Combine(home, "tombstones.journal");
    private readonly SemaphoreSlim gate = new(1, 1);

    public bool Exists => File.Exists(path);

    /// <summary>Appends and flushes to disk; a tombstone that is there already is not written twice.</summary>
    // INVARIANT: returns only when the line is on disk; the caller touches the key after that and never before.
    public async Task AppendAsync(Guid vaultId, Tombstone tombstone, CancellationToken ct)
    {
        await gate.WaitAsync(ct);
        try
        {
            await using var file = await TakeAsync(ct);
            DropTornLine(file);
            var known = Read(file, vaultId, out var chain);
            if (known.Any(t => t.SubjectHash.AsSpan().SequenceEqual(tombstone.SubjectHash))) return;
            file.Seek(0, SeekOrigin.End);
            file.Write(Line(known.Count, tombstone, chain));
            file.Flush(flushToDisk: true);
        }
        finally
        {
            gate.Release();
        }
    }

    /// <exception cref="VaultStartException">A line was changed, removed or inserted, or the journal is of another vault.</exception>
    public async Task<IReadOnlyList<Tombstone>> ReadAllAsync(Guid vaultId, CancellationToken ct)
    {
        if (!Exists) return [];
        await using var file = await TakeAsync(ct);
        return Read(file, vaultId, out _);
    }

    private async Task<FileStream> TakeAsync(CancellationToken ct)
    {
        DurableFile.EnsureFolder(Path.GetDirectoryName(path)!);
        for (var waited = TimeSpan.Zero; ; waited += TimeSpan.FromMilliseconds(20))
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (waited < Patience)
            {
                await Task.Delay(20, ct);
            }
        }
    }

    public void Dispose() => gate.Dispose();

    // A line cut short by a crash was never acknowledged: no key had been touched for it.
    private static void DropTornLine(FileStream file) => file.SetLength(file.Length / LineSize * LineSize);

    private static List<Tombstone> Read(FileStream file, Guid vaultId, out byte[] chain)
    {
        chain = SHA256.HashData([.. "datavault/v1/tombstones"u8, .. vaultId.ToByteArray(bigEndian: true)]);
        var found = new List<Tombstone>();
        var line = new byte[LineSize];
        file.Seek(0, SeekOrigin.Begin);
        while (file.Length - file.Position >= LineSize)
        {
            file.ReadExactly(line);
            found.Add(Parse(line, found.Count, ref chain));
        }

        return found;
    }

    private static Tombstone Parse(byte[] line, int sequence, ref byte[] chain)
    {
        chain = SHA256.HashData([.. chain, .. line.AsSpan(0, ChainAt)]);
        var text = Encoding.ASCII.GetString(line);
        var expected = string.Create(CultureInfo.InvariantCulture, $"{sequence:x16} ");
        if (!text.StartsWith(expected, StringComparison.Ordinal) || text[ChainAt..^1] != Convert.ToHexStringLower(chain))
            throw new VaultStartException($"The tombstone journal is damaged at line {sequence + 1}, or belongs to another vault.");
        var milliseconds = long.Parse(text.AsSpan(16 + 1 + 64 + 1 + 64 + 1, 16), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        return new Tombstone(
            Convert.FromHexString(text.AsSpan(17, 64)), Convert.FromHexString(text.AsSpan(82, 64)), DateTimeOffset.FromUnixTimeMilliseconds(milliseconds));
    }

    private static byte[] Line(int sequence, Tombstone t, byte[] chain)
    {
        var body = string.Create(
            CultureInfo.InvariantCulture,
            $"{sequence:x16} {Convert.ToHexStringLower(t.SubjectHash)} {Convert.ToHexStringLower(t.Commitment)} {t.At.ToUnixTimeMilliseconds():x16} ");
        var bytes = Encoding.ASCII.GetBytes(body);
        return [.. bytes, .. Encoding.ASCII.GetBytes(Convert.ToHexStringLower(SHA256.HashData([.. chain, .. bytes]))), (byte)'\n'];
    }
}
