using System.Text;
using DataVault.Cryptography;
using DataVault.Issuer.Keys;
using DataVault.Issuer.Storage;
using Npgsql;

namespace DataVault.Issuer.Accounts;

/// <summary>A row of <c>issuer.mailed_link</c>.</summary>
/// <param name="Id">Its own; of a first account, the account's too.</param>
/// <param name="Kind">A constant of <see cref="LinkKinds"/>.</param>
/// <param name="AddressSealed">Where the message goes; null where the vault is asked for it.</param>
/// <param name="Account">Whose password, or which account was made.</param>
/// <param name="Subject">Whose account.</param>
/// <param name="ValueHash">Of what stands in the message; null until it is known whether there is one.</param>
/// <param name="Until">How long it can be used.</param>
/// <param name="Seal"><see cref="RowSeals"/>.</param>
internal sealed record MailedLink(Guid Id, string Kind, byte[]? AddressSealed, Guid? Account, Guid? Subject, byte[]? ValueHash, DateTimeOffset Until, byte[]? Seal = null);

/// <summary>What is asked for by a mailbox.</summary>
internal static class LinkKinds
{
    /// <summary>A customer's first account.</summary>
    public const string Join = "join";

    /// <summary>Another password.</summary>
    public const string Password = "password";

    /// <summary>Nothing: somebody of the staff made an account, and the customer is told.</summary>
    public const string Made = "made";
}

/// <summary>The rows, each used once.</summary>
internal sealed class MailedLinkStore(IssuerDatabase database, IssuerSecrets secrets, TimeProvider clock)
{
    private const string Columns = "id, kind, address_sealed, account_id, subject_id, value_hash, until, seal";
    private const int LongestValue = 64;

    // While one process asks the vault about a row, no other does; one that dies meanwhile leaves it to the others after this.
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(30);

    public DateTimeOffset Now => clock.GetUtcNow();

    public MailedLink New(string kind, TimeSpan life, string? address = null)
    {
        var link = new MailedLink(Uuid.Version7(clock, secrets.Random), kind, null, null, null, null, Now + life);
        return address is null ? link : To(link, address);
    }

    public MailedLink To(MailedLink link, string address) => link with { AddressSealed = secrets.Seal(Context(link.Id), Encoding.UTF8.GetBytes(address)) };

    /// <summary>The same, usable by whoever gets to read the value.</summary>
    public (MailedLink Link, string Value) Arm(MailedLink link)
    {
        var value = BearerValue.New(secrets.Random);
        return (link with { ValueHash = BearerValue.Hash(value) }, value);
    }

    public string AddressIn(MailedLink link)
    {
        using var text = secrets.Open(Context(link.Id), link.AddressSealed);
        return Encoding.UTF8.GetString(text.Span);
    }

    /// <summary>Whether two texts are one mailbox.</summary>
    public bool AreSame(string one, string other) => secrets.Handle(Realm.Customer, one) == secrets.Handle(Realm.Customer, other);

    /// <summary>Under which wishes about an address are counted: the same whatever is held.</summary>
    public string CounterOf(string kind, string about) => $"{kind}-link/" + secrets.Handle(Realm.Customer, about);

    public Task AddAsync(MailedLink link, CancellationToken cancellationToken) => AddAsync(database, link, cancellationToken);

    public Task AddAsync(IssuerStatements statements, MailedLink link, CancellationToken cancellationToken) => statements.ExecuteAsync(
        $"INSERT INTO issuer.mailed_link ({Columns}, due_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        cancellationToken, link.Id, link.Kind, link.AddressSealed, link.Account, link.Subject, link.ValueHash, link.Until, secrets.Rows.Of(link), Now);

    /// <summary>The next that nobody has looked into; null when there is none. One that the vault did not write is deleted instead.</summary>
    public async Task<MailedLink?> TakeAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var taken = await database.FirstAsync(
                $"""
                UPDATE issuer.mailed_link SET due_at = $2
                WHERE id = (SELECT id FROM issuer.mailed_link WHERE value_hash IS NULL AND due_at <= $1 AND until > $1 ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
                RETURNING {Columns}
                """,
                Read, cancellationToken, Now, Now + Lease);
            if (taken is null || secrets.Rows.Hold(taken)) return taken;
            await RemoveAsync(database, taken, cancellationToken);
        }
    }

    /// <summary>What this value is of, while it can be used.</summary>
    public async Task<MailedLink?> FindAsync(string value, CancellationToken cancellationToken)
    {
        if (value.Length is 0 or > LongestValue) return null;
        var found = await database.FirstAsync(
            $"SELECT {Columns} FROM issuer.mailed_link WHERE value_hash = $1 AND until > $2", Read, cancellationToken, BearerValue.Hash(value), Now);
        return found is not null && secrets.Rows.Hold(found) ? found : null;
    }

    public Task<List<MailedLink>> ListAsync(CancellationToken cancellationToken) => database.ListAsync($"SELECT {Columns} FROM issuer.mailed_link ORDER BY id", Read, cancellationToken);

    /// <summary>Takes the place of the row as it was read.</summary>
    /// <exception cref="IssuerException">conflict: somebody else was quicker.</exception>
    public async Task ReplaceAsync(IssuerStatements statements, MailedLink was, MailedLink link, CancellationToken cancellationToken)
    {
        await UseAsync(statements, was, cancellationToken);
        await AddAsync(statements, link, cancellationToken);
    }

    /// <summary>Uses a row up.</summary>
    /// <exception cref="IssuerException">conflict: it was used, or is gone with the person.</exception>
    public static async Task UseAsync(IssuerStatements statements, MailedLink link, CancellationToken cancellationToken)
    {
        if (await RemoveAsync(statements, link, cancellationToken) == 0) throw IssuerException.Conflict("a link");
    }

    public Task DropAsync(MailedLink link, CancellationToken cancellationToken) => RemoveAsync(database, link, cancellationToken);

    /// <summary>Nothing that was sent to somebody who is erased makes an account.</summary>
    public Task RemoveForSubjectAsync(Guid subject, CancellationToken cancellationToken) =>
        database.ExecuteAsync("DELETE FROM issuer.mailed_link WHERE subject_id = $1", cancellationToken, subject);

    /// <summary>Another password cannot be had any more by what was sent before.</summary>
    public static Task EndAsync(IssuerStatements statements, Guid account, CancellationToken cancellationToken) =>
        statements.ExecuteAsync("DELETE FROM issuer.mailed_link WHERE account_id = $1 AND kind = $2", cancellationToken, account, LinkKinds.Password);

    private static Task<int> RemoveAsync(IssuerStatements statements, MailedLink link, CancellationToken cancellationToken) =>
        statements.ExecuteAsync("DELETE FROM issuer.mailed_link WHERE id = $1 AND seal = $2", cancellationToken, link.Id, link.Seal);

    private static MailedLink Read(NpgsqlDataReader r) => new(
        r.GetGuid(0), r.GetString(1), r.OptionalReference<byte[]>(2), r.Optional<Guid>(3), r.Optional<Guid>(4), r.OptionalReference<byte[]>(5), r.Time(6), r.OptionalReference<byte[]>(7));

    private static string Context(Guid id) => $"mailed-link/{id:N}/address";
}
