using System.Buffers.Text;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace DataVault.Benchmarks;

/// <summary>What one bounded run of a load saw: answers per second and the latencies behind them.</summary>
internal sealed record LoadResult(int Requests, double PerSecond, double P50Milliseconds, double P99Milliseconds, int Failures);

/// <summary>
/// A lean HTTP/1.1 load loop on loopback: one keep-alive socket per caller, prepared request bytes, answers read by their
/// Content-Length or chunks. HttpClient would cost as much CPU as the server under test and pull every ratio towards one.
/// Bounded in time; stops by itself.
/// </summary>
internal sealed class LoadGenerator(IPEndPoint target, IReadOnlyList<byte[]> requests)
{
    public static byte[] Get(string path, string host, string bearer) =>
        Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {bearer}\r\nAccept: application/json\r\n\r\n");

    public async Task<LoadResult> RunAsync(int callers, TimeSpan duration)
    {
        var clock = Stopwatch.StartNew();
        var runs = await Task.WhenAll(Enumerable.Range(0, callers).Select(caller => Task.Run(() => CallAsync(caller, clock, duration))));
        var elapsed = clock.Elapsed.TotalSeconds;

        var ticks = runs.SelectMany(run => run.Ticks).Order().ToArray();
        var failures = runs.Sum(run => run.Failures);
        return new LoadResult(ticks.Length, ticks.Length / elapsed, Percentile(ticks, 0.50), Percentile(ticks, 0.99), failures);
    }

    private async Task<(List<long> Ticks, int Failures)> CallAsync(int caller, Stopwatch clock, TimeSpan duration)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(target);
        var reader = new AnswerReader(socket);
        var ticks = new List<long>(4096);
        var failures = 0;

        for (var turn = caller * 7919; clock.Elapsed < duration; turn++)
        {
            var start = Stopwatch.GetTimestamp();
            await socket.SendAsync(requests[turn % requests.Count], SocketFlags.None);
            if (await reader.ReadStatusAsync() != 200) failures++;
            ticks.Add(Stopwatch.GetTimestamp() - start);
        }

        return (ticks, failures);
    }

    private static double Percentile(long[] ordered, double share) =>
        ordered.Length == 0 ? 0 : ordered[(int)(share * (ordered.Length - 1))] * 1000.0 / Stopwatch.Frequency;

    /// <summary>Reads one answer after the other from a keep-alive connection.</summary>
    private sealed class AnswerReader(Socket socket)
    {
        private readonly byte[] _buffer = new byte[64 * 1024];
        private int _filled;

        public async Task<int> ReadStatusAsync()
        {
            var head = await UntilAsync("\r\n\r\n"u8.ToArray(), 0);
            var headers = Encoding.ASCII.GetString(_buffer, 0, head);
            var status = Utf8Parser.TryParse(_buffer.AsSpan(9, 3), out int code, out _) ? code : 0;
            var end = headers.Contains("chunked", StringComparison.OrdinalIgnoreCase)
                ? await UntilAsync("0\r\n\r\n"u8.ToArray(), head)
                : await AtLeastAsync(head + ContentLength(headers));
            _buffer.AsSpan(end, _filled - end).CopyTo(_buffer);
            _filled -= end;
            return status;
        }

        private static int ContentLength(string headers)
        {
            const string Name = "content-length:";
            var at = headers.IndexOf(Name, StringComparison.OrdinalIgnoreCase);
            if (at < 0) return 0;
            var line = headers.AsSpan(at + Name.Length);
            return int.Parse(line[..line.IndexOf('\r')], System.Globalization.CultureInfo.InvariantCulture);
        }

        private async Task<int> UntilAsync(byte[] mark, int from)
        {
            while (true)
            {
                var at = _buffer.AsSpan(from, _filled - from).IndexOf(mark);
                if (at >= 0) return from + at + mark.Length;
                await FillAsync();
            }
        }

        private async Task<int> AtLeastAsync(int length)
        {
            while (_filled < length) await FillAsync();
            return length;
        }

        private async Task FillAsync()
        {
            var read = await socket.ReceiveAsync(_buffer.AsMemory(_filled), SocketFlags.None);
            if (read == 0) throw new IOException("The server closed the connection.");
            _filled += read;
        }
    }
}
