namespace DataVault.Transparency;

/// <summary>Copies a log into a folder, as <see cref="TileDirectory"/> reads it. What is there already and full is not fetched again: copying once more brings what is new.</summary>
public static class LogCopy
{
    private const int FilesAtOnce = 8;

    /// <summary>
    /// Copies the log of the newest checkpoint, which is written last. A copy that is there already is replaced by no log that does not continue it: INVARIANT: what an auditor holds against a log is not taken from them by
    /// the log. Nothing else is verified.
    /// </summary>
    /// <returns>The number of entries; null when the source has no checkpoint.</returns>
    /// <exception cref="IOException">A tile or bundle is missing; or the log does not continue the copy, and its checkpoint is kept beside the copy's.</exception>
    public static async Task<long?> SaveAsync(ILogSource source, string folder, CancellationToken cancellationToken = default)
    {
        if (await source.CheckpointAsync(cancellationToken) is not { } text || !SignedNote.TryParse(text, out var note) || !Checkpoint.TryParse(note!.Text, out var checkpoint))
            return null;
        if (await new TileDirectory(folder).CheckpointAsync(cancellationToken) is { } held)
            await ContinuesAsync(held, (text, checkpoint!), source, folder, cancellationToken);
        var limits = new ParallelOptions { MaxDegreeOfParallelism = FilesAtOnce, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(Files(checkpoint!.Size), limits, async (file, cancellation) =>
        {
            var path = Path.Combine(folder, file.Path);
            if (file.Width == TlogTiles.Width && File.Exists(path))
                return;
            var bytes = file.Level == TlogTiles.EntriesLevel ? await source.EntryBundleAsync(file.N, file.Width, cancellation) : await source.TileAsync(file.Level, file.N, file.Width, cancellation);
            if (bytes is null)
                throw new IOException($"The log has no {file.Path}.");
            // The lists first: where a whole bundle is, they have been asked for.
            if (file.Level == TlogTiles.EntriesLevel && IsAboutSeveral(bytes) && await source.MembersAsync(file.N, cancellation) is { } lists)
                await WriteAsync(Path.Combine(folder, TlogTiles.MembersPath(file.N)), lists, cancellation);
            await WriteAsync(path, bytes, cancellation);
        });
        await File.WriteAllTextAsync(Path.Combine(folder, "checkpoint"), text, cancellationToken);
        return checkpoint.Size;
    }

    private static async Task ContinuesAsync(string held, (string Text, Checkpoint Tree) newest, ILogSource source, string folder, CancellationToken cancellationToken)
    {
        if (!SignedNote.TryParse(held, out var note) || !Checkpoint.TryParse(note!.Text, out var before))
            throw new IOException("The checkpoint in the folder cannot be read: nothing is copied over it.");
        var (relation, why) = await CheckpointComparison.OfTreesAsync(before!, newest.Tree, source, cancellationToken);
        if (relation is CheckpointRelation.Same or CheckpointRelation.Continues)
            return;
        var evidence = Path.Combine(folder, "checkpoint.contradicting");
        await File.WriteAllTextAsync(evidence, newest.Text, cancellationToken);
        throw new IOException($"The log does not continue the copy in the folder ({why}). Nothing was copied; its checkpoint is kept as {evidence}, beside the one that you hold: together they are the evidence.");
    }

    private static bool IsAboutSeveral(byte[] bundle) =>
        EntryBundle.TryDecode(bundle, out var entries) && entries.Any(entry => BulkMembers.AreDue(entry.Span));

    // Whole or not at all: a file that was cut off would be taken for one that is there.
    private static async Task WriteAsync(string path, byte[] bytes, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        await File.WriteAllBytesAsync(path + ".part", bytes, cancellationToken);
        File.Move(path + ".part", path, overwrite: true);
    }

    private static IEnumerable<(string Path, int Level, long N, int Width)> Files(long size)
    {
        for (var n = 0L; n * TlogTiles.Width < size; n++)
        {
            var width = (int)Math.Min(TlogTiles.Width, size - (n * TlogTiles.Width));
            yield return (TlogTiles.EntriesPath(n, width), TlogTiles.EntriesLevel, n, width);
        }
        for (var level = 0; TlogTiles.HashesAt(level, size) is > 0 and var hashes; level++)
        {
            for (var n = 0L; n * TlogTiles.Width < hashes; n++)
            {
                var width = (int)Math.Min(TlogTiles.Width, hashes - (n * TlogTiles.Width));
                yield return (TlogTiles.TilePath(level, n, width), level, n, width);
            }
        }
    }
}
