using System.Net;
using System.Net.Sockets;
using DataVault.Issuer.Accounts;
using DataVault.Issuer.Mailing;
using DataVault.Issuer.Storage;
using Microsoft.Extensions.Logging;

namespace DataVault.Issuer;

/// <summary>
/// What is given to whoever reads a mailbox: to a customer their first account, by the address that the vault holds of them, and to whoever has an account another password.
/// </summary>
/// <remarks>
/// INVARIANT: a browser that asks is answered before anybody looks whether the address is held: the row that it leaves is the same, and <see cref="LetterRelay"/> looks into
/// it afterwards. So neither the answer nor its time tells anything, and who is not held gets no message. A claim opens nothing: only the value that went to the held
/// address does, once. A second factor stays through all of it.
/// </remarks>
public sealed class MailedLinks
{
    /// <summary>Where the value of a message is brought.</summary>
    internal const string Path = "/account/link";

    /// <summary>Where a first account is asked for.</summary>
    internal const string JoinPath = "/account/join";

    /// <summary>Where another password is asked for.</summary>
    internal const string ForgottenPath = "/account/forgotten";

    /// <summary>Wishes that one network may have within <see cref="IssuerOptions.LockoutPeriod"/>.</summary>
    internal const int AsksOfNetwork = 20;

    internal static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(30);

    private static readonly TimeSpan InvitationLifetime = TimeSpan.FromDays(7);

    private readonly MailedLinkStore store;
    private readonly AccountRegistry accounts;
    private readonly LetterQueue letters;
    private readonly SignInAttempts attempts;
    private readonly IHeldPeople people;
    private readonly ChangeLedger changes;

    internal MailedLinks(MailedLinkStore store, AccountRegistry accounts, LetterQueue letters, SignInAttempts attempts, IHeldPeople people, ChangeLedger changes) =>
        (this.store, this.accounts, this.letters, this.attempts, this.people, this.changes) = (store, accounts, letters, attempts, people, changes);

    internal bool CanAsk => letters.IsConfigured;

    /// <summary>Sends a customer the way to their first account, to the address that is held of them.</summary>
    /// <param name="customer">Whose.</param>
    /// <param name="actor">Who invites.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>How long it can be used.</returns>
    /// <exception cref="IssuerException">conflict: there is an account or no address; invalid-fields: no message can leave.</exception>
    public async Task<DateTimeOffset> InviteAsync(Guid customer, IssuerParty actor, CancellationToken cancellationToken = default)
    {
        if (!letters.IsConfigured) throw IssuerException.Invalid("This vault sends no e-mail.");
        if (await accounts.FindForSubjectAsync(customer, cancellationToken) is not null) throw new IssuerException("conflict", AccountRegistry.NoAccountToMake);
        var blank = store.New(LinkKinds.Join, InvitationLifetime);
        if (await people.AddressOfAsync(customer, blank.Id, cancellationToken) is not { } address || !Letter.IsAddress(address))
            throw new IssuerException("conflict", "No e-mail address is held of this customer that a message could go to.");
        var (link, value) = store.Arm(store.New(LinkKinds.Join, InvitationLifetime, address) with { Subject = customer });
        await changes.MakeAsync(
            new IssuerChange(actor, PartyOf(link.Id), "invited", customer),
            async transaction =>
            {
                await store.AddAsync(transaction, link, cancellationToken);
                await letters.AddForLinkAsync(transaction, link.Id, LinkLetters.Join(address, AddressOf(value)), link.Until, cancellationToken);
            },
            cancellationToken);
        return link.Until;
    }

    /// <summary>Leaves a wish. What becomes of it, the mailbox alone is told.</summary>
    internal async Task<AddressAsk> AskAsync(string kind, string typed, IPAddress? from, CancellationToken cancellationToken)
    {
        var address = typed.Trim();
        if (!Letter.IsAddress(address)) return AddressAsk.NotAnAddress;
        // Both are counted, whatever the first says.
        var mayAsk = await attempts.BeginAsync(store.CounterOf("network", PlaceOf(from)), cancellationToken, AsksOfNetwork);
        var mayReceive = await attempts.BeginAsync(store.CounterOf(kind, address), cancellationToken);
        if (!mayAsk || !mayReceive) return AddressAsk.TooMany;
        await store.AddAsync(store.New(kind, Lifetime, address), cancellationToken);
        return AddressAsk.Asked;
    }

    /// <summary>Looks into the wishes that were left. False when one has to be looked into again.</summary>
    internal async Task<bool> AnswerDueAsync(ILogger logger, CancellationToken cancellationToken)
    {
        while (await store.TakeAsync(cancellationToken) is { } link)
            if (!await TryAnswerAsync(link, logger, cancellationToken)) return false;
        return true;
    }

