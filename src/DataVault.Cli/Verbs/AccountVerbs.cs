using System.CommandLine;
using DataVault.Client;
using DataVault.Client.Wire;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault accounts …</c></summary>
internal static class AccountVerbs
{
    private const string Administrator = "administrator";

    public static Verb Build(VerbContext context) => new Verb("accounts", "Accounts: invite people and customers, switch staff off, let them in again.").With(
        List(context),
        Invite(context),
        InviteCustomer(context),
        Recover(context),
        Recoveries(context),
        StopRecovery(context),
        Act(context, "disable", "disable", "Switch an account off; its sessions and tokens end."),
        Act(context, "enable", "enable", "Switch an account on again."),
        Act(context, "sign-out", "sign-out", "Sign somebody out everywhere."),
        Act(context, "reset-password", "password-reset", "Give out another one-time password; the second factor stays."),
        Act(context, "reset-second-factor", "second-factor-reset", "Take a lost second factor away; done by another person, signed in with datavault login."));

    private static Verb List(VerbContext context) => new Verb("list", "The accounts of the staff. Addresses are sealed and in no list.", "datavault accounts list")
        .Does(context, async (session, cancellation) =>
        {
            var accounts = await session.Open([Administrator]).AccountsAsync(cancellation);
            session.Report.Show(accounts, () => Show(accounts));
            return ExitCode.Ok;
        });

    private static Verb Invite(VerbContext context)
    {
        var role = new Option<string>("--role") { Description = "A role of the staff, such as compliance-officer.", Required = true };
        return new Verb("invite", "Make an account; the e-mail address is read from standard input.", "echo officer.two@vault.example | datavault accounts invite --role compliance-officer")
            .With(role)
            .Does(context, async (session, cancellation) =>
            {
                var made = await session.OpenAsPerson(Administrator).CreateAccountAsync(new CreateAccount(await AddressAsync(session, cancellation), session.Parsed.GetRequiredValue(role)), cancellation);
                session.Report.Show(made, () => new Text($"{made.Id}\nOne-time password, shown this once: {made.OneTimePassword}\n"));
                return ExitCode.Ok;
            });
    }

    private static Verb InviteCustomer(VerbContext context)
    {
        var customer = new Argument<Guid>("customer") { Description = "The customer's id." };
        return new Verb("invite-customer", "Send a customer the way to an account of their own, to the e-mail address that is held of them.", "datavault accounts invite-customer 01a20120-1ce2-7ae1-9322-e92c76de7769")
            .With(customer)
            .Does(context, async (session, cancellation) =>
            {
                var invited = await session.OpenAsPerson(Administrator).InviteCustomerAsync(session.Parsed.GetRequiredValue(customer), cancellation);
                session.Report.Show(invited, () => new Text($"A message is on its way; it can be used until {invited.Until:yyyy-MM-dd HH:mm}Z.\n"));
                return ExitCode.Ok;
            });
    }

    private static Verb Recover(VerbContext context)
    {
        var customer = new Argument<Guid>("customer") { Description = "The customer's id." };
        var method = new Option<string>("--method") { Description = "By what it was established who they are: a method of rights.yaml.", Required = true };
        return new Verb(
            "recover", "Have a customer's lost second factor taken away, in some days, unless its owner stops it.", "datavault accounts recover 01a20120-1ce2-7ae1-9322-e92c76de7769 --method document-seen")
            .With(customer, method)
            .Does(context, async (session, cancellation) =>
            {
                var asked = new BeginRecovery(session.Parsed.GetRequiredValue(customer), session.Parsed.GetRequiredValue(method));
                var begun = await session.OpenAsPerson(Administrator).BeginRecoveryAsync(asked, cancellation);
                session.Report.Show(begun, () => Show([begun]));
                return ExitCode.Ok;
            });
    }

    private static Verb Recoveries(VerbContext context) => new Verb("recoveries", "Second factors of customers that are to be taken away.", "datavault accounts recoveries")
        .Does(context, async (session, cancellation) =>
        {
            var open = await session.OpenAsPerson(Administrator).RecoveriesAsync(cancellation);
            session.Report.Show(open, () => Show(open));
            return ExitCode.Ok;
        });

    private static Verb StopRecovery(VerbContext context)
    {
        var id = new Argument<Guid>("recovery") { Description = "The recovery's id." };
        return new Verb("stop-recovery", "Leave a customer's second factor where it is.", "datavault accounts stop-recovery 01a20120-1ce2-7ae1-9322-e92c76de7769")
            .With(id)
            .Does(context, async (session, cancellation) =>
            {
                await session.OpenAsPerson(Administrator).StopRecoveryAsync(session.Parsed.GetRequiredValue(id), cancellation);
                return ExitCode.Ok;
            });
    }

    private static Table Show(IReadOnlyList<AccountRecovery> recoveries)
    {
        var table = Report.Table("recovery", "customer", "established by", "taken away at");
        foreach (var one in recoveries) table.Row($"{one.Id}", $"{one.Customer}", one.Method, $"{one.DueAt:yyyy-MM-dd HH:mm}Z");
        return table;
    }

    private static Verb Act(VerbContext context, string name, string act, string what)
    {
        var account = new Argument<string>("account") { Description = "The account's id, or - to read the e-mail address from standard input." };
        return new Verb(name, what, $"datavault accounts {name} 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f", $"echo officer.two@vault.example | datavault accounts {name} -")
            .With(account)
            .Does(context, async (session, cancellation) =>
            {
                var vault = session.OpenAsPerson(Administrator);
                var done = await vault.ActOnAccountAsync(await AccountAsync(session, vault, session.Parsed.GetRequiredValue(account), cancellation), act, cancellation);
                session.Report.Show(done, () => new Text(done.OneTimePassword is { } once ? $"One-time password, shown this once: {once}\n" : $"Done: {done.Act} of {done.Id}\n"));
                return ExitCode.Ok;
            });
    }

    // Addresses are no arguments: those can be read by everybody on the machine.
    private static async Task<Guid> AccountAsync(Session session, VaultClient vault, string account, CancellationToken cancellation)
    {
        if (account == "-") return (await vault.FindAccountAsync(await AddressAsync(session, cancellation), cancellation)).Id;
        return Guid.TryParse(account, out var id) ? id : throw new UsageException("Name an account by its id, or give - and its address on standard input.");
    }

    private static async Task<string> AddressAsync(Session session, CancellationToken cancellation) =>
        (await session.Host.Input.ReadLineAsync(cancellation))?.Trim() is { Length: > 0 } address ? address : throw new UsageException("Give the e-mail address on standard input.");

    private static Table Show(IReadOnlyList<StaffAccount> accounts)
    {
        var table = Report.Table("account", "roles", "state", "second factor", "made");
        foreach (var one in accounts)
            table.Row($"{one.Id}", string.Join(", ", one.Roles), State(one), one.HasSecondFactor ? "yes" : "at the next sign-in", $"{one.CreatedAt:yyyy-MM-dd}");
        return table;
    }

    private static string State(StaffAccount one) => one.Disabled ? "off" : one.MustChangePassword ? "invited" : "on";
}
