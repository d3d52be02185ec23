using System.Buffers.Binary;
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
    private const int LinesAtOnce = 1024;
    private readonly string path = Path.Combine(home, "tombstones.journal");
    private readonly SemaphoreSlim gate = new(1, 1);

    // The line of each erasure, by the first half of its hash: 2^64 erasures are needed before two are alike. Forty bytes for each.
    private readonly Dictionary<UInt128, int> lines = [];
    private byte[] chain = [];

    /// <summary>Lines that this process has read.</summary>
    public int Count => lines.Count;

    /// <summary>Appends and flushes to disk; a tombstone that is there already is not written twice.</summary>
    // INVARIANT: returns only when the line is on disk; the caller touches the key after that and never before.
    public async Task AppendAsync(Guid vaultId, Tombstone tombstone, CancellationToken ct)
    {
        await gate.WaitAsync(ct);
        try
        {
            await using var file = await DurableFile.TakeAsync(path, ct);
            CatchUp(file, vaultId);
            if (lines.ContainsKey(NameOf(tombstone.SubjectHash))) return;
            // A line cut short by a crash was never acknowledged: no key had been touched for it.
            file.SetLength((long)Count * LineSize);
            file.Seek(0, SeekOrigin.End);
            var line = Line(Count, tombstone, chain);
            file.Write(line);
            file.Flush(flushToDisk: true);
            Note(line);
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>Reads and checks what has come since the last look, whoever wrote it.</summary>
    /// <exception cref="VaultStartException">A line was changed, removed or inserted, or the journal is of another vault.</exception>
    public async Task CatchUpAsync(Guid vaultId, CancellationToken ct)
    {
        await gate.WaitAsync(ct);
        try
        {
            if (!File.Exists(path)) return;
            await using var file = await DurableFile.TakeAsync(path, ct);
            CatchUp(file, vaultId);
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>The line of a person's erasure among those that have been read; -1 when there is none.</summary>
    public int Find(ReadOnlySpan<byte> subjectHash) => lines.GetValueOrDefault(NameOf(subjectHash), -1);

    /// <summary>The tombstones on some lines, in the order asked for.</summary>
    public async Task<IReadOnlyList<Tombstone>> ReadAsync(IReadOnlyCollection<int> wanted, CancellationToken ct)
    {
        if (wanted.Count == 0) return [];
        await using var file = await DurableFile.TakeAsync(path, ct);
        var line = new byte[LineSize];
        var found = new List<Tombstone>(wanted.Count);
        foreach (var number in wanted)
        {
            file.Seek((long)number * LineSize, SeekOrigin.Begin);
            file.ReadExactly(line);
            found.Add(Parse(line));
        }

        return found;
    }

    /// <exception cref="VaultStartException">A line was changed, removed or inserted, or the journal is of another vault.</exception>
    public async Task<IReadOnlyList<Tombstone>> ReadAllAsync(Guid vaultId, CancellationToken ct)
    {
        await CatchUpAsync(vaultId, ct);
        return await ReadAsync([.. Enumerable.Range(0, Count)], ct);
    }

    public void Dispose() => gate.Dispose();

    private void CatchUp(FileStream file, Guid vaultId)
    {
        if (chain.Length == 0) chain = SHA256.HashData([.. "datavault/v1/tombstones"u8, .. vaultId.ToByteArray(bigEndian: true)]);
        if (file.Length < (long)Count * LineSize) throw new VaultStartException($"The tombstone journal had {Count} lines and has fewer now: put the whole journal back.");
        file.Seek((long)Count * LineSize, SeekOrigin.Begin);
        var block = new byte[LinesAtOnce * LineSize];
        for (var read = file.ReadAtLeast(block, block.Length, throwOnEndOfStream: false); read >= LineSize; read = file.ReadAtLeast(block, block.Length, throwOnEndOfStream: false))
        {
            for (var at = 0; at + LineSize <= read; at += LineSize) Check(block.AsSpan(at, LineSize));
        }
    }

    private void Check(ReadOnlySpan<byte> line)
    {
        var next = Chained(chain, line);
        Span<byte> expected = stackalloc byte[17 + 64 + 1];
        Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Count:x16} {Convert.ToHexStringLower(next)}\n"), expected);
        if (!line.StartsWith(expected[..17]) || !line[ChainAt..].SequenceEqual(expected[17..]))
            throw new VaultStartException($"The tombstone journal is damaged at line {Count + 1}, or belongs to another vault.");
        Note(line);
    }

    private void Note(ReadOnlySpan<byte> line)
    {
        if (!lines.TryAdd(NameOf(Parse(line).SubjectHash), Count)) throw new VaultStartException($"The tombstone journal repeats an erasure at line {Count + 1}.");
        chain = Chained(chain, line);
    }

    private static byte[] Chained(byte[] before, ReadOnlySpan<byte> line) => SHA256.HashData([.. before, .. line[..ChainAt]]);

    private static UInt128 NameOf(ReadOnlySpan<byte> subjectHash) => BinaryPrimitives.ReadUInt128BigEndian(subjectHash);

    private static Tombstone Parse(ReadOnlySpan<byte> line)
    {
        var text = Encoding.ASCII.GetString(line);
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
        return [.. bytes, .. Encoding.ASCII.GetBytes(Convert.ToHexStringLower(Chained(chain, bytes))), (byte)'\n'];
    }
}
