using System.Text.Json;
using System.Text.RegularExpressions;
using DataVault.Cli;
using DataVault.Testing;

namespace DataVault.Server.Tests;

/// <summary>A person signs in on the command line, and does there what applications may not.</summary>
public sealed partial class CommandLineSignInTests(RunningServer server) : IDisposable
{
    private readonly string _home = Directory.CreateTempSubdirectory("datavault-login-").FullName;
    private readonly StringWriter _output = new();
    private readonly Said _error = new();

    public void Dispose()
    {
        _output.Dispose();
        _error.Dispose();
        Directory.Delete(_home, recursive: true);
    }

    [Fact]
    public async Task An_officer_signs_in_with_a_browser_and_places_lists_and_releases_a_hold()
    {
        var customer = await server.CreateCustomerAsync("held-by-hand@example.com");
        Assert.Equal(ExitCode.Usage, await RunAsync("holds", "list"));
        Assert.Contains("sign in with datavault login", _error.ToString(), StringComparison.Ordinal);

        await SignInAsync("compliance-officer");
        var kept = Assert.Single(Directory.EnumerateFiles(Path.Combine(_home, ".config", "datavault"), "*.json"));
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(kept));
        var placed = await AnswerAsync("holds", "place", "--customer", $"{customer}", "--item", "email", "--authority", "legal-claim", "--case", "File 12", "--review", "2099-01-01");
        var id = placed.GetProperty("id").GetString()!;
        Assert.NotEqual("officer-tools", placed.GetProperty("placedBy").GetString());
        Assert.Equal("File 12", (await AnswerAsync("holds", "list", "--customer", $"{customer}")).GetProperty("items")[0].GetProperty("caseReference").GetString());
        Assert.Equal("Settled", (await AnswerAsync("holds", "release", id, "--reason", "Settled")).GetProperty("releaseReason").GetString());
        Assert.Equal(5, (await AnswerAsync("keys", "status")).GetProperty("levels").GetArrayLength());

        Assert.Equal(ExitCode.Ok, await RunAsync("logout"));
        Assert.False(File.Exists(kept));
        Assert.Equal(ExitCode.Usage, await RunAsync("holds", "list"));
    }

    [Fact]
    public async Task A_sign_in_that_was_ended_elsewhere_says_so_and_is_forgotten()
    {
        await SignInAsync("administrator");
        var kept = Assert.Single(Directory.EnumerateFiles(Path.Combine(_home, ".config", "datavault"), "*.json"));
        await File.WriteAllTextAsync(kept, Regex.Replace(await File.ReadAllTextAsync(kept), "\"(accessToken|refreshToken)\":\"[^\"]+\"", "\"$1\":\"ended\""));

        Assert.Equal(ExitCode.Usage, await RunAsync("keys", "status"));
        Assert.Contains("The sign-in has ended", _error.ToString(), StringComparison.Ordinal);
        Assert.False(File.Exists(kept));
    }

    private async Task SignInAsync(string role)
    {
        var person = await server.StaffAsync(role);
        var login = RunAsync("login");
        await Waiting.UntilAsync("the address is said", () => login.IsCompleted || Address().IsMatch(_error.ToString()));
        using var browser = new ConsoleVisitor(server.Process.Address);
        await browser.OpenAsync(Address().Match(_error.ToString()).Value);
        Assert.Contains("If you did not start it just now, close this page", browser.Page, StringComparison.Ordinal);
        await browser.SubmitAsync("/account/login", ("email", person.Email), ("password", person.Password));
        await browser.SubmitAsync("/account/factor", ("code", await Authenticator.Of(person.CodeSecret!).NextAsync()));
        Assert.Contains("go back to the terminal", browser.Page, StringComparison.Ordinal);
        Assert.True(await login == ExitCode.Ok, _error.ToString());
    }

    private async Task<JsonElement> AnswerAsync(params string[] arguments)
    {
        _output.GetStringBuilder().Clear();
        Assert.True(await RunAsync([.. arguments, "--json"]) == ExitCode.Ok, _error.ToString());
        return JsonDocument.Parse(_output.ToString()).RootElement;
    }

    private Task<int> RunAsync(params string[] arguments) => DataVaultCommand.RunAsync(
        new CliHost(TextReader.Null, _output, _error, _home, TimeProvider.System) { Variable = name => name == "HOME" ? _home : null },
        [.. arguments, "--address", server.Process.Address.ToString()]);

    // Read here while the command writes.
    private sealed class Said : TextWriter
    {
        private readonly System.Text.StringBuilder _text = new();

        public override System.Text.Encoding Encoding => System.Text.Encoding.UTF8;

        public override void Write(char value) => Write(value.ToString());

        public override void Write(char[] buffer, int index, int count) => Write(new string(buffer, index, count));

        public override void Write(string? value)
        {
            lock (_text)
                _text.Append(value);
        }

        public override string ToString()
        {
            lock (_text)
                return _text.ToString();
        }
    }

    [GeneratedRegex(@"http://\S+/connect/authorize\?\S+")]
    private static partial Regex Address();
}
