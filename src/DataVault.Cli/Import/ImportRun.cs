using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Channels;
using DataVault.Client.Wire;

namespace DataVault.Cli.Import;

/// <summary>
/// Reads lines in order, cuts them into batches, sends a bounded number of batches at a time, and commits their outcomes in the
/// order of the file. A batch creates the customers that it is the first to name and waits for those that an earlier one creates.
/// Every event's id follows from its line, so whatever a crash makes us send again is a duplicate to the vault.
/// </summary>
internal sealed class ImportRun(LineMapper mapper, ImportWire wire, ImportJournal journal, ImportSize size)
{
    private readonly Dictionary<UInt128, int> _occurrences = [];
    private readonly Dictionary<UInt128, CustomerCreation> _known = [];

    /// <summary>Runs to the end of the file. <paramref name="committed"/> is called after every committed batch.</summary>
    public async Task<Account> RunAsync(SourceFile input, Action<Account> committed, CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var flight = Channel.CreateBounded<Task<BatchOutcome>>(new BoundedChannelOptions(size.Parallel) { SingleReader = true, SingleWriter = true });
        var reading = Task.Run(() => ReadAsync(input, flight.Writer, stop.Token), CancellationToken.None);
        try
        {
            await foreach (var batch in flight.Reader.ReadAllAsync(cancellation))
            {
                journal.Commit(await batch);
                committed(journal.Account);
            }
            await reading;
        }
        finally
        {
            await stop.CancelAsync();
            await SettleAsync(reading, flight.Reader);
        }
        return journal.Account.AddsUp ? journal.Account : throw new InvalidDataException("The account does not add up.");
    }

    // After a failure nothing may still run in the background; the failure itself is already on its way up.
    private static async Task SettleAsync(Task reading, ChannelReader<Task<BatchOutcome>> flight)
    {
        await reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        while (flight.TryRead(out var batch)) await ((Task)batch).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task ReadAsync(SourceFile input, ChannelWriter<Task<BatchOutcome>> flight, CancellationToken cancellation)
    {
        try
        {
            var done = journal.Account.Read;
            var batch = new ImportBatch();
            foreach (var record in input.Read())
            {
                // Lines that an earlier run has committed are still counted, or the second of two equal lines would lose its place.
                var line = Identify(record);
                if (done > 0 && done-- > 0) continue;
                batch.Add(line, Owner(line, batch));
                if (batch.Lines.Count < size.Batch) continue;
                await LaunchAsync(batch, flight, cancellation);
                batch = new ImportBatch();
            }
            if (batch.Lines.Count > 0) await LaunchAsync(batch, flight, cancellation);
            flight.Complete();
        }
        catch (Exception e)
        {
            flight.Complete(e);
        }
    }

    private async Task LaunchAsync(ImportBatch batch, ChannelWriter<Task<BatchOutcome>> flight, CancellationToken cancellation)
    {
        await flight.WaitToWriteAsync(cancellation);
        await flight.WriteAsync(Task.Run(() => SendAsync(batch, cancellation), cancellation), cancellation);
    }

    private ImportLine Identify(SourceRecord record)
    {
        if (mapper.Refuse(record) is { } refused) return new ImportLine(record, [], 0, null, refused);
        if (mapper.Mapping.Events.Count == 0) return new ImportLine(record, [], 0, mapper.Key(record), null);
        var content = record.ContentHash();
        var identity = BinaryPrimitives.ReadUInt128BigEndian(content);
        var ordinal = _occurrences.GetValueOrDefault(identity);
        _occurrences[identity] = ordinal + 1;
        return new ImportLine(record, content, ordinal, mapper.Key(record), null);
    }

    private CustomerCreation? Owner(ImportLine line, ImportBatch batch)
    {
        if (line.Key is null) return null;
        var identity = BinaryPrimitives.ReadUInt128BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(line.Key)));
        if (_known.TryGetValue(identity, out var owner)) return owner;
        batch.Creation.Add(line.Key, line.Record);
        return _known[identity] = batch.Creation;
    }

    private async Task<BatchOutcome> SendAsync(ImportBatch batch, CancellationToken cancellation)
    {
        if (mapper.Mapping.Customers is not null) await batch.Creation.RunAsync(mapper, wire, cancellation);
        await Task.WhenAll(batch.Lines.Select(l => l.Owner).OfType<CustomerCreation>().Distinct().Select(o => o.Done)).WaitAsync(cancellation);
        var tally = new BatchTally(batch);
        if (mapper.Mapping.Events.Count > 0) await AppendAsync(batch, tally, cancellation);
        else TallyCustomers(batch, tally);
        batch.Creation.Forget();
        return tally.Outcome();
    }

    // A file of profiles: the line that creates the customer is accepted, a line about a customer held already is a duplicate.
    private static void TallyCustomers(ImportBatch batch, BatchTally tally)
    {
        var first = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (line, owner) in batch.Lines)
        {
            if ((line.Refused ?? owner?.RejectionOf(line.Key!)) is { } why) tally.Reject(line, why);
            else if (owner == batch.Creation && owner.IsCreated(line.Key!) && first.Add(line.Key!)) tally.Accept();
            else tally.Duplicate();
        }
    }

    private async Task AppendAsync(ImportBatch batch, BatchTally tally, CancellationToken cancellation)
    {
        List<(ImportLine Line, int Count)> sent = [];
        List<AppendEvent> events = [];
        foreach (var (line, owner) in batch.Lines)
        {
            var (made, rejected) = Events(line, owner);
            if (rejected is not null) tally.Reject(line, rejected);
            else sent.Add((line, made.Count));
            events.AddRange(made);
        }
        List<EventItem> answers = new(events.Count);
        foreach (var part in events.Chunk(ImportWire.LargestBatch)) answers.AddRange(await wire.AppendAsync(part, cancellation));
        var next = 0;
        foreach (var (line, count) in sent)
        {
            tally.Add(line, answers.GetRange(next, count));
            next += count;
        }
    }

    private (IReadOnlyList<AppendEvent> Events, Rejection? Rejected) Events(ImportLine line, CustomerCreation? owner)
    {
        if ((line.Refused ?? owner?.RejectionOf(line.Key!)) is { } why) return ([], why);
        var (events, rejected) = mapper.Events(line.Record, line.Content, line.Ordinal);
        return rejected is null && events.Count == 0 ? ([], new Rejection("no-event", "")) : (events, rejected);
    }
}

