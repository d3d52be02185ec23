using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataVault.Policy;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// One message a day to each officer's address of the configuration: how many requests are how far in their time, by the percentages of their regimes, and how many
/// letters wait to be posted. Numbers alone; a day on which there is nothing to say is silent.
/// </summary>
internal sealed class DeadlineDigest(RequestStore requests, LetterStore letters, PartingLetters parting, ActivePolicy policy, OutboxStore outbox, VaultOptions options)
{
    public const string Kind = "digest";

    /// <summary>From this hour of UTC on.</summary>
    public static readonly TimeSpan From = TimeSpan.FromHours(6);

    private const int Most = 1_000;
    private static readonly TimeSpan Quiet = TimeSpan.FromHours(1);

    private DateTimeOffset lookAgain;
    private const int Remembered = 30;

    /// <summary>Writes the messages of the day, where they are not written yet.</summary>
    /// <returns>How many.</returns>
    public async Task<int> RunAsync(CancellationToken ct)
    {
        if (options.ReminderAddresses.Count == 0 || requests.Now.UtcDateTime.TimeOfDay < From || await UnwrittenAsync(ct) is not { Count: > 0 } due) return 0;
        // Where there is nothing to say, everything open is not looked through every minute.
        if (requests.Now < lookAgain) return 0;
        if (await PrintAsync(ct) is not { } printed)
        {
            lookAgain = requests.Now + Quiet;
            return 0;
        }

        var written = 0;
        foreach (var address in due)
        {
            if (await WriteAsync(address, printed, ct)) written++;
        }

        return written;
    }

    /// <summary>What the outbox holds of one.</summary>
    public static (string To, RenderedLetter Printed) Open(OutboxMessage message) =>
        JsonSerializer.Deserialize<Content>(message.Body) is { } content ? (content.To, content.Printed) : throw new CryptographicException("The message is empty.");

    private DateOnly Today => DateOnly.FromDateTime(requests.Now.UtcDateTime);

    private async Task<List<string>> UnwrittenAsync(CancellationToken ct)
    {
        await using var command = letters.Database.Source.CreateCommand("select recipient from vault.digest where day = $1");
        command.Parameters.Add(new() { Value = Today });
        var written = (await Rows.ReadAsync(command, row => Convert.ToHexString(row.GetFieldValue<byte[]>(0)), ct)).ToHashSet();
        return [.. options.ReminderAddresses.Where(address => !written.Contains(Convert.ToHexString(NameOf(address))))];
    }

    // That it was written and the message itself are one transaction: once a day, whatever crashes.
    private Task<bool> WriteAsync(string address, RenderedLetter printed, CancellationToken ct) => letters.Database.RunAsync(async (connection, transaction) =>
    {
        await using var note = new NpgsqlCommand("insert into vault.digest (day, recipient) values ($1, $2) on conflict do nothing", connection, transaction)
        {
            Parameters = { new() { Value = Today }, new() { Value = NameOf(address) } },
        };
        if (await note.ExecuteNonQueryAsync(ct) == 0) return false;
        await using var forget = new NpgsqlCommand("delete from vault.digest where day < $1", connection, transaction) { Parameters = { new() { Value = Today.AddDays(-Remembered) } } };
        await forget.ExecuteNonQueryAsync(ct);
        var body = JsonSerializer.SerializeToUtf8Bytes(new Content(address, printed));
        await outbox.EnqueueAsync(connection, transaction, new OutboxMessage(requests.Clock.NewId(), Kind, "officers", body, Attempts: 0), ct);
        return true;
    }, ct);

    private async Task<RenderedLetter?> PrintAsync(CancellationToken ct)
    {
        var clocks = await OpenAsync(ct);
        var post = await letters.CountToPostAsync(ct) + await parting.CountAsync(LetterWays.Post, ct);
        var lines = new List<string>();
        void Say(int count, string what)
        {
            if (count > 0) lines.Add(string.Create(CultureInfo.InvariantCulture, $"{count} {what}"));
        }

        Say(clocks.Count(clock => clock.Overdue), "overdue");
        foreach (var group in clocks.Where(clock => !clock.Overdue && clock.Escalation > 0).GroupBy(clock => clock.Escalation).OrderByDescending(group => group.Key))
            Say(group.Count(), string.Create(CultureInfo.InvariantCulture, $"past {group.Key} % of their time"));
        Say((int)post, "letters to post");
        if (lines.Count == 0) return null;
        List<LetterBlock> blocks = [new(LetterBlockKind.Paragraph, ["Requests of people for their rights, and what waits with them:"]), new(LetterBlockKind.List, lines)];
        if (options.Address is { } address) blocks.Add(new LetterBlock(LetterBlockKind.Paragraph, [$"{address}/console/officer"]));
        return new RenderedLetter("en", "Requests whose time runs out", blocks);
    }

    private async Task<List<RequestClock>> OpenAsync(CancellationToken ct)
    {
        var open = new List<RequestClock>();
        foreach (var state in RequestStates.Open)
        {
            // The oldest, of which the time runs out, come last.
            for (Guid? before = null; await requests.ListAsync(new RequestFilter(state), Most, before, ct) is { Count: > 0 } page; before = page[^1].Id)
                open.AddRange(page.Select(row => RequestClocks.Of(row, policy.Current.Jurisdictions, requests.Now)));
        }

        return open;
    }

    private static byte[] NameOf(string address) => SHA256.HashData(Encoding.UTF8.GetBytes(address))[..16];

    private sealed record Content(string To, RenderedLetter Printed);
}
