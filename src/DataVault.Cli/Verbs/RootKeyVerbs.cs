using System.CommandLine;
using System.Globalization;
using DataVault.Cryptography;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary>
/// <c>datavault root-key …</c>: the vault's root key, offline, on the machine where it lies. Passphrases, PINs and shares come from standard input, never
/// from arguments, which everybody on the machine can read.
/// </summary>
internal static class RootKeyVerbs
{
    private static readonly SystemRandomBytes s_random = new();

    public static Verb Build(VerbContext context) =>
        new Verb("root-key", "Make, share out, recover and protect the vault's root key, offline.").With(
            New(context), Generate(context), Split(context), Recover(context), Passphrase(context));

    private static Verb New(VerbContext context)
    {
        var file = File("The file to make; it must not exist.");
        return new Verb(
            "new", "Make a root key and seal it in a file under a passphrase.",
            "datavault root-key new --file root.key", "datavault root-key new --file root.key < passphrase.txt")
            .With(file)
            .Does(context, (session, _) =>
            {
                using var key = SecretBytes.Random(KeyDerivation.KeySize, s_random);
                RootKeyFile.Create(session.Parsed.GetRequiredValue(file), key, NewPassphrase(session.Host), s_random);
                return Done(session, key);
            });
    }

    private static Verb Generate(VerbContext context)
    {
        var module = new Option<string>("--module") { Description = "Whole path of the token's PKCS#11 library.", Required = true };
        var token = new Option<string>("--token") { Description = "Label of the token.", Required = true };
        var key = new Option<string>("--key") { Description = "Label of the new key.", Required = true };
        return new Verb(
            "generate", "Make a root key on a token (PKCS#11), which it never leaves.",
            "datavault root-key generate --module /usr/lib/softhsm/libsofthsm2.so --token vault --key root")
            .With(module, token, key)
            .Does(context, (session, _) =>
            {
                var where = new TokenKey(session.Parsed.GetRequiredValue(module), session.Parsed.GetRequiredValue(token), session.Parsed.GetRequiredValue(key));
                Pkcs11RootKey.Generate(where, Ask(session.Host, "PIN of the token: "), s_random);
                session.Report.Show(new { key = $"pkcs11/{where.Token}/{where.Key}" }, () => new Text($"The key {where.Key} is on the token {where.Token}.\n"));
                return Task.FromResult(ExitCode.Ok);
            });
    }

    private static Verb Split(VerbContext context)
    {
        var file = File("The sealed root key.");
        var groups = new Option<string[]>("--group")
        {
            Description = "Shares of a group, as NEEDEDofMADE (repeatable; default 3of5).",
            DefaultValueFactory = _ => ["3of5"],
        };
        var needed = new Option<int>("--groups-needed") { Description = "So many groups together recover the key.", DefaultValueFactory = _ => 1 };
        return new Verb(
            "split", "Show recovery shares of the root key (SLIP-0039), this once. Every call makes a new set; older sets stay good.",
            "datavault root-key split --file root.key --group 3of5", "datavault root-key split --file root.key --group 2of3 --group 3of5 --groups-needed 2")
            .With(file, groups, needed)
            .Does(context, (session, _) =>
            {
                var plan = session.Parsed.GetRequiredValue(groups).Select(ParseGroup).ToList();
                using var key = RootKeyFile.Read(session.Parsed.GetRequiredValue(file), Ask(session.Host, "Passphrase: "), development: false);
                var shares = RecoveryShares.Split(key, session.Parsed.GetValue(needed), plan, default, s_random);
                session.Report.Show(
                    new { key = LocalRootKey.NameOf(key), groups = shares.Select((group, i) => new { needed = plan[i].Threshold, shares = group }) },
                    () => new Text($"Recovery shares of the root key {LocalRootKey.NameOf(key)}\n\n"));
                if (!session.Report.Json) session.Report.Line(string.Join('\n', Sheet(shares, plan)));
                session.Host.Error.WriteLine("Give each share to another person, on paper. They are not kept and not shown again.");
                return Task.FromResult(ExitCode.Ok);
            });
    }

