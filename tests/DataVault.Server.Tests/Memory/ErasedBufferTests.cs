using System.Buffers;
using DataVault.Server.Http;

namespace DataVault.Server.Tests.Memory;

public sealed class ErasedBufferTests
{
    [Fact]
    public void What_was_written_stays_whole_and_what_was_outgrown_or_disposed_is_erased()
    {
        byte[] part = [.. Enumerable.Range(1, 200).Select(number => (byte)number)];
        var buffer = new ErasedBuffer();
        buffer.Write(part);
        var outgrown = buffer.Written;
        Assert.True(outgrown.Span.SequenceEqual(part));
        for (var more = 1; more < 100; more++)
            buffer.Write(part);
        Assert.Equal(Enumerable.Repeat(part, 100).SelectMany(bytes => bytes), buffer.Written.ToArray());
        Assert.False(outgrown.Span.ContainsAnyExcept((byte)0));
        var last = buffer.Written;
        buffer.Dispose();
        Assert.False(last.Span.ContainsAnyExcept((byte)0));
        Assert.Equal(0, buffer.Written.Length);
    }
}
