using Microsoft.Extensions.Logging;

namespace DataVault.Vault;

/// <summary>A message to a recipient outside the vault.</summary>
/// <param name="Recipient">Name of the recipient, as configured.</param>
/// <param name="Id">The same however often the message is sent.</param>
/// <param name="Body">UTF-8 JSON.</param>
public sealed record RecipientCall(string Recipient, Guid Id, ReadOnlyMemory<byte> Body);

/// <summary>A recipient could not be told.</summary>
/// <param name="code">What went wrong, in one word; nothing that the other side said.</param>
public sealed class RecipientCallException(string code) : Exception("A recipient could not be told: " + code)
{
    /// <summary>What went wrong, in one word.</summary>
    public string Code => code;
}

/// <summary>Whoever can reach the recipients (the server does, over HTTP). Called at least once for each message.</summary>
public interface IRecipientCalls
{
    /// <exception cref="RecipientCallException">It was not delivered, or nobody knows whether it was.</exception>
    Task CallAsync(RecipientCall call, CancellationToken cancellation);
}

/// <summary>Carries out what the outbox holds, at least once each; what fails is tried again, ever more rarely. Several processes share the work.</summary>
internal sealed class OutboxWorker(
    OutboxStore outbox, LetterMail letters, VaultClock clock, ILogger<OutboxWorker> logger, IEnumerable<IRecipientCalls> calls, RecipientNotices notices)
    : RoundsWorker(clock.Provider, logger)
{
    /// <summary>Called between the delivery and its note; a test cuts off here.</summary>
    internal Action Delivered { get; set; } = static () => { };

    protected override TimeSpan Rhythm => TimeSpan.FromSeconds(5);

    public override async Task<bool> RoundAsync(CancellationToken cancellation)
    {
        await RunAsync(cancellation);
        return true;
    }

    /// <summary>One round over what is due. Returns how much was delivered.</summary>
    public async Task<int> RunAsync(CancellationToken cancellation)
    {
        var done = 0;
        // One at a time, so that the lease is of the attempt at hand and of nothing that waits behind it.
        while (await outbox.TakeAsync(cancellation) is { } message)
        {
            if (await CarryOutAsync(message, cancellation)) done++;
        }

        var state = await outbox.StateAsync(cancellation);
        VaultMeters.Outbox(state.Waiting, state.Dead);
        return done;
    }

    private async Task<bool> CarryOutAsync(OutboxMessage message, CancellationToken cancellation)
    {
        if (await CallAsync(message, cancellation) is { } failure)
        {
            logger.LogWarning("Message {Message} to {Recipient} was not delivered ({Code}); attempt {Attempt}.", message.Id, message.Recipient, failure, message.Attempts + 1);
            await outbox.FailAsync(message, failure, cancellation);
            return false;
        }

        Delivered();
        if (NoticeKinds.Are(message.Kind)) await notices.DeliveredAsync(message, cancellation);
        else await outbox.DoneAsync(message, cancellation);
        return true;
    }

    /// <returns>What went wrong, in one word; null when it was delivered.</returns>
    private async Task<string?> CallAsync(OutboxMessage message, CancellationToken cancellation)
    {
        // INVARIANT: given up before the lease ends, so that no other process has the same message in hand.
        using var limit = new CancellationTokenSource(OutboxStore.Patience, clock.Provider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellation);
        try
        {
            if (LetterMail.Carries(message.Kind)) return await letters.CarryAsync(message, either.Token).WaitAsync(either.Token);
            if (calls.FirstOrDefault() is not { } carrier) return "no-carrier";
            await carrier.CallAsync(new RecipientCall(message.Recipient, message.Id, message.Body), either.Token).WaitAsync(either.Token);
            return null;
        }
        catch (RecipientCallException e)
        {
            return e.Code;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return "timeout";
        }
    }
}