    /// <summary>What the value of a message is of; null when it is none, was used, or is too old.</summary>
    internal Task<MailedLink?> FindAsync(string value, CancellationToken cancellationToken) => store.FindAsync(value, cancellationToken);

    /// <summary>Makes the account, or changes the password, with what its owner has chosen.</summary>
    internal async Task<PasswordChange> UseAsync(string value, string password, CancellationToken cancellationToken)
    {
        if (await store.FindAsync(value, cancellationToken) is not { } link) return PasswordChange.NotConfirmed;
        try
        {
            return link.Kind == LinkKinds.Join ? await JoinAsync(link, password, cancellationToken) : await ReplaceAsync(link, password, cancellationToken);
        }
        catch (IssuerException e) when (e.Slug is "conflict" or "not-found")
        {
            return PasswordChange.NotConfirmed;
        }
    }

    // The address may have become somebody else's, or nobody's, since the message was sent.
    private async Task<PasswordChange> JoinAsync(MailedLink link, string password, CancellationToken cancellationToken)
    {
        var address = store.AddressIn(link);
        if (link.Subject is not { } subject || await people.AddressOfAsync(subject, link.Id, cancellationToken) is not { } held || !store.AreSame(held, address)) return PasswordChange.NotConfirmed;
        return await accounts.JoinAsync(
            link.Id,
            address,
            subject,
            password,
            transaction => MailedLinkStore.UseAsync(transaction, link, CancellationToken.None),
            transaction => letters.AddAsync(transaction, link.Id, LinkLetters.Joined(address), store.Now + InvitationLifetime, CancellationToken.None));
    }

    private Task<PasswordChange> ReplaceAsync(MailedLink link, string password, CancellationToken cancellationToken) => accounts.ReplacePasswordAsync(
        link.Account!.Value,
        password,
        async transaction =>
        {
            await MailedLinkStore.UseAsync(transaction, link, CancellationToken.None);
            await letters.AddAsync(transaction, link.Account.Value, LinkLetters.Replaced(store.AddressIn(link)), store.Now + InvitationLifetime, CancellationToken.None);
        },
        cancellationToken);

#pragma warning disable CA1031 // Whatever the vault, the log or the database says, the wish stays and is looked into again.
    private async Task<bool> TryAnswerAsync(MailedLink link, ILogger logger, CancellationToken cancellationToken)
    {
        try
        {
            await (link.Kind switch
            {
                LinkKinds.Join => AnswerJoinAsync(link, cancellationToken),
                LinkKinds.Password => AnswerPasswordAsync(link, cancellationToken),
                _ => TellAsync(link, cancellationToken),
            });
            return true;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            logger.LogWarning("The wish {Link} could not be looked into ({Kind}); it is tried again.", link.Id, e.GetType().Name);
            return false;
        }
    }
#pragma warning restore CA1031

    // INVARIANT: messages go to the address that is kept, never to the one that was typed: what counts as the same address need not be the same mailbox.
    private async Task AnswerJoinAsync(MailedLink link, CancellationToken cancellationToken)
    {
        var typed = store.AddressIn(link);
        if (await accounts.FindAsync(Realm.Customer, typed, cancellationToken) is { } there)
        {
            await SayAsync(link, there.Id, LinkLetters.Already(await accounts.AddressAsync(there.Id, cancellationToken), letters.AddressOf(ForgottenPath)), cancellationToken);
            return;
        }

        if (await people.FindAsync(typed, link.Id, cancellationToken) is not { } subject || await people.AddressOfAsync(subject, link.Id, cancellationToken) is not { } held || !Letter.IsAddress(held))
            await store.DropAsync(link, cancellationToken);
        else if (await accounts.FindForSubjectAsync(subject, cancellationToken) is { } other)
            await SayAsync(link, other, LinkLetters.Elsewhere(held), cancellationToken);
        else
            await SendAsync(link, store.To(link, held) with { Subject = subject }, value => LinkLetters.Join(held, AddressOf(value)), cancellationToken);
    }

    private async Task AnswerPasswordAsync(MailedLink link, CancellationToken cancellationToken)
    {
        if (await accounts.FindAsync(Realm.Customer, store.AddressIn(link), cancellationToken) is not { Disabled: false } there)
        {
            await store.DropAsync(link, cancellationToken);
            return;
        }

        var address = await accounts.AddressAsync(there.Id, cancellationToken);
        await SendAsync(link, store.To(link, address) with { Account = there.Id, Subject = there.Subject }, value => LinkLetters.Password(address, AddressOf(value)), cancellationToken);
    }

