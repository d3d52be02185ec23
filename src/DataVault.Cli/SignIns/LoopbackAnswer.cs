using System.Net;
using System.Net.Sockets;
using System.Text;

namespace DataVault.Cli.SignIns;

/// <summary>
/// Waits on a free port of 127.0.0.1 for the browser to come back from the sign-in (RFC 8252 §7.3). It understands one line of HTTP, answers with a sentence,
/// and listens no longer than until the awaited answer is there.
/// </summary>
internal sealed class LoopbackAnswer : IDisposable
{
    private const int LongestRequest = 16 * 1024;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly string _path;
    private readonly TimeProvider _time;

    public LoopbackAnswer(string path, TimeProvider time)
    {
        (_path, _time) = (path, time);
        _listener.Start();
        Address = $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}{path}";
    }

    /// <summary>Where the browser is to be sent.</summary>
    public string Address { get; }

    /// <summary>The first address that the browser asks for and that is awaited; others, such as of an icon, are answered with 404.</summary>
    public async Task<Uri> WaitAsync(Func<Uri, bool> isAwaited, CancellationToken cancellation)
    {
        while (true)
        {
            using var connection = await _listener.AcceptTcpClientAsync(cancellation);
            try
            {
                using var limit = new CancellationTokenSource(s_patience, _time);
                using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellation);
                var asked = await ReadAsync(connection.GetStream(), either.Token);
                var found = asked is not null && isAwaited(asked);
                await AnswerAsync(connection.GetStream(), found, either.Token);
                if (found) return asked!;
            }
            catch (Exception e) when (e is IOException or OperationCanceledException && !cancellation.IsCancellationRequested)
            {
                // Browsers open connections that they then do not use.
                continue;
            }
        }
    }

    public void Dispose() => _listener.Dispose();

    private async Task<Uri?> ReadAsync(NetworkStream stream, CancellationToken cancellation)
    {
        var buffer = new byte[LongestRequest];
        var length = 0;
        while (length < buffer.Length)
        {
            var read = await stream.ReadAsync(buffer.AsMemory(length), cancellation);
            if (read == 0) return null;
            length += read;
            if (buffer.AsSpan(0, length).IndexOf("\r\n\r\n"u8) >= 0) break;
        }
        var line = Encoding.ASCII.GetString(buffer, 0, length).Split("\r\n")[0].Split(' ');
        return line is ["GET", var target, _] && target.StartsWith(_path + "?", StringComparison.Ordinal) && Uri.TryCreate("http://127.0.0.1" + target, UriKind.Absolute, out var asked) ? asked : null;
    }

    private static async Task AnswerAsync(NetworkStream stream, bool found, CancellationToken cancellation)
    {
        var sentence = found ? "Done: go back to the terminal. You can close this page.\n" : "There is nothing here.\n";
        var head = $"HTTP/1.1 {(found ? "200 OK" : "404 Not Found")}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {sentence.Length}\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n";
        await stream.WriteAsync(Encoding.ASCII.GetBytes(head + sentence), cancellation);
    }
}
