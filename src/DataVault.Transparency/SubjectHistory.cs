namespace DataVault.Transparency;

/// <summary>What a log tells of one person: every entry with their tag, from a log that was replayed whole.</summary>
/// <param name="Log">What the replay found.</param>
/// <param name="Entries">The entries with their indexes, oldest first; to be relied upon when the log is sound.</param>
public sealed record SubjectHistory(VerificationReport Log, IReadOnlyList<KeyValuePair<long, LogEntry>> Entries)
{
    /// <summary>Replays a log and gathers the entries about a person.</summary>
    /// <param name="log">The log.</param>
    /// <param name="key">The log's key.</param>
    /// <param name="tag">The person's tag, 16 bytes.</param>
    /// <param name="progress">Told now and then how many entries have been replayed.</param>
    /// <param name="cancellationToken">Ends the work early.</param>
    public static async Task<SubjectHistory> ReadAsync(
        ILogSource log, NoteVerifier key, ReadOnlyMemory<byte> tag, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        var reader = new TagReader(tag);
        var report = await new LogVerifier(key) { Progress = progress }.VerifyAsync(log, [], [], [reader], cancellationToken);
        return new SubjectHistory(report, reader.Entries);
    }

    private sealed class TagReader(ReadOnlyMemory<byte> tag) : IEntryReader
    {
        public List<KeyValuePair<long, LogEntry>> Entries { get; } = [];

        public bool Wants(in EntryGlance entry, ReadOnlySpan<byte> encoded) =>
            entry.SubjectAt > 0 && encoded.Slice(entry.SubjectAt, LogEntry.TagSize).SequenceEqual(tag.Span);

        public void Read(long index, ReadOnlyMemory<byte> encoded) => Entries.Add(new(index, LogEntry.Decode(encoded)));
    }
}
