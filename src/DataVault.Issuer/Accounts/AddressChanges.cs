using System.Security.Cryptography;
using System.Text;
using DataVault.Cryptography;
using DataVault.Issuer.Keys;
using DataVault.Issuer.Mailing;
using DataVault.Issuer.Storage;

namespace DataVault.Issuer.Accounts;

/// <summary>What becomes of the wish for another address.</summary>
internal enum AddressAsk
{
    Asked,
    NotAnAddress,
    TooMany,
}

/// <summary>
/// Another e-mail address for an account, confirmed at both ends: the new one gets a code, the former one a way to stop the change and, for a while, to undo it.
/// Whether an account has the new address already is told to nobody but its mailbox: rows, messages and answers are the same.
/// </summary>
internal sealed class AddressChanges(IssuerDatabase database, AccountRegistry accounts, LetterQueue letters, SignInAttempts attempts, IssuerSecrets secrets, TimeProvider clock)
{
    /// <summary>Where a change is stopped.</summary>
    public const string StopPath = "/account/email/stop";

    /// <summary>Codes that are tried for one change.</summary>
    public const int Tries = 5;

    public static readonly TimeSpan CodeLifetime = TimeSpan.FromMinutes(30);
    public static readonly TimeSpan StopLifetime = TimeSpan.FromDays(7);

    private const int CodeBytes = 5;
    private const int LongestValue = 64;

    public bool CanAsk => letters.IsConfigured;

    /// <summary>Sends the code and the notice. An earlier wish that no code was shown for is dropped.</summary>
    public async Task<AddressAsk> AskAsync(AccountFacts who, string email, CancellationToken cancellationToken)
    {
        var next = email.Trim();
        if (!Letter.IsAddress(next)) return AddressAsk.NotAnAddress;
        // Both are counted, whatever the first says.
        var mayAsk = await attempts.BeginAsync($"email-change/{who.Id:N}", cancellationToken);
        var mayReceive = await attempts.BeginAsync("email-change/" + secrets.Handle(who.Realm, next), cancellationToken);
        if (!mayAsk || !mayReceive) return AddressAsk.TooMany;
        var isTaken = await accounts.FindAsync(who.Realm, next, cancellationToken) is not null;
        var former = await accounts.AddressAsync(who.Id, cancellationToken);
        var (code, stop) = (NewCode(), BearerValue.New(secrets.Random));
        var change = New(who.Id, next, former, code, stop);
        await accounts.ActAsync(
            who.Id,
            "email-change-asked",
            async transaction =>
            {
                await transaction.ExecuteAsync("DELETE FROM issuer.email_change WHERE account_id = $1 AND NOT is_made", cancellationToken, who.Id);
                await InsertAsync(transaction, change, cancellationToken);
                await letters.AddAsync(transaction, who.Id, isTaken ? AddressLetters.Taken(next) : AddressLetters.Code(next, code), change.CodeUntil, cancellationToken);
                await letters.AddAsync(transaction, who.Id, AddressLetters.Notice(former, letters.AddressOf($"{StopPath}?value={stop}")), change.StopUntil, cancellationToken);
            },
            cancellationToken);
        return AddressAsk.Asked;
    }

    /// <summary>Makes the change that this is the code of; every session of the account ends. False, whatever the reason.</summary>
    public async Task<bool> ConfirmAsync(AccountFacts who, string given, CancellationToken cancellationToken)
    {
        // Counted before the code is looked at, so that guesses at the same time do not slip past.
        var change = await database.FirstAsync(
            $"UPDATE issuer.email_change SET tries = tries + 1 WHERE account_id = $1 AND NOT is_made AND tries < $2 AND code_until > $3 RETURNING {EmailChange.Columns}",
            EmailChange.Read, cancellationToken, who.Id, Tries, clock.GetUtcNow());
        if (change is null || !secrets.Rows.Hold(change)) return false;
        if (!CryptographicOperations.FixedTimeEquals(change.CodeMac, secrets.Rows.OfAddressCode(change.Id, Plain(given)))) return false;
        return await TryAsync(change.Account, Open(EmailChange.NextContext(change.Id), change.NextSealed), "email-changed", transaction => transaction.ExecuteAsync(
            "UPDATE issuer.email_change SET is_made = true, seal = $3 WHERE id = $1 AND seal = $2 AND NOT is_made",
            cancellationToken, change.Id, change.Seal, secrets.Rows.Of(change with { IsMade = true })));
    }

