using Microsoft.Extensions.Hosting;
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
internal sealed class OutboxWorker(OutboxStore outbox, VaultClock clock, ILogger<OutboxWorker> logger, IEnumerable<IRecipientCalls> calls) : BackgroundService
{
    private static readonly TimeSpan Rhythm = TimeSpan.FromSeconds(5);

    /// <summary>Called between the delivery and its note; a test cuts off here.</summary>
    internal Action Delivered { get; set; } = static () => { };

    /// <summary>One round over what is due. Returns how much was delivered.</summary>
    public async Task<int> RunAsync(CancellationToken cancellation)
    {
        var done = 0;
        foreach (var message in await outbox.TakeAsync(cancellation))
        {
            if (await CarryOutAsync(message, cancellation)) done++;
        }

        var state = await outbox.StateAsync(cancellation);
        VaultMeters.Outbox(state.Waiting, state.Dead);
        return done;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await RunAsync(stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                logger.LogWarning("A round over the outbox failed: {Kind}.", e.GetType().Name);
            }

            await Task.Delay(Rhythm, clock.Provider, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<bool> CarryOutAsync(OutboxMessage message, CancellationToken cancellation)
    {
        try
        {
            var carrier = calls.FirstOrDefault() ?? throw new RecipientCallException("no-carrier");
            await carrier.CallAsync(new RecipientCall(message.Recipient, message.Id, message.Body), cancellation);
        }
        catch (RecipientCallException e)
        {
            logger.LogWarning("Message {Message} to {Recipient} was not delivered ({Code}); attempt {Attempt}.", message.Id, message.Recipient, e.Code, message.Attempts + 1);
            await outbox.FailAsync(message, e.Code, cancellation);
            return false;
        }

        Delivered();
        await outbox.DoneAsync(message, cancellation);
        return true;
    }
}
