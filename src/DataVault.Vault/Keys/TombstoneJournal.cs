using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace DataVault.Vault.Keys;

/// <summary>One erasure, as the journal keeps it.</summary>
/// <param name="SubjectHash">HMAC of the subject id under a key of the vault: tells nobody else who it was.</param>
/// <param name="Commitment">Commitment to the subject key that was destroyed.</param>
internal sealed record Tombstone(byte[] SubjectHash, byte[] Commitment, DateTimeOffset At);

/// <summary>The erasure of a part of a person, whose key was replaced by another.</summary>
/// <param name="Of">Who, and the key that was destroyed.</param>
/// <param name="Kept">Codes of the items that holds kept.</param>
internal sealed record PartialTombstone(Tombstone Of, IReadOnlyList<int> Kept)
{
    /// <summary>By what a database notes that it has carried it out.</summary>
    public byte[] Name { get; } = SHA256.HashData([.. "datavault/v1/part"u8, .. Of.SubjectHash, .. Of.Commitment]);
}

/// <summary>A renewal of everybody's keys that began: a database from before it does not fit one from after it.</summary>
/// <param name="Name">By what a database notes that it has begun.</param>
internal sealed record RenewalMark(byte[] Name, DateTimeOffset At)
{
    public static byte[] NameOf(Guid rotation) => SHA256.HashData([.. "datavault/v1/renewal"u8, .. rotation.ToByteArray(bigEndian: true)]);
}

/// <summary>
/// Every erasure, in a file outside both databases, so that a restored backup of either cannot forget one. One line each, all of the same length:
/// <code>kind(1 hex) sequence(15 hex) name(64 hex) commitment(64 hex) unix-ms(16 hex) chain(64 hex)</code>
/// where <c>chain = SHA-256(previous chain ‖ the line up to the chain)</c> and the first previous chain is <c>SHA-256("datavault/v1/tombstones" ‖ vault id)</c>.
/// Appending takes the file for itself, so several processes may share it.
/// </summary>
// SPEC keys §2
internal sealed class TombstoneJournal(string home) : IDisposable
{
    private const int LineSize = 16 + 1 + 64 + 1 + 64 + 1 + 16 + 1 + 64 + 1;
    private const int ChainAt = LineSize - 65;
    private const int LinesAtOnce = 1024;
    private const int CodesOnLine = 8;
    private readonly string path = Path.Combine(home, "tombstones.journal");
    private readonly SemaphoreSlim gate = new(1, 1);

    // The line of each erasure, by the first half of its hash: 2^64 erasures are needed before two are alike. Forty bytes for each.
    private readonly Dictionary<UInt128, int> lines = [];
    private readonly Dictionary<UInt128, SortedSet<int>> kept = [];
    private readonly SortedDictionary<int, PartialTombstone> parts = [];
    private readonly SortedDictionary<int, RenewalMark> renewals = [];
    private readonly HashSet<int> others = [];
    private byte[] chain = [];

    private enum Kind
    {
        Erasure = 0,
        KeptItems = 1,
        Part = 2,
        Renewal = 3,
    }

    /// <summary>Lines that this process has read.</summary>
    public int Count { get; private set; }

    /// <summary>Parts that were erased, in the order of their lines.</summary>
    public IReadOnlyDictionary<int, PartialTombstone> Parts => parts;

    /// <summary>Renewals of people's keys that began, in the order of their lines.</summary>
    public IReadOnlyDictionary<int, RenewalMark> Renewals => renewals;

    /// <summary>Appends and flushes to disk; a tombstone that is there already is not written twice.</summary>
    // INVARIANT: returns only when the line is on disk; the caller touches the key after that and never before.
    public Task AppendAsync(Guid vaultId, Tombstone tombstone, CancellationToken ct) => AppendAsync(vaultId, tombstone.SubjectHash, [(Kind.Erasure, tombstone)], ct);