    private async Task TellAsync(MailedLink link, CancellationToken cancellationToken)
    {
        if (link is { Account: { } account, Subject: { } subject } && await people.AddressOfAsync(subject, link.Id, cancellationToken) is { } address && Letter.IsAddress(address))
            await SayAsync(link, account, LinkLetters.Made(address), cancellationToken);
        else
            await store.DropAsync(link, cancellationToken);
    }

    private Task SendAsync(MailedLink was, MailedLink known, Func<string, Letter> letter, CancellationToken cancellationToken)
    {
        var (link, value) = store.Arm(known);
        return changes.MakeAsync(
            new IssuerChange(IssuerParty.Vault, PartyOf(link.Account ?? link.Id), link.Kind + "-link-sent", link.Subject),
            async transaction =>
            {
                await store.ReplaceAsync(transaction, was, link, cancellationToken);
                await letters.AddForLinkAsync(transaction, link.Id, letter(value), link.Until, cancellationToken);
            },
            cancellationToken);
    }

    // A message that opens nothing.
    private Task SayAsync(MailedLink link, Guid account, Letter letter, CancellationToken cancellationToken) => accounts.NoteAsync(
        account,
        link.Kind + "-told",
        async transaction =>
        {
            await MailedLinkStore.UseAsync(transaction, link, cancellationToken);
            await letters.AddAsync(transaction, account, letter, store.Now + InvitationLifetime, cancellationToken);
        },
        cancellationToken);

    private string AddressOf(string value) => letters.AddressOf($"{Path}?value={value}");

    // INVARIANT: a first account gets the id of its link, so that what the log says of the one is said of the other.
    private static IssuerParty PartyOf(Guid account) => new(Realm.Customer, account.ToString("D"), IssuerOptions.CustomerRole);

    // A household or an office; of IPv6 the network that one customer of a provider gets.
    private static string PlaceOf(IPAddress? from)
    {
        if (from is null) return "nowhere";
        if (from.IsIPv4MappedToIPv6) from = from.MapToIPv4();
        return from.AddressFamily == AddressFamily.InterNetworkV6 ? Convert.ToHexString(from.GetAddressBytes().AsSpan(0, 8)) : from.ToString();
    }
}

/// <summary>What is written about links. None of it names a person or says what is held of them.</summary>
internal static class LinkLetters
{
    public static Letter Join(string to, string link) => new(
        to,
        "Your account at the vault",
        $"""
        We hold data about you under this e-mail address. With an account you see what it is and who looked at it, and decide what may be done with it.

        Choose a password here to make the account:
        {link}

        The address works once, and for a short time. If you asked for nothing, do nothing: without it there is no account. Pass it on to nobody: whoever has it sees your data.
        """);

    public static Letter Already(string to, string forgotten) => new(
        to,
        "Your account at the vault",
        $"""
        Somebody asked for an account with this e-mail address. There is one already, and nothing was changed.

        If it was you, sign in with it. If you have forgotten the password, ask for another here:
        {forgotten}
        """);

    public static Letter Elsewhere(string to) => new(
        to,
        "Your account at the vault",
        """
        Somebody asked for an account with this e-mail address. There is an account for you already, with another e-mail address, and nothing was changed.

        If it was you, sign in with the other address. If you know of no such account, tell us: somebody else may have it.
        """);

    public static Letter Joined(string to) => new(
        to,
        "An account was made for you",
        """
        An account was made with this e-mail address, by whoever opened the message that we sent here. It shows what we hold about you.

        If that was not you, somebody else reads your mail: ask for another password at once, and change that of your mailbox first.
        """);

    public static Letter Made(string to) => new(
        to,
        "An account was made for you",
        """
        One of our staff made an account for you, with which you see what we hold about you. The first password comes to you separately.

        If you know nothing of it, tell us: the account can be switched off.
        """);

    public static Letter Password(string to, string link) => new(
        to,
        "Another password for your account",
        $"""
        Somebody asked for another password for the account with this e-mail address. Choose it here:
        {link}

        The address works once, for 30 minutes. If you have set up a second factor, you are asked for it as always. If you asked for nothing, do nothing: your password stays.
        """);

    public static Letter Replaced(string to) => new(
        to,
        "Your password was changed",
        """
        The password of your account was changed by whoever opened the message that we sent here. The account is signed out everywhere.

        If that was not you, somebody else reads your mail: change the password of your mailbox first, and then ask for another one here.
        """);
}
