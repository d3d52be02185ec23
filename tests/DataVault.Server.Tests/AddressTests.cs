using System.Text.RegularExpressions;

namespace DataVault.Server.Tests;

/// <summary>Another address for an account at a whole server: from the page through the message to the log.</summary>
public sealed partial class AddressTests(RunningServer server)
{
    [Fact]
    public async Task A_new_address_is_confirmed_by_the_message_in_the_homes_folder_and_the_log_says_so_without_it()
    {
        var person = await server.StaffAsync("analyst");
        var id = (await server.JsonAsync("administrator", HttpMethod.Post, "/v1/accounts/find", new { email = person.Email })).GetProperty("id").GetGuid();
        var next = $"{Guid.NewGuid():N}@example.com";
        using var visitor = new ConsoleVisitor(server.Process.Address);
        await visitor.SignInAsync(person);
        await visitor.OpenAsync("/account/email");
        await visitor.SubmitAsync("/account/email", ("email", next));
        var code = "";
        await Waiting.UntilAsync("a message to the new address", async () => (code = await CodeAsync(next)).Length > 0);

        await visitor.SubmitAsync("/account/email/code", ("code", code));

        Assert.Equal(id, (await server.JsonAsync("administrator", HttpMethod.Post, "/v1/accounts/find", new { email = next })).GetProperty("id").GetGuid());
        var entries = await server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/audit/entries?type=account.change&limit=200");
        Assert.Contains(entries.GetProperty("items").EnumerateArray(), entry =>
            string.Join(' ', entry.GetProperty("rules").EnumerateArray().Select(rule => rule.GetString())).StartsWith("done email-changed account:", StringComparison.Ordinal));
        Assert.DoesNotContain(next, entries.GetRawText(), StringComparison.Ordinal);
        Assert.DoesNotContain(next, server.Process.Output, StringComparison.Ordinal);
    }

    private async Task<string> CodeAsync(string to)
    {
        var folder = new DirectoryInfo(Path.Combine(server.Process.Home, "mail"));
        if (!folder.Exists) return "";
        foreach (var file in folder.GetFiles("*.eml"))
        {
            var text = await File.ReadAllTextAsync(file.FullName);
            if (text.Contains($"To: {to}\r\n", StringComparison.Ordinal)) return CodeForm().Match(text).Value;
        }

        return "";
    }

    [GeneratedRegex("[A-Z2-7]{4}-[A-Z2-7]{4}")]
    private static partial Regex CodeForm();
}
