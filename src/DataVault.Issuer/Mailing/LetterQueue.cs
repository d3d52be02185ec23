using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Cryptography;
using DataVault.Issuer.Keys;
using DataVault.Issuer.Storage;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Issuer.Mailing;

/// <summary>
/// Messages that are to go out: a row each, written in the transaction of the act that they tell of, sealed under its own id, and gone once a carrier took it. So there is
/// no act without its message, no message without its act, and none that the vault did not write.
/// </summary>
internal sealed class LetterQueue(IssuerDatabase database, IssuerSecrets secrets, IssuerOptions options, ILetterCarrier? carrier, TimeProvider clock, ILogger<LetterQueue> logger)
{
    /// <summary>After this many attempts, over about eight hours, a message is dead.</summary>
    public const int Attempts = 14;

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LongestPause = TimeSpan.FromHours(1);
    private static readonly TimeSpan LongestAttempt = TimeSpan.FromSeconds(60);

    // While one process carries a message, no other does; one that dies meanwhile leaves it to the others after this.
    private static readonly TimeSpan Lease = 2 * LongestAttempt;

    /// <summary>False: no message can leave, and what needs one must say so.</summary>
    public bool IsConfigured => carrier is not null;

    /// <summary>An address of a page of the issuer's own, for messages.</summary>
    public string AddressOf(string path) => options.Issuer + path;

    /// <param name="transaction">Of the act that the message tells of.</param>
    /// <param name="account">Whose account it is about; the message goes when the account does.</param>
    /// <param name="letter">What is to arrive.</param>
    /// <param name="until">After this it is of no use to anybody.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task AddAsync(IssuerTransaction transaction, Guid account, Letter letter, DateTimeOffset until, CancellationToken cancellationToken) =>
        AddAsync(transaction, (account, null), letter, until, cancellationToken);

    /// <summary>The same of a link, which may be nobody's account yet; the message goes when the link does.</summary>
    public Task AddForLinkAsync(IssuerTransaction transaction, Guid link, Letter letter, DateTimeOffset until, CancellationToken cancellationToken) =>
        AddAsync(transaction, (null, link), letter, until, cancellationToken);

    private Task<int> AddAsync(IssuerTransaction transaction, (Guid? Account, Guid? Link) about, Letter letter, DateTimeOffset until, CancellationToken cancellationToken)
    {
        var id = Uuid.Version7(clock, secrets.Random);
        var content = JsonSerializer.SerializeToUtf8Bytes(new Content(letter.To, letter.Subject, letter.Text, until));
        return transaction.ExecuteAsync(
            "INSERT INTO issuer.letter (id, account_id, link_id, sealed, due_at) VALUES ($1, $2, $3, $4, $5)",
            cancellationToken, id, about.Account, about.Link, secrets.Seal(Context(id), content), clock.GetUtcNow());
    }

    /// <summary>Carries what is due. False when something failed and is to be tried again.</summary>
    public async Task<bool> SendDueAsync(CancellationToken cancellationToken)
    {
        if (carrier is null) return true;
        while (await TakeAsync(cancellationToken) is { } taken)
        {
            if (Open(taken) is not { } content || content.Until <= clock.GetUtcNow()) await BuryAsync(taken.Id, cancellationToken);
            else if (!await TryCarryAsync(taken, content, cancellationToken)) return false;
        }

        return true;
    }

    /// <summary>What is not sent yet, and what was given up in the last week.</summary>
    public async Task<(long Waiting, long Dead)> CountAsync(CancellationToken cancellationToken) => (await database.ListAsync(
        "SELECT count(*) FILTER (WHERE NOT dead), count(*) FILTER (WHERE dead) FROM issuer.letter", r => (r.GetInt64(0), r.GetInt64(1)), cancellationToken))[0];