/// <summary>Lines a batch, and batches at a time.</summary>
internal sealed record ImportSize(int Batch, int Parallel);

/// <summary>A line with what identifies it.</summary>
internal sealed record ImportLine(SourceRecord Record, byte[] Content, int Ordinal, string? Key, Rejection? Refused);

/// <summary>Consecutive lines, and the customers that they are the first to name.</summary>
internal sealed class ImportBatch
{
    public List<(ImportLine Line, CustomerCreation? Owner)> Lines { get; } = [];

    public CustomerCreation Creation { get; } = new();

    public void Add(ImportLine line, CustomerCreation? owner) => Lines.Add((line, owner));
}

/// <summary>Counts one batch: each line is accepted, rejected or a duplicate, exactly one of them.</summary>
internal sealed class BatchTally(ImportBatch batch)
{
    private readonly List<RejectedLine> _rejected = [];
    private int _accepted;
    private int _duplicates;
    private int _stored;

    public void Accept() => _accepted++;

    public void Duplicate() => _duplicates++;

    public void Reject(ImportLine line, Rejection why) => _rejected.Add(new RejectedLine(line.Record.Line, line.Record.Raw, why));

    /// <summary>A line is rejected when one of its events is refused, else accepted when one was stored, else a duplicate.</summary>
    public void Add(ImportLine line, IReadOnlyList<EventItem> answers)
    {
        _stored += answers.Count(a => a.Status == 201);
        if (answers.FirstOrDefault(a => a.Status is not (200 or 201)) is { } refused) Reject(line, ImportWire.Rejection(refused.Problem));
        else if (answers.Any(a => a.Status == 201)) Accept();
        else Duplicate();
    }

    public BatchOutcome Outcome() =>
        new(batch.Lines.Count, _accepted, _duplicates, batch.Creation.Created, _stored, [.. _rejected.OrderBy(r => r.Line)]);
}