    /// <summary>Stops a change, or undoes it and those that came after it; every session of the account ends. False when there is none.</summary>
    public async Task<bool> StopAsync(string value, CancellationToken cancellationToken)
    {
        if (value.Length is 0 or > LongestValue) return false;
        var change = await database.FirstAsync(
            $"SELECT {EmailChange.Columns} FROM issuer.email_change WHERE stop_hash = $1 AND stop_until > $2",
            EmailChange.Read, cancellationToken, BearerValue.Hash(value), clock.GetUtcNow());
        if (change is null || !secrets.Rows.Hold(change)) return false;
        // INVARIANT: an earlier change stays to be undone, so that whoever changes an address twice has not shut the first mailbox out.
        return await TryAsync(
            change.Account,
            Open(EmailChange.FormerContext(change.Id), change.FormerSealed),
            change.IsMade ? "email-change-undone" : "email-change-stopped",
            async transaction =>
            {
                await transaction.ExecuteAsync("DELETE FROM issuer.email_change WHERE account_id = $1 AND id > $2", cancellationToken, change.Account, change.Id);
                return await transaction.ExecuteAsync("DELETE FROM issuer.email_change WHERE id = $1 AND seal = $2", cancellationToken, change.Id, change.Seal);
            });
    }

    // The work says how many rows it changed: none when somebody else was quicker.
    private async Task<bool> TryAsync(Guid account, string email, string what, Func<IssuerTransaction, Task<int>> work)
    {
        try
        {
            await accounts.SetAddressAsync(
                account,
                email,
                what,
                async transaction =>
                {
                    if (await work(transaction) == 0) throw IssuerException.Conflict("a change");
                },
                CancellationToken.None);
            return true;
        }
        catch (IssuerException e) when (e.Slug is "conflict" or "not-found")
        {
            return false;
        }
    }

    private EmailChange New(Guid account, string next, string former, string code, string stop)
    {
        var (id, now) = (Uuid.Version7(clock, secrets.Random), clock.GetUtcNow());
        return new EmailChange(
            id,
            account,
            secrets.Seal(EmailChange.NextContext(id), Encoding.UTF8.GetBytes(next)),
            secrets.Seal(EmailChange.FormerContext(id), Encoding.UTF8.GetBytes(former)),
            secrets.Rows.OfAddressCode(id, code),
            BearerValue.Hash(stop),
            now + CodeLifetime,
            now + StopLifetime,
            IsMade: false,
            Seal: null);
    }

    private Task<int> InsertAsync(IssuerTransaction transaction, EmailChange c, CancellationToken cancellationToken) => transaction.ExecuteAsync(
        $"INSERT INTO issuer.email_change ({EmailChange.Columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        cancellationToken, c.Id, c.Account, c.NextSealed, c.FormerSealed, c.CodeMac, c.StopHash, c.CodeUntil, c.StopUntil, c.IsMade, secrets.Rows.Of(c));

    // 40 bits, of which five tries reach nothing; a slow hash would hide them no better than the key does.
    private string NewCode()
    {
        Span<byte> bytes = stackalloc byte[CodeBytes];
        secrets.Random.Fill(bytes);
        return Base32.Encode(bytes);
    }

    private string Open(string context, byte[] value)
    {
        using var text = secrets.Open(context, value);
        return Encoding.UTF8.GetString(text.Span);
    }

    private static string Plain(string typed) => string.Concat(typed.Where(c => c is not (' ' or '-'))).ToUpperInvariant();
}

/// <summary>What is written about a change of address. None of it names the account, its owner or the other address.</summary>
internal static class AddressLetters
{
    private const int CodeGroup = 4;

    public static Letter Code(string to, string code) => new(
        to,
        "Confirm this e-mail address",
        $"""
        Somebody who is signed in asks to use this address for their account.

        Type this code on the page that asks for it: {code[..CodeGroup]}-{code[CodeGroup..]}

        It works once, for 30 minutes. If you asked for nothing, do nothing: without the code nothing changes. Tell it to nobody.
        """);

    public static Letter Taken(string to) => new(
        to,
        "Confirm this e-mail address",
        """
        Somebody who is signed in asks to use this address for their account.

        There is an account with this address already, so nothing changes. If it is yours, sign in with it. If you asked for nothing, do nothing.
        """);

    public static Letter Notice(string to, string stop) => new(
        to,
        "Another e-mail address for your account",
        $"""
        Somebody who is signed in to your account asks for another e-mail address in the place of this one.

        If that was you, do nothing.

        If not, stop it here, within seven days, also when it was done meanwhile:
        {stop}

        Your account then keeps this address and is signed out everywhere. Change your password after that.
        """);
}
