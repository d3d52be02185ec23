using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using DataVault.Client.Wire;
using DataVault.Server.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace DataVault.Server.Tests.Memory;

/// <summary>What is left of a body once it was read, and once its call is over.</summary>
public sealed class RequestBodyTests
{
    private const string Secret = "Wqzkpunrepeatable";

    private const string Body =
        $$"""{"fields":{"givenName":"{{Secret}}","address":{"line":"{{Secret}}"},"tags":["{{Secret}}"],"number":47110815,"newsletter":true,"notes":null},"source":"tests"}""";

    [Fact]
    public async Task The_servers_buffers_hold_nothing_of_a_body_that_was_read()
    {
        using var pool = new RememberingPool();
        var (context, pipe) = Context(pool);
        await pipe.Writer.WriteAsync(Encoding.UTF8.GetBytes(Body));
        await pipe.Writer.CompleteAsync();
        Assert.True(pool.Holds(Secret));

        var body = await RequestBody.ReadAsync<CreateCustomer>(context, RequestBody.Small);

        Assert.Equal(Secret, body.Fields["givenName"].GetString());
        Assert.False(pool.Holds(Secret));
    }

    [Fact]
    public async Task Nor_of_one_that_is_refused()
    {
        using var pool = new RememberingPool();
        var (context, pipe) = Context(pool);
        await pipe.Writer.WriteAsync(Encoding.UTF8.GetBytes(Body[..^1]));
        await pipe.Writer.CompleteAsync();

        await Assert.ThrowsAsync<ProblemException>(() => RequestBody.ReadAsync<CreateCustomer>(context, RequestBody.Small));

        Assert.False(pool.Holds(Secret));
    }

    [Fact]
    public void Values_that_were_left_as_json_are_erased_and_constants_are_left_alone()
    {
        var body = JsonSerializer.Deserialize<CreateCustomer>(Body, Client.VaultJson.Strict)!;
        new ParsedValues(new CustomerBatch([body])).Dispose();

        foreach (var name in new[] { "givenName", "address", "tags", "number" })
            Assert.False(JsonMarshal.GetRawUtf8Value(body.Fields[name]).ContainsAnyExcept((byte)0));
        var next = JsonSerializer.Deserialize<CreateCustomer>(Body, Client.VaultJson.Strict)!;
        Assert.Equal("true", next.Fields["newsletter"].GetRawText());
        Assert.Equal("null", next.Fields["notes"].GetRawText());
    }

    private static (HttpContext Context, Pipe Pipe) Context(MemoryPool<byte> pool)
    {
        var (context, pipe) = (new DefaultHttpContext(), new Pipe(new PipeOptions(pool)));
        context.Request.ContentType = "application/json";
        context.Features.Set<IRequestBodyPipeFeature>(new Given(pipe.Reader));
        return (context, pipe);
    }

    private sealed record Given(PipeReader Reader) : IRequestBodyPipeFeature;

    /// <summary>Gives out memory and looks at it later, whoever has it by then.</summary>
    private sealed class RememberingPool : MemoryPool<byte>
    {
        private readonly List<byte[]> _given = [];

        public override int MaxBufferSize => 4_096;

        public bool Holds(string text) => _given.Exists(block => block.AsSpan().IndexOf(Encoding.UTF8.GetBytes(text)) >= 0);

        public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
        {
            _given.Add(new byte[Math.Max(64, minBufferSize)]);
            return new Block(_given[^1]);
        }

        protected override void Dispose(bool disposing) => _given.Clear();

        private sealed record Block(byte[] Bytes) : IMemoryOwner<byte>
        {
            public Memory<byte> Memory => Bytes;

            public void Dispose()
            {
            }
        }
    }
}
