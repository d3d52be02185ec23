using System.Globalization;
using System.Text;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>What the journal knows.</summary>
/// <param name="Marks">Those that were kept and not ended, whether or not their time is over.</param>
/// <param name="Ended">Groups that were lifted.</param>
/// <param name="Damaged">Lines that the vault did not write like this.</param>
internal sealed record SuppressionLines(IReadOnlyDictionary<(Guid Group, int Number), SuppressionMark> Marks, IReadOnlySet<Guid> Ended, int Damaged);

/// <summary>
/// The marks of the suppression list in a file outside both databases: whoever was erased is gone from a restored database, erased again, and their identifiers with them, so nothing
/// else could make the marks of it anew. A line each:
/// <code>
/// mark GROUP(32 hex) NUMBER EPOCH yyyy-MM-dd TOKEN(32 hex) SEAL(64 hex)
/// end GROUP(32 hex) SEAL(64 hex)
/// </code>
/// A mark and its end are each written after the transaction that they are about; <see cref="SuppressionGate"/> brings file and database together at every start.
/// Writing takes the file for itself, so several processes may share it.
/// </summary>
internal sealed class SuppressionJournal(VaultOptions options, SuppressionKeys keys)
{
    private readonly string path = Path.Combine(options.Home, "suppression.journal");

    public async Task AppendAsync(IReadOnlyList<SuppressionMark> marks, IReadOnlyCollection<Guid> ended, CancellationToken ct)
    {
        if (marks.Count + ended.Count == 0) return;
        await using var file = await DurableFile.TakeAsync(path, ct);
        // A line that a crash cut short is ended, and counts as damaged no longer once the file is tidied.
        file.Seek(0, SeekOrigin.End);
        if (file.Length > 0 && !EndsWithLine(file)) file.WriteByte((byte)'\n');
        file.Write(Text(marks, ended));
        file.Flush(flushToDisk: true);
    }

    public async Task<SuppressionLines> ReadAsync(CancellationToken ct)
    {
        if (!File.Exists(path)) return new SuppressionLines(new Dictionary<(Guid, int), SuppressionMark>(), new HashSet<Guid>(), 0);
        await using var file = await DurableFile.TakeAsync(path, ct);
        return await ReadAsync(file, ct);
    }

    /// <summary>
    /// Leaves out what has ended or is over: of neither is anything kept. INVARIANT: what stays stands in the database too, so that a crash in the middle loses nothing.
    /// </summary>
    public async Task TidyAsync(DateOnly today, CancellationToken ct)
    {
        if (!File.Exists(path)) return;
        await using var file = await DurableFile.TakeAsync(path, ct);
        var known = await ReadAsync(file, ct);
        var kept = known.Marks.Values.Where(mark => mark.Expires > today).ToList();
        if (kept.Count == known.Marks.Count && known.Ended.Count + known.Damaged == 0) return;
        var text = Text(kept, []);
        file.Seek(0, SeekOrigin.Begin);
        file.SetLength(0);
        file.Write(text);
        file.Flush(flushToDisk: true);
    }

    private static bool EndsWithLine(FileStream file)
    {
        file.Seek(-1, SeekOrigin.End);
        return file.ReadByte() == '\n';
    }

    private async Task<SuppressionLines> ReadAsync(FileStream file, CancellationToken ct)
    {
        var (marks, ended, damaged) = (new Dictionary<(Guid, int), SuppressionMark>(), new HashSet<Guid>(), 0);
        file.Seek(0, SeekOrigin.Begin);
        using var lines = new StreamReader(file, Encoding.ASCII, detectEncodingFromByteOrderMarks: false, leaveOpen: true);
        while (await lines.ReadLineAsync(ct) is { } line)
        {
            if (ParseMark(line) is { } mark) marks[(mark.Group, mark.Number)] = mark;
            else if (ParseEnd(line) is { } group) ended.Add(group);
            else if (line.Length > 0) damaged++;
        }

        foreach (var gone in marks.Keys.Where(key => ended.Contains(key.Item1)).ToList()) marks.Remove(gone);
        return new SuppressionLines(marks, ended, damaged);
    }

    private byte[] Text(IEnumerable<SuppressionMark> marks, IEnumerable<Guid> ended)
    {
        var text = new StringBuilder();
        foreach (var mark in marks)
            text.Append(CultureInfo.InvariantCulture, $"mark {mark.Group:N} {mark.Number} {mark.Epoch} {mark.Expires:yyyy-MM-dd} {Convert.ToHexStringLower(mark.Token)} {Convert.ToHexStringLower(keys.SealOf(mark))}\n");
        foreach (var group in ended) text.Append(CultureInfo.InvariantCulture, $"end {group:N} {Convert.ToHexStringLower(keys.SealOfEnd(group))}\n");
        return Encoding.ASCII.GetBytes(text.ToString());
    }

    private SuppressionMark? ParseMark(string line)
    {
        var parts = line.Split(' ');
        if (parts is not ["mark", var group, var number, var epoch, var day, var token, var seal]) return null;
        var read = Guid.TryParseExact(group, "N", out var id) & int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var n)
            & int.TryParse(epoch, NumberStyles.None, CultureInfo.InvariantCulture, out var e) & DateOnly.TryParseExact(day, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var expires);
        if (!read || Hex(token) is not { } bytes || Hex(seal) is not { } told) return null;
        var mark = new SuppressionMark(id, n, e, bytes, expires);
        return RowSeal.Is(told, keys.SealOf(mark)) ? mark : null;
    }

    private Guid? ParseEnd(string line) =>
        line.Split(' ') is ["end", var group, var seal] && Guid.TryParseExact(group, "N", out var id) && RowSeal.Is(Hex(seal), keys.SealOfEnd(id)) ? id : null;

    private static byte[]? Hex(string digits) => digits.Length % 2 == 0 && digits.All(char.IsAsciiHexDigitLower) ? Convert.FromHexString(digits) : null;
}
