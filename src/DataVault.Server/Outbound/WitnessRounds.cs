using System.Globalization;
using System.Net;
using System.Text;
using DataVault.Transparency;
using DataVault.Vault;

namespace DataVault.Server.Outbound;

/// <summary>
/// Shows each new checkpoint to the configured witnesses (c2sp.org/tlog-witness) and keeps their cosignatures. A witness that is away is asked again later and
/// delays nothing; one that remembers another log than ours raises an alarm.
/// </summary>
internal sealed class WitnessRounds(
    OutboundOptions options, HttpMessageInvoker http, LogAnchors anchors, AuditReader reader, OutboundState state, RoundsContext context)
    : RoundsWorker(context.Clock, context.Logger)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private readonly Witness[] _witnesses = [.. options.Witnesses.Select(o => new Witness(o))];

    protected override TimeSpan Rhythm => TimeSpan.FromSeconds(1);

    public override async Task<bool> RoundAsync(CancellationToken cancellation)
    {
        if (!anchors.Leads || await reader.CheckpointAsync(cancellation) is null)
            return true;
        // Each by itself: one that does not answer keeps nobody waiting.
        await Task.WhenAll(_witnesses.Select(witness => SubmitAsync(witness, cancellation)));
        return true;
    }

    private async Task SubmitAsync(Witness witness, CancellationToken cancellation)
    {
        if (context.Clock.GetElapsedTime(witness.FailedAt) < witness.Pause)
            return;
        try
        {
            // What the witness says it knows may be news to us; so a second try follows at once.
            var done = await TryAsync(witness, cancellation) ?? await TryAsync(witness, cancellation);
            witness.Settle(done == true, context.Clock);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException && !cancellation.IsCancellationRequested)
        {
            witness.Settle(well: false, context.Clock);
            Set(witness, "away");
        }
    }

    /// <summary>Null when the witness knows another size than we thought, and it is worth asking again.</summary>
    private async Task<bool?> TryAsync(Witness witness, CancellationToken cancellation)
    {
        var (proof, text) = witness.Known == 0 ? ([], (await reader.CheckpointAsync(cancellation))!) : await reader.ConsistencyAsync(witness.Known, cancellation);
        if (!SignedNote.TryParse(text, out var note) || !Checkpoint.TryParse(note!.Text, out var tree))
            throw new IOException("The newest checkpoint is not one.");
        if (witness.Cosigned == tree!.Size)
            return true;
        var own = LogsOwn(note);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Patience);
        var body = new StringContent(new AddCheckpoint(witness.Known, proof, own).ToString(), Encoding.UTF8, "text/plain");
        using var request = new HttpRequestMessage(HttpMethod.Post, witness.Submission) { Content = body };
        using var answer = await http.SendAsync(request, limit.Token);
        var said = await OutboundHttp.ReadAsync(answer.Content, limit.Token);
        return answer.StatusCode switch
        {
            HttpStatusCode.OK => await KeepAsync(witness, own, tree, said, cancellation),
            HttpStatusCode.Conflict => Conflict(witness, tree, said),
            HttpStatusCode.UnprocessableEntity => Contradicted(witness, "refuses the proof that the log continues what it saw"),
            HttpStatusCode.NotFound or HttpStatusCode.Forbidden => Refused(witness, (int)answer.StatusCode),
            _ => Away(witness),
        };
    }

    // A witness is shown what the log signed, not what other witnesses said of it.
    private SignedNote LogsOwn(SignedNote note) => note.Without(signature => signature.Name != reader.Origin);

    private async Task<bool?> KeepAsync(Witness witness, SignedNote own, Checkpoint tree, string said, CancellationToken cancellation)
    {
        // SPEC tlog-witness: signatures of keys that we do not know are ignored; the one that we know must be there and right.
        if (!SignedNote.TryParse(own.ToString() + said, out var cosigned) || witness.Key.Check(cosigned!) != NoteCheck.Valid)
        {
            Set(witness, "answers without its signature");
            return false;
        }
        var line = cosigned!.Signatures.First(signature => signature.Name == witness.Key.Name && signature.KeyId == witness.Key.KeyId);
        await anchors.KeepCosignatureAsync(tree.Size, witness.Key.Name, line.ToLine(), Cosignature.TimeOf(line) ?? context.Clock.GetUtcNow(), cancellation);
        (witness.Known, witness.Cosigned) = (tree.Size, tree.Size);
        Set(witness, OutboundState.Good);
        return true;
    }

    private bool? Conflict(Witness witness, Checkpoint tree, string said)
    {
        if (!long.TryParse(said.AsSpan().TrimEnd('\n'), NumberStyles.None, CultureInfo.InvariantCulture, out var known))
            return Away(witness);
        if (known == tree.Size && witness.Known == known)
            return Contradicted(witness, "saw another tree of the same size");
        if (known > tree.Size && known > anchors.Signed)
            return Contradicted(witness, "saw more entries than the log has");
        witness.Known = known;
        return null;
    }

    private bool? Contradicted(Witness witness, string how)
    {
        state.Alarm();
        context.Logger.LogCritical("The witness {Witness} {How}: the log was forked or restored to an earlier moment.", witness.Key.Name, how);
        Set(witness, "contradicts the log");
        return false;
    }

    private bool? Refused(Witness witness, int status)
    {
        Set(witness, status == (int)HttpStatusCode.NotFound ? "does not know this log" : "does not know the log's key");
        return false;
    }

    private bool? Away(Witness witness)
    {
        Set(witness, "away");
        return false;
    }

    private void Set(Witness witness, string what) => state.Set("witness " + witness.Key.Name, what, anchors.Signed - witness.Cosigned);

    private sealed class Witness(WitnessOptions options)
    {
        private static readonly TimeSpan First = TimeSpan.FromSeconds(1);
        private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

        public NoteVerifier Key { get; } = NoteVerifier.Parse(options.Key);

        public Uri Submission { get; } = new(options.Address.TrimEnd('/') + "/add-checkpoint");

        /// <summary>Size of the tree that the witness knows, as far as we know.</summary>
        public long Known { get; set; }

        public long Cosigned { get; set; }

        public long FailedAt { get; private set; }

        public TimeSpan Pause { get; private set; }

        public void Settle(bool well, TimeProvider clock)
        {
            Pause = well ? TimeSpan.Zero : Pause == TimeSpan.Zero ? First : Pause * 2 < Longest ? Pause * 2 : Longest;
            FailedAt = clock.GetTimestamp();
        }
    }
}