    private static Verb Recover(VerbContext context)
    {
        var file = File("The file to make; it must not exist.");
        var expected = new Option<string?>("--key") { Description = "Name of the key that must come out, as `keys status` and `split` show it." };
        return new Verb(
            "recover", "Make the root key file anew from recovery shares, one a line, and a new passphrase.",
            "datavault root-key recover --file root.key", "datavault root-key recover --file root.key --key local/0f6c1e5b9d3a7c42")
            .With(file, expected)
            .Does(context, (session, _) =>
            {
                using var key = ReadShares(session.Host);
                if (session.Parsed.GetValue(expected) is { } name && name != LocalRootKey.NameOf(key))
                    throw new RecoveryShareException($"These shares are of another root key: {LocalRootKey.NameOf(key)}.");
                RootKeyFile.Create(session.Parsed.GetRequiredValue(file), key, NewPassphrase(session.Host), s_random);
                return Done(session, key);
            });
    }

    private static Verb Passphrase(VerbContext context)
    {
        var file = File("The sealed root key.");
        return new Verb(
            "passphrase", "Seal the root key under another passphrase: the old one first, then the new one.",
            "datavault root-key passphrase --file root.key")
            .With(file)
            .Does(context, (session, _) =>
            {
                var path = session.Parsed.GetRequiredValue(file);
                var old = Ask(session.Host, "Passphrase until now: ");
                var fresh = NewPassphrase(session.Host);
                RootKeyFile.ChangePassphrase(path, old, fresh, s_random);
                using var key = RootKeyFile.Read(path, fresh, development: false);
                return Done(session, key);
            });
    }

    private static Option<string> File(string description) => new("--file") { Description = description, Required = true };

    private static Task<int> Done(Session session, SecretBytes key)
    {
        var name = LocalRootKey.NameOf(key);
        session.Report.Show(new { key = name }, () => new Text($"The root key {name} is sealed.\n"));
        return Task.FromResult(ExitCode.Ok);
    }

    private static SecretBytes ReadShares(CliHost host)
    {
        using var shares = new RecoveryShares();
        while (!shares.Suffice)
        {
            if (host.ReadHidden is not null) host.Error.Write($"Share ({shares.Progress}): ");
            if (host.Input.ReadLine() is not { } line) throw new RecoveryShareException($"These shares do not suffice ({shares.Progress}).");
            if (!string.IsNullOrWhiteSpace(line)) Add(shares, line);
        }

        return shares.Combine();
    }

    // What follows too few shares is taken for one: whoever reads the message sees that one is missing.
    private static void Add(RecoveryShares shares, string line)
    {
        try
        {
            shares.Add(line);
        }
        catch (RecoveryShareException e)
        {
            throw new RecoveryShareException($"{e.Message} Shares so far: {shares.Progress}.");
        }
    }

    private static string NewPassphrase(CliHost host)
    {
        var first = Ask(host, "New passphrase: ");
        // Piped after shares, with a line between.
        while (host.ReadHidden is null && first.Length == 0) first = Ask(host, "New passphrase: ");
        if (first.Length < RootKeyFile.ShortestPassphrase) throw new UsageException($"A passphrase has at least {RootKeyFile.ShortestPassphrase} characters.");
        if (host.ReadHidden is not null && Ask(host, "Once more: ") != first) throw new UsageException("The two passphrases differ.");
        return first;
    }

    private static string Ask(CliHost host, string prompt)
    {
        if (host.ReadHidden is not null) host.Error.Write(prompt);
        return (host.ReadHidden is { } read ? read() : host.Input.ReadLine()) ?? throw new UsageException("Standard input ended before the secret was given.");
    }

    private static RecoveryGroup ParseGroup(string text) =>
        text.Split("of") is [var needed, var made] && int.TryParse(needed, CultureInfo.InvariantCulture, out var threshold) && int.TryParse(made, CultureInfo.InvariantCulture, out var count)
            ? new RecoveryGroup(threshold, count)
            : throw new UsageException("A group is given as 3of5: three shares needed, five made.");

    // Lines as they are, not a table: a share that was broken in two is not read again.
    private static IEnumerable<string> Sheet(IReadOnlyList<IReadOnlyList<string>> groups, List<RecoveryGroup> plan) =>
        from g in Enumerable.Range(0, groups.Count)
        from s in Enumerable.Range(0, groups[g].Count)
        select $"Group {g + 1} of {groups.Count}, share {s + 1} of {plan[g].Shares} ({plan[g].Threshold} needed)\n{groups[g][s]}\n";
}
