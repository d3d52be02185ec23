using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using DataVault.Transparency;
using DataVault.Vault;

namespace DataVault.Server.Outbound;

/// <summary>Has an authority say, now and then, that it has seen the newest checkpoint (RFC 3161): the log cannot be made anew for a time before that.</summary>
internal sealed class TimestampRounds(
    TimestampOptions options, HttpMessageInvoker http, LogAnchors anchors, AuditReader reader, OutboundState state, RoundsContext context)
    : RoundsWorker(context.Clock, context.Logger)
{
    private const string Part = "timestamp";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly X509Certificate2Collection _roots = Load(options.Roots);

    // How long ago the last one was is asked of the database, so that a restart makes no extra one.
    protected override TimeSpan Rhythm => TimeSpan.FromSeconds(Math.Clamp(options.Interval.TotalSeconds / 60, 0.2, 30));

    public override async Task<bool> RoundAsync(CancellationToken cancellation)
    {
        if (!anchors.Leads || await reader.CheckpointAsync(cancellation) is not { } text || !SignedNote.TryParse(text, out var cosigned))
            return true;
        var note = cosigned!.Without(signature => signature.Name != reader.Origin);
        if (!Checkpoint.TryParse(note.Text, out var tree))
            return true;
        var last = await anchors.TimestampAsync(ct: cancellation);
        // A checkpoint of fewer entries than were stamped is of a log that somebody shortened: whatever is said of it, it is not said again and again.
        if (last?.Size >= tree!.Size || context.Clock.GetUtcNow() - last?.At < options.Interval)
            return true;
        state.Set(Part, "late", tree.Size - (last?.Size ?? 0));
        var stamped = await AskAsync(tree.Size, note.ToString(), cancellation);
        await anchors.KeepTimestampAsync(stamped, cancellation);
        state.Set(Part, OutboundState.Good, 0);
        return true;
    }

    private async Task<LogTimestamp> AskAsync(long size, string note, CancellationToken cancellation)
    {
        var content = Encoding.UTF8.GetBytes(note);
        var nonce = Convert.FromHexString(RandomNumberGenerator.GetHexString(32));
        var question = new TimestampRequest(content, nonce);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Patience);
        using var body = new ByteArrayContent(question.Encode());
        body.Headers.ContentType = new MediaTypeHeaderValue("application/timestamp-query");
        using var request = new HttpRequestMessage(HttpMethod.Post, options.Address) { Content = body };
        using var answer = await http.SendAsync(request, limit.Token);
        answer.EnsureSuccessStatusCode();
        var token = question.Accept(await OutboundHttp.ReadBytesAsync(answer.Content, limit.Token), _roots);
        return new LogTimestamp(size, note, token.Encoded, token.Time);
    }

    private static X509Certificate2Collection Load(string file)
    {
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(file);
        return roots;
    }
}
