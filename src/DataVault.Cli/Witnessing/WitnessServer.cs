using System.Net;
using System.Text;
using DataVault.Transparency;

namespace DataVault.Cli.Witnessing;

/// <summary>The web server of a witness: one address, <c>POST …/add-checkpoint</c>. TLS is for a proxy in front.</summary>
internal sealed class WitnessServer(Witness witness, TextWriter error)
{
    private const int LongestBody = 64 * 1024;
    private const int AtOnce = 64;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Answers until cancelled.</summary>
    /// <param name="prefix">Such as <c>http://127.0.0.1:8090/</c>.</param>
    /// <param name="ready">Called when it listens.</param>
    /// <param name="cancellation">Ends it.</param>
    public async Task RunAsync(string prefix, Action ready, CancellationToken cancellation)
    {
        using var listener = new HttpListener { IgnoreWriteExceptions = true };
        listener.Prefixes.Add(prefix);
        listener.Start();
        ready();
        using var turns = new SemaphoreSlim(AtOnce);
        await using var stop = cancellation.Register(listener.Stop);
        while (!cancellation.IsCancellationRequested)
        {
            HttpListenerContext context;
            try
            {
                context = await listener.GetContextAsync();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException && cancellation.IsCancellationRequested)
            {
                return;
            }
            await turns.WaitAsync(cancellation);
            _ = AnswerAsync(context, turns);
        }
    }

#pragma warning disable CA1031 // Whatever a caller sends, the others are answered; without an answer of ours nothing was cosigned.
    private async Task AnswerAsync(HttpListenerContext context, SemaphoreSlim turns)
    {
        try
        {
            var answer = await DecideAsync(context.Request);
            var body = Encoding.UTF8.GetBytes(answer.Body);
            context.Response.StatusCode = answer.Status;
            context.Response.ContentType = answer.ContentType;
            context.Response.ContentLength64 = body.Length;
            await context.Response.OutputStream.WriteAsync(body);
            context.Response.Close();
        }
        catch (Exception e)
        {
            await error.WriteLineAsync($"A submission was not answered ({e.GetType().Name}).");
            context.Response.Abort();
        }
        finally
        {
            turns.Release();
        }
    }
#pragma warning restore CA1031

    private async Task<WitnessAnswer> DecideAsync(HttpListenerRequest request)
    {
        if (request.Url?.AbsolutePath.EndsWith("/add-checkpoint", StringComparison.Ordinal) != true) return new WitnessAnswer(404, "POST a checkpoint to add-checkpoint\n");
        if (request.HttpMethod != "POST") return new WitnessAnswer(405, "POST a checkpoint\n");
        using var limit = new CancellationTokenSource(Patience);
        var buffer = new byte[LongestBody + 1];
        var read = await request.InputStream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, limit.Token);
        return read > LongestBody ? new WitnessAnswer(413, "too long for a submission\n") : witness.Add(Encoding.UTF8.GetString(buffer, 0, read));
    }
}
