using System.Runtime.Versioning;
using System.Text.Json;
using DataVault.Cli;
using DataVault.Cryptography;
using DataVault.Pure.Tests.Cryptography;
using Xunit;

namespace DataVault.Pure.Tests.Cli;

[UnsupportedOSPlatform("windows")]
public sealed class RootKeyVerbTests : IDisposable
{
    private const string First = "a passphrase of the first day";
    private const string Second = "a passphrase of the second day";
    private readonly string _folder = Directory.CreateTempSubdirectory("datavault-root-").FullName;
    private readonly SystemRandomBytes _random = new();

    private string KeyFile => Path.Combine(_folder, "root.key");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_root_key_is_shared_out_lost_and_recovered_under_a_new_passphrase()
    {
        var made = Json(await RunAsync([First], "root-key", "new", "--file", KeyFile, "--json")).GetProperty("key").GetString();
        byte[] wrapped;
        using (var key = LocalRootKey.Open(KeyFile, First, development: false, _random)) wrapped = key.Wrap("k"u8, default);
        var split = Json(await RunAsync([First], "root-key", "split", "--file", KeyFile, "--group", "2of3", "--group", "3of5", "--groups-needed", "2", "--json"));
        var groups = split.GetProperty("groups").EnumerateArray().Select(g => g.GetProperty("shares").EnumerateArray().Select(s => s.GetString()!).ToList()).ToList();
        File.Delete(KeyFile);

        string[] typed = [groups[1][4], groups[0][2], "", groups[1][0], groups[0][0], groups[1][2], Second];
        var recovered = Json(await RunAsync(typed, "root-key", "recover", "--file", KeyFile, "--key", made!, "--json")).GetProperty("key").GetString();

        Assert.Equal((made, made), (recovered, split.GetProperty("key").GetString()));
        using var again = LocalRootKey.Open(KeyFile, Second, development: false, _random);
        again.Unwrap(wrapped, default).Dispose();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(KeyFile));
    }

    [Fact]
    public async Task A_changed_passphrase_keeps_the_key()
    {
        var made = (await RunAsync([First], "root-key", "new", "--file", KeyFile, "--json")).Output;

        Assert.Equal(1, (await RunAsync(["not the passphrase at all", Second], "root-key", "passphrase", "--file", KeyFile)).Code);
        Assert.Equal(made, (await RunAsync([First, Second], "root-key", "passphrase", "--file", KeyFile, "--json")).Output);
        Assert.Throws<RootKeyException>(() => LocalRootKey.Open(KeyFile, First, development: false, _random));
        LocalRootKey.Open(KeyFile, Second, development: false, _random).Dispose();
        Assert.Equal(KeyFile, Assert.Single(Directory.GetFiles(_folder)));
    }

    [Fact]
    public async Task A_root_key_is_never_overwritten()
    {
        await RunAsync([First], "root-key", "new", "--file", KeyFile);
        var before = await File.ReadAllTextAsync(KeyFile);

        var (code, _, error) = await RunAsync([Second], "root-key", "new", "--file", KeyFile);

        Assert.Equal(1, code);
        Assert.Contains("never overwritten", error, StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllTextAsync(KeyFile));
    }

    [Fact]
    public async Task Shares_that_do_not_suffice_or_are_of_another_key_make_no_file()
    {
        using var secret = SecretBytes.Random(32, _random);
        var shares = RecoveryShares.Split(secret, 1, [new(2, 3)], default, _random)[0];

        Assert.Equal(1, (await RunAsync([shares[0]], "root-key", "recover", "--file", KeyFile)).Code);
        Assert.Equal(1, (await RunAsync([shares[0], shares[1], First], "root-key", "recover", "--file", KeyFile, "--key", "local/0000000000000000")).Code);
        Assert.Equal(2, (await RunAsync([shares[0], shares[1], "short"], "root-key", "recover", "--file", KeyFile)).Code);
        Assert.Empty(Directory.GetFiles(_folder));
    }

    [Fact]
    public async Task Each_share_stands_on_a_line_of_its_own()
    {
        await RunAsync([First], "root-key", "new", "--file", KeyFile);
        var sheet = (await RunAsync([First], "root-key", "split", "--file", KeyFile, "--group", "3of5")).Output.Split('\n');
        var shares = sheet.Where(line => line.Split(' ').Length == 33).ToList();
        Assert.Equal((5, 5), (shares.Count, sheet.Count(line => line.StartsWith("Group 1 of 1, share ", StringComparison.Ordinal))));
        RecoveryShares.Combine(shares.Skip(2)).Dispose();
    }

    [Theory]
    [InlineData("3/5")]
    [InlineData("of")]
    public async Task A_group_is_written_in_one_way(string group)
    {
        await RunAsync([First], "root-key", "new", "--file", KeyFile);
        Assert.Equal(2, (await RunAsync([First], "root-key", "split", "--file", KeyFile, "--group", group)).Code);
    }

    [Fact]
    public async Task An_open_development_key_is_not_shared_out()
    {
        LocalRootKey.Open(KeyFile, null, development: true, _random).Dispose();
        Assert.Equal(1, (await RunAsync([First], "root-key", "split", "--file", KeyFile)).Code);
    }

    [Fact]
    public async Task A_key_made_on_a_token_serves_as_root_key()
    {
        string[] place = ["--module", SoftToken.Module, "--token", SoftToken.Token, "--key", "root-by-verb"];

        var (code, output, _) = await RunAsync([SoftToken.Pin], ["root-key", "generate", .. place, "--json"]);

        Assert.Equal((0, "pkcs11/vault/root-by-verb"), (code, Json((code, output, "")).GetProperty("key").GetString()));
        Pkcs11RootKey.Open(new TokenKey(SoftToken.Module, SoftToken.Token, "root-by-verb"), SoftToken.Pin, _random).Dispose();
        Assert.Equal(1, (await RunAsync([SoftToken.Pin], ["root-key", "generate", .. place])).Code);
    }

    private static JsonElement Json((int Code, string Output, string Error) run)
    {
        Assert.True(run.Code == 0, run.Error);
        using var document = JsonDocument.Parse(run.Output);
        return document.RootElement.Clone();
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(IReadOnlyList<string> typed, params string[] arguments)
    {
        using var input = new StringReader(string.Join('\n', typed));
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await DataVaultCommand.RunAsync(new CliHost(input, output, error, _folder, TimeProvider.System), arguments);
        return (code, output.ToString(), error.ToString());
    }
}
