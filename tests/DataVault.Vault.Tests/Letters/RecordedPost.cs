using System.Collections.Concurrent;

namespace DataVault.Vault.Tests.Letters;

/// <summary>Takes letters, keeps them, and fails when told to.</summary>
internal sealed class RecordedPost : ILetterPost
{
    private readonly ConcurrentQueue<OutgoingLetter> sent = new();

    public IReadOnlyList<OutgoingLetter> Sent => [.. sent];

    public bool Fails { get; set; }

    public bool IsAddress(string text) => text.Contains('@', StringComparison.Ordinal) && !text.Any(char.IsControl);

    public Task SendAsync(OutgoingLetter letter, CancellationToken cancellation)
    {
        if (Fails) throw new RecipientCallException("smtp-mailboxunavailable");
        sent.Enqueue(letter);
        return Task.CompletedTask;
    }
}
