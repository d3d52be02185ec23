using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Identity;

namespace DataVault.Issuer.Accounts;

/// <summary>
/// Passwords that others have tried long ago (NIST SP 800-63B-4 §3.1.1.2): what people make of common words and rows of keys when they are asked for length, and,
/// where a file of breached passwords is configured, everything in it. Nothing is asked of anybody outside.
/// </summary>
internal sealed class CommonPasswords(IssuerOptions options) : IPasswordValidator<Account>
{
    // What is left of a common password when its ornaments are taken away.
    private static readonly HashSet<string> Words = new(StringComparer.Ordinal)
    {
        "password", "passwort", "motdepasse", "contrasena", "passphrase", "secret", "letmein", "welcome", "willkommen", "bienvenue", "hello", "admin", "administrator", "root", "user", "guest", "login",
        "test", "testing", "changeme", "default", "temporary", "iloveyou", "loveyou", "sunshine", "princess", "dragon", "monkey", "football", "baseball", "superman", "batman", "master", "shadow", "trustno",
        "whatever", "freedom", "mustang", "michael", "jennifer", "computer", "internet", "samsung", "google", "facebook", "microsoft", "spring", "summer", "autumn", "winter", "january", "february",
        "company", "vault", "datavault", "qwertyuiop", "qwertzuiop", "azertyuiop", "asdfghjkl", "zxcvbnm", "qwerty", "qwertz", "azerty", "asdf", "zxcv", "abcdefghijkl", "abcdef", "abcd", "abc",
    };

    private static readonly string[] Rows = ["abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm", "azertyuiopqsdfghjklmwxcvbn", "01234567890123456789", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p"];

    public Task<IdentityResult> ValidateAsync(UserManager<Account> manager, Account user, string? password) =>
        Task.FromResult(password is not null && IsKnown(password) ? IdentityResult.Failed(new IdentityError { Code = "CommonPassword", Description = "Others use this password." }) : IdentityResult.Success);

    /// <summary>Whether somebody who tries the usual ones comes to it.</summary>
    public bool IsKnown(string password) => IsUsual(password) || (options.BreachedPasswords is { } file && BreachedPasswords.Contains(file, password));

    private static bool IsUsual(string password)
    {
        var plain = Plain(password);
        if (Rows.Any(row => row.Contains(password.ToLowerInvariant(), StringComparison.Ordinal) || Reversed(row).Contains(password.ToLowerInvariant(), StringComparison.Ordinal))) return true;
        return IsMadeOfWords(plain) || IsRepetition(password.ToLowerInvariant());
    }

    // Letters alone, with the digits and signs that people put for letters read as those.
    private static string Plain(string password)
    {
        var text = password.ToLowerInvariant().Trim("0123456789!?.,-_*#+ ".ToCharArray());
        var letters = new StringBuilder(text.Length);
        foreach (var c in text.Normalize(NormalizationForm.FormKD))
        {
            var read = c switch { '0' => 'o', '1' or '!' => 'i', '3' => 'e', '4' or '@' => 'a', '5' or '$' => 's', '7' => 't', _ => c };
            if (char.IsLetter(read)) letters.Append(read);
        }

        return letters.ToString();
    }

    // One or two of the words, and nothing else.
    private static bool IsMadeOfWords(string plain)
    {
        if (Words.Contains(plain)) return true;
        for (var cut = 3; cut <= plain.Length - 3; cut++)
            if (Words.Contains(plain[..cut]) && Words.Contains(plain[cut..])) return true;
        return false;
    }

    private static bool IsRepetition(string text)
    {
        for (var period = 1; period <= text.Length / 3; period++)
            if (text.Skip(period).Zip(text, (a, b) => a == b).All(same => same)) return true;
        return false;
    }

    private static string Reversed(string text) => string.Concat(text.Reverse());
}

/// <summary>
/// A file as Have I Been Pwned's downloader writes it: a line <c>SHA1:COUNT</c> for each password that was seen in a breach, upper-case hexadecimal, in order. It is
/// looked up by halving, some 35 reads in a file of a thousand million lines.
/// </summary>
internal static class BreachedPasswords
{
    private const int HashLength = 40;

    public static bool Contains(string file, string password)
    {
#pragma warning disable CA5350, RS0030 // What the file is ordered by; nothing is protected by it.
        var wanted = Convert.ToHexString(SHA1.HashData(Encoding.UTF8.GetBytes(password)));
#pragma warning restore CA5350, RS0030
        using var lines = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 256);
        var (low, high) = (0L, lines.Length);
        // INVARIANT: the line, if it is there, begins within [low, high).
        while (low < high)
        {
            var middle = low + ((high - low) / 2);
            var (start, hash, next) = LineAt(lines, middle, low);
            if (hash.Length < HashLength) return false;
            var order = string.CompareOrdinal(hash[..HashLength].ToUpper(CultureInfo.InvariantCulture), wanted);
            if (order == 0) return true;
            if (order < 0) low = next;
            else high = start;
        }

        return false;
    }

    // The line that the offset lies in, which begins no earlier than the floor.
    private static (long Start, string Text, long Next) LineAt(FileStream lines, long offset, long floor)
    {
        var start = offset;
        while (start > floor && ByteAt(lines, start - 1) != '\n') start--;
        lines.Position = start;
        var text = new StringBuilder(HashLength + 16);
        int read;
        while ((read = lines.ReadByte()) is not (-1 or '\n')) text.Append((char)read);
        return (start, text.ToString(), lines.Position);
    }

    private static int ByteAt(FileStream lines, long at)
    {
        lines.Position = at;
        return lines.ReadByte();
    }
}
