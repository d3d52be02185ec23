namespace DataVault.Transparency;

/// <summary>What a log tells of one person: every entry with their tag, and every entry about several persons whose list has it, from a log that was replayed whole.</summary>
/// <param name="Log">What the replay found.</param>
/// <param name="Entries">The entries with their indexes, oldest first; to be relied upon when the log is sound.</param>
public sealed record SubjectHistory(VerificationReport Log, IReadOnlyList<KeyValuePair<long, LogEntry>> Entries)
{
    /// <summary>Entries about several persons whose list is not there, oldest first: whether the person is among them cannot be said.</summary>
    public IReadOnlyList<long> Unlisted { get; init; } = [];

    /// <summary>Entries whose list is not the one that they were made of.</summary>
    public IReadOnlyList<long> Misled { get; init; } = [];

    /// <summary>True when the log is sound and no list was altered.</summary>
    public bool Ok => Log.Ok && Misled.Count == 0;

    /// <summary>Replays a log and gathers the entries about a person.</summary>
    /// <param name="log">The log.</param>
    /// <param name="key">The log's key.</param>
    /// <param name="tag">The person's tag, 16 bytes.</param>
    /// <param name="progress">Told now and then how many entries have been replayed.</param>
    /// <param name="cancellationToken">Ends the work early.</param>
    public static async Task<SubjectHistory> ReadAsync(
        ILogSource log, NoteVerifier key, ReadOnlyMemory<byte> tag, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(log);
        var reader = new TagReader(tag);
        var report = await new LogVerifier(key) { Progress = progress }.VerifyAsync(log, [], [], [reader], cancellationToken);
        var (entries, unlisted, misled) = (reader.Own, new List<long>(), new List<long>());
        foreach (var bundle in reader.Several.GroupBy(pair => pair.Key / TlogTiles.Width))
        {
            var lists = await log.MembersAsync(bundle.Key, cancellationToken);
            foreach (var (index, encoded) in bundle)
            {
                var entry = LogEntry.Decode(encoded);
                var tags = MembersBundle.Find(lists, (int)(index % TlogTiles.Width));
                if (tags.IsEmpty)
                    unlisted.Add(index);
                else if (!BulkMembers.TryRead(entry, tags, out var members))
                    misled.Add(index);
                else if (members!.Find(tag.Span) >= 0)
                    entries.Add(new(index, entry));
            }
        }
        return new SubjectHistory(report, [.. entries.OrderBy(pair => pair.Key)]) { Unlisted = unlisted, Misled = misled };
    }

    private sealed class TagReader(ReadOnlyMemory<byte> tag) : IEntryReader
    {
        public List<KeyValuePair<long, LogEntry>> Own { get; } = [];

        public List<KeyValuePair<long, ReadOnlyMemory<byte>>> Several { get; } = [];

        public bool Wants(in EntryGlance entry, ReadOnlySpan<byte> encoded) =>
            entry.IsAboutSeveral || (entry.SubjectAt > 0 && encoded.Slice(entry.SubjectAt, LogEntry.TagSize).SequenceEqual(tag.Span));

        public void Read(long index, ReadOnlyMemory<byte> encoded)
        {
            // A copy, so that the bundle that it lies in need not stay.
            if (BulkMembers.AreDue(encoded.Span))
                Several.Add(new(index, encoded.ToArray()));
            else
                Own.Add(new(index, LogEntry.Decode(encoded)));
        }
    }
}