    private Task<Taken?> TakeAsync(CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        return database.FirstAsync(
            """
            UPDATE issuer.letter SET attempts = attempts + 1, due_at = $2
            WHERE id = (SELECT id FROM issuer.letter WHERE NOT dead AND due_at <= $1 ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING id, sealed, attempts
            """,
            r => new Taken(r.GetGuid(0), (byte[])r[1], r.GetInt32(2)),
            cancellationToken,
            now,
            now + Lease);
    }

#pragma warning disable CA1031 // Whatever somebody else's server, the network or a disk says, the message stays and is tried again.
    private async Task<bool> TryCarryAsync(Taken taken, Content content, CancellationToken cancellationToken)
    {
        try
        {
            using var attempt = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            attempt.CancelAfter(LongestAttempt);
            await carrier!.CarryAsync(taken.Id, new Letter(content.To, content.Subject, content.Text), attempt.Token);
            await database.ExecuteAsync("DELETE FROM issuer.letter WHERE id = $1", CancellationToken.None, taken.Id);
            return true;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            // Types only: what a mail server answers quotes addresses.
            logger.LogWarning("The message {Letter} could not be sent ({Kind}), attempt {Attempt} of {Attempts}.", taken.Id, e.GetType().Name, taken.Attempt, Attempts);
            if (taken.Attempt >= Attempts) await BuryAsync(taken.Id, cancellationToken);
            else await database.ExecuteAsync("UPDATE issuer.letter SET due_at = $2 WHERE id = $1", cancellationToken, taken.Id, clock.GetUtcNow() + PauseAfter(taken.Attempt));
            return false;
        }
    }
#pragma warning restore CA1031

    // What is dead is counted, and keeps nothing of what it said.
    private Task<int> BuryAsync(Guid id, CancellationToken cancellationToken)
    {
        logger.LogError("The message {Letter} was not sent and is given up.", id);
        return database.ExecuteAsync("UPDATE issuer.letter SET dead = true, sealed = ''::bytea, due_at = $2 WHERE id = $1", cancellationToken, id, clock.GetUtcNow());
    }

    private Content? Open(Taken taken)
    {
        try
        {
            using var content = secrets.Open(Context(taken.Id), taken.Sealed);
            return JsonSerializer.Deserialize<Content>(content.Span);
        }
        catch (CryptographicException)
        {
            logger.LogError("The message {Letter} in issuer.letter is not as the vault wrote it, and is not sent.", taken.Id);
            return null;
        }
    }

    private static TimeSpan PauseAfter(int attempt)
    {
        var pause = FirstPause * Math.Pow(2, attempt - 1);
        return pause < LongestPause ? pause : LongestPause;
    }

    private static string Context(Guid id) => $"letter/{id:N}";

    private sealed record Content(string To, string Subject, string Text, DateTimeOffset Until);

    private sealed record Taken(Guid Id, byte[] Sealed, int Attempt);
}

/// <summary>Looks into wishes for messages, and sends what is due, every few seconds. Several processes may.</summary>
internal sealed class LetterRelay(LetterQueue queue, MailedLinks links, FactorRecoveries recoveries, TimeProvider clock, ILogger<LetterRelay> logger) : BackgroundService
{
    private static readonly TimeSpan Rhythm = TimeSpan.FromSeconds(5);

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        if (!queue.IsConfigured) logger.LogWarning("No mail server is configured (Mail__Host): people cannot change the e-mail address of their account, get a first account by it, or another password.");
        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (queue.IsConfigured && !stoppingToken.IsCancellationRequested)
        {
            try
            {
                await links.AnswerDueAsync(logger, stoppingToken);
                await recoveries.CarryOutDueAsync(logger, stoppingToken);
                await queue.SendDueAsync(stoppingToken);
                var (waiting, dead) = await queue.CountAsync(stoppingToken);
                LetterMeters.Letters(waiting, dead);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (NpgsqlException e)
            {
                logger.LogWarning("Messages cannot be sent now ({SqlState}); it is tried again.", e.SqlState);
            }

            await Task.Delay(Rhythm, clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