    /// <summary>The same for a part. The lines that say what was kept come before the one that counts.</summary>
    public Task AppendAsync(Guid vaultId, PartialTombstone part, CancellationToken ct) => AppendAsync(
        vaultId, part.Name, [.. part.Kept.Chunk(CodesOnLine).Select(codes => (Kind.KeptItems, part.Of with { SubjectHash = part.Name, Commitment = Coded(codes) })), (Kind.Part, part.Of)], ct);

    /// <summary>The same for a renewal, before the first key of it is made.</summary>
    public Task AppendAsync(Guid vaultId, RenewalMark renewal, CancellationToken ct) =>
        AppendAsync(vaultId, renewal.Name, [(Kind.Renewal, new Tombstone(renewal.Name, new byte[32], renewal.At))], ct);

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

    /// <summary>The line by the name of what it tells of, of an erasure the hash of the person; -1 when there is none among those that have been read.</summary>
    public int Find(ReadOnlySpan<byte> name) => lines.GetValueOrDefault(NameOf(name), -1);

    /// <summary>True for the line of the erasure of a whole person.</summary>
    public bool IsErasure(int line) => !others.Contains(line);

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

    /// <summary>The erasures of whole people.</summary>
    /// <exception cref="VaultStartException">A line was changed, removed or inserted, or the journal is of another vault.</exception>
    public async Task<IReadOnlyList<Tombstone>> ReadAllAsync(Guid vaultId, CancellationToken ct)
    {
        await CatchUpAsync(vaultId, ct);
        return await ReadAsync([.. Enumerable.Range(0, Count).Where(IsErasure)], ct);
    }

    /// <summary>Whole lines in the journal of a home folder, unchecked.</summary>
    public static int LinesIn(string home) => new FileInfo(Path.Combine(home, "tombstones.journal")) is { Exists: true } file ? (int)(file.Length / LineSize) : 0;

    public void Dispose() => gate.Dispose();

    private async Task AppendAsync(Guid vaultId, byte[] name, IReadOnlyList<(Kind Kind, Tombstone Tombstone)> wanted, CancellationToken ct)
    {
        await gate.WaitAsync(ct);
        try
        {
            await using var file = await DurableFile.TakeAsync(path, ct);
            CatchUp(file, vaultId);
            if (lines.ContainsKey(NameOf(name))) return;
            // A line cut short by a crash was never acknowledged: no key had been touched for it.
            file.SetLength((long)Count * LineSize);
            file.Seek(0, SeekOrigin.End);
            var (written, next) = (new List<byte[]>(wanted.Count), chain);
            foreach (var (kind, tombstone) in wanted)
            {
                var line = Line(kind, Count + written.Count, tombstone, next);
                next = Chained(next, line);
                written.Add(line);
                file.Write(line);
            }

            file.Flush(flushToDisk: true);
            foreach (var line in written) Note(line);
        }
        finally
        {
            gate.Release();
        }
    }

    private void CatchUp(FileStream file, Guid vaultId)
    {
        if (chain.Length == 0) chain = SHA256.HashData([.. "datavault/v1/tombstones"u8, .. vaultId.ToByteArray(bigEndian: true)]);
        if (file.Length < (long)Count * LineSize) throw new VaultStartException($"The tombstone journal had {Count} lines and has fewer now: put the whole journal back.");
        file.Seek((long)Count * LineSize, SeekOrigin.Begin);
        lines.EnsureCapacity((int)Math.Min(file.Length / LineSize, Array.MaxLength));
        var block = new byte[LinesAtOnce * LineSize];
        for (var read = file.ReadAtLeast(block, block.Length, throwOnEndOfStream: false); read >= LineSize; read = file.ReadAtLeast(block, block.Length, throwOnEndOfStream: false))
        {
            for (var at = 0; at + LineSize <= read; at += LineSize) Check(block.AsSpan(at, LineSize));
        }
    }

