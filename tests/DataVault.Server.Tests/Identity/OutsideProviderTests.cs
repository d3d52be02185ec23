using System.Net;

namespace DataVault.Server.Tests.Identity;

/// <summary>A company's own provider in the place of the vault's issuer: one that others wrote and certified.</summary>
public sealed class OutsideProviderTests(CompanyWithProvider company) : IClassFixture<CompanyWithProvider>
{
    [Fact]
    public async Task An_application_works_with_a_token_of_the_companys_provider_and_stands_in_the_log_under_its_name_there()
    {
        await CompanyWithProvider.NeedNodeAsync();

        var token = await company.DeskTokenAsync();
        var (status, me) = await company.AskAsync(token, "/v1/me");

        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal(("application", "company.desk"), (me.GetProperty("realm").GetString(), me.GetProperty("name").GetString()));
        object Search(string purpose) => new { purpose, where = new { email = "nobody@people.example" }, fields = new[] { "givenName" } };
        Assert.Equal(HttpStatusCode.OK, (await company.AskAsync(token, "/v1/customers/search", Search("customer-support"))).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await company.AskAsync(token, "/v1/customers/search", Search("marketing"))).Status);
    }

    [Fact]
    public async Task People_sign_in_to_the_console_at_the_companys_provider_which_knows_the_console_by_its_key()
    {
        await CompanyWithProvider.NeedNodeAsync();
        using var olga = new ConsoleVisitor(company.Address);

        await SignInAsync(olga, "olga");

        Assert.StartsWith("/console", olga.Place, StringComparison.Ordinal);
        Assert.Contains("Compliance officer", olga.Page, StringComparison.Ordinal);
        await olga.OpenAsync("/console/officer/log");
        Assert.Equal("/console/officer/log", olga.Place);
    }

    [Fact]
    public async Task Whoever_has_no_role_here_is_nobody_here()
    {
        await CompanyWithProvider.NeedNodeAsync();
        using var stranger = new ConsoleVisitor(company.Address);

        await SignInAsync(stranger, "stranger");

        Assert.DoesNotContain("Sign out", stranger.Page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_vaults_own_issuer_is_off_and_its_tokens_are_refused()
    {
        await CompanyWithProvider.NeedNodeAsync();
        var desk = company.Vault.Secrets.Clients[0];
        using var asked = await company.Http.PostAsync("/connect/token", new FormUrlEncodedContent([new("grant_type", "client_credentials"), new("client_id", desk.Id), new("client_secret", desk.Secret)]));

        Assert.Equal(HttpStatusCode.NotFound, asked.StatusCode);
        using var page = await company.Http.GetAsync("/account/login");
        Assert.Equal(HttpStatusCode.NotFound, page.StatusCode);
    }

    [Fact]
    public async Task Keys_that_are_replaced_under_load_refuse_no_good_token()
    {
        await CompanyWithProvider.NeedNodeAsync();
        using var stop = new CancellationTokenSource();
        var load = Enumerable.Range(0, 4).Select(_ => LoadAsync(stop.Token)).ToArray();
        for (var i = 0; i < 2; i++)
        {
            await company.TellAsync("publish");
            await LookedUpAsync();
            await company.TellAsync("sign");
            Assert.Equal(HttpStatusCode.OK, (await company.AskAsync(await company.DeskTokenAsync(), "/v1/me")).Status);
        }
        await stop.CancelAsync();
        var answers = (await Task.WhenAll(load)).SelectMany(seen => seen).ToList();

        Assert.True(answers.Count > 20, $"{answers.Count} calls");
        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.OK, answer));
    }

    [Fact]
    public async Task A_key_that_signs_before_it_was_seen_is_looked_up_and_one_that_was_taken_back_opens_nothing_more()
    {
        await CompanyWithProvider.NeedNodeAsync();
        var before = await company.DeskTokenAsync();
        await company.TellAsync("rotate");
        var after = await company.DeskTokenAsync();
        await Waiting.UntilAsync("the new key is taken", async () => (await company.AskAsync(after, "/v1/me")).Status == HttpStatusCode.OK);
        await company.TellAsync("retire");
        await LookedUpAsync();

        Assert.Equal(HttpStatusCode.Unauthorized, (await company.AskAsync(before, "/v1/me")).Status);
    }

    [Fact]
    public async Task While_the_provider_is_away_tokens_that_it_gave_go_on_working()
    {
        await CompanyWithProvider.NeedNodeAsync();
        var token = await company.DeskTokenAsync();
        Assert.Equal(HttpStatusCode.OK, (await company.AskAsync(token, "/v1/me")).Status);
        await company.TellAsync("down");
        try
        {
            Assert.Equal(HttpStatusCode.OK, (await company.AskAsync(token, "/v1/policy")).Status);
        }
        finally
        {
            await company.TellAsync("up");
        }
    }

    // The provider's own page for trying out: a name, any password, and then what the application asks for.
    private static async Task SignInAsync(ConsoleVisitor visitor, string name)
    {
        await visitor.OpenAsync("/console/sign-in");
        await visitor.SubmitAsync(("login", name), ("password", "any"));
        await visitor.SubmitAsync();
    }

    // Two more look-ups: of one that is under way nobody knows when it began.
    private async Task LookedUpAsync()
    {
        var before = (await company.TellAsync("count")).GetProperty("keys").GetInt32();
        await Waiting.UntilAsync("keys are looked up", async () =>
        {
            await company.AskAsync(await company.DeskTokenAsync(), "/v1/me");
            return (await company.TellAsync("count")).GetProperty("keys").GetInt32() >= before + 2;
        });
    }

    private async Task<List<HttpStatusCode>> LoadAsync(CancellationToken stop)
    {
        var seen = new List<HttpStatusCode>();
        while (!stop.IsCancellationRequested) seen.Add((await company.AskAsync(await company.DeskTokenAsync(), "/v1/me")).Status);
        return seen;
    }
}
