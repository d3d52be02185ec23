using System.Collections.Concurrent;
using System.Diagnostics;
using DataVault.Issuer.Mailing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>Takes messages and keeps them; fails while it is told to.</summary>
internal sealed class RecordedLetters : ILetterCarrier
{
    private readonly ConcurrentDictionary<Guid, Letter> carried = new();
    private int attempts;

    public bool IsAway { get; set; }

    public int Attempts => Volatile.Read(ref attempts);

    public Task CarryAsync(Guid id, Letter letter, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref attempts);
        if (IsAway) throw new IOException($"550 no such mailbox: {letter.To}");
        carried[id] = letter;
        return Task.CompletedTask;
    }

    public IReadOnlyList<Letter> To(string address) => [.. carried.OrderBy(pair => pair.Key).Where(pair => pair.Value.To == address).Select(pair => pair.Value)];

    /// <summary>The messages to somebody, once there are that many.</summary>
    public async Task<IReadOnlyList<Letter>> ArrivedAsync(IssuerHost host, string address, int count = 1)
    {
        var waited = Stopwatch.StartNew();
        while (To(address).Count < count)
        {
            Assert.True(waited.Elapsed < TimeSpan.FromMinutes(2), "No message came.");
            await host.Services.GetRequiredService<LetterQueue>().SendDueAsync(CancellationToken.None);
            await Task.Yield();
        }

        return To(address);
    }
}