    private void Check(ReadOnlySpan<byte> line)
    {
        Span<byte> sequence = stackalloc byte[16];
        Span<byte> end = stackalloc byte[65];
        Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Count:x15} "), sequence);
        Encoding.ASCII.GetBytes(Convert.ToHexStringLower(Chained(chain, line)) + '\n', end);
        if (line[0] is < (byte)'0' or > (byte)'3' || !line[1..].StartsWith(sequence) || !line[ChainAt..].SequenceEqual(end))
            throw new VaultStartException($"The tombstone journal is damaged at line {Count + 1}, or belongs to another vault.");
        Note(line);
    }

    private void Note(ReadOnlySpan<byte> line)
    {
        var name = UInt128.Parse(line.Slice(17, 32), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        switch ((Kind)(line[0] - '0'))
        {
            case Kind.Erasure: break;
            case Kind.KeptItems:
                NoteKept(name, Parse(line).Commitment);
                others.Add(Count);
                name = default;
                break;
            case Kind.Part:
                var of = Parse(line);
                var part = new PartialTombstone(of, []);
                name = NameOf(part.Name);
                parts[Count] = new PartialTombstone(of, kept.Remove(name, out var codes) ? [.. codes] : []);
                others.Add(Count);
                break;
            case Kind.Renewal:
                var begun = Parse(line);
                renewals[Count] = new RenewalMark(begun.SubjectHash, begun.At);
                others.Add(Count);
                break;
        }

        if (name != default && !lines.TryAdd(name, Count)) throw new VaultStartException($"The tombstone journal repeats an erasure at line {Count + 1}.");
        chain = Chained(chain, line);
        Count++;
    }

    // A writer that died before the line that counts leaves some of these; whoever comes after it writes them all again.
    private void NoteKept(UInt128 part, ReadOnlySpan<byte> codes)
    {
        if (!kept.TryGetValue(part, out var known)) kept[part] = known = [];
        for (var at = 0; at < codes.Length; at += 4)
        {
            if (BinaryPrimitives.ReadInt32BigEndian(codes[at..]) is var code and > 0) known.Add(code);
        }
    }

    private static byte[] Coded(int[] codes)
    {
        var bytes = new byte[4 * CodesOnLine];
        for (var i = 0; i < codes.Length; i++) BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(4 * i), codes[i]);
        return bytes;
    }

    private static byte[] Chained(byte[] before, ReadOnlySpan<byte> line)
    {
        Span<byte> both = stackalloc byte[32 + ChainAt];
        before.CopyTo(both);
        line[..ChainAt].CopyTo(both[32..]);
        return SHA256.HashData(both);
    }

    private static UInt128 NameOf(ReadOnlySpan<byte> hash) => BinaryPrimitives.ReadUInt128BigEndian(hash);

    private static Tombstone Parse(ReadOnlySpan<byte> line)
    {
        var text = Encoding.ASCII.GetString(line);
        var milliseconds = long.Parse(text.AsSpan(16 + 1 + 64 + 1 + 64 + 1, 16), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        return new Tombstone(
            Convert.FromHexString(text.AsSpan(17, 64)), Convert.FromHexString(text.AsSpan(82, 64)), DateTimeOffset.FromUnixTimeMilliseconds(milliseconds));
    }

    private static byte[] Line(Kind kind, int sequence, Tombstone t, byte[] chain)
    {
        var body = string.Create(
            CultureInfo.InvariantCulture,
            $"{(int)kind:x1}{sequence:x15} {Convert.ToHexStringLower(t.SubjectHash)} {Convert.ToHexStringLower(t.Commitment)} {t.At.ToUnixTimeMilliseconds():x16} ");
        var bytes = Encoding.ASCII.GetBytes(body);
        var padded = new byte[LineSize];
        bytes.CopyTo(padded, 0);
        Encoding.ASCII.GetBytes(Convert.ToHexStringLower(Chained(chain, padded)) + '\n', padded.AsSpan(ChainAt));
        return padded;
    }
}
