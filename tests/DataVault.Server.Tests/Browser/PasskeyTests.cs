using DataVault.Testing;

namespace DataVault.Server.Tests.Browser;

/// <summary>Passkeys as people use them, with the authenticator that Chromium brings. Browsers know them of names only, so this is localhost.</summary>
public sealed class PasskeyTests(RunningServer server, BrowserFixture browser) : IClassFixture<BrowserFixture>
{
    private const string Add = "form[data-passkey=create] button";

    [Fact]
    public async Task A_passkey_is_made_signs_in_in_the_place_of_both_factors_and_is_removed()
    {
        var tab = await browser.OpenTabAsync();
        await tab.AddAuthenticatorAsync(verifies: true);
        await SignInAsync(tab);
        await FitsAsync(tab, "/account");
        await tab.FollowAsync("a[href='/account/passkeys']");
        await tab.FollowAsync(Add);
        Assert.Equal(("/account/passkeys", 1), (await tab.PlaceAsync(), await tab.CountAsync("ul.rows li")));
        await FitsAsync(tab, "/account/passkeys");

        await tab.OpenAsync(At("/account/logout"));
        await tab.FollowAsync("main form button");
        await tab.OpenAsync(At("/account/login?realm=staff"));
        await FitsAsync(tab, "/account/login?realm=staff");
        await tab.FollowAsync("a[href^='/account/passkey?']");
        await FitsAsync(tab, "/account/passkey");
        await tab.FollowAsync("form[data-passkey=get] button");
        Assert.Equal("/account", await tab.PlaceAsync());
        await tab.FollowAsync("a[href='/account/sessions']");
        Assert.Contains("Chrome, Linux (this one)", await tab.TextAsync(), StringComparison.Ordinal);
        await FitsAsync(tab, "/account/sessions");

        await tab.OpenAsync(At("/account/passkeys"));
        await tab.FollowAsync("ul.rows button");
        Assert.Equal(("/account/passkeys", 0), (await tab.PlaceAsync(), await tab.CountAsync("ul.rows li")));
        Assert.Empty(tab.Complaints);
    }

    [Fact]
    public async Task An_authenticator_that_does_not_verify_who_touches_it_makes_no_passkey()
    {
        var tab = await browser.OpenTabAsync();
        await tab.AddAuthenticatorAsync(verifies: false);
        await SignInAsync(tab);
        await tab.OpenAsync(At("/account/passkeys"));

        await tab.RunAsync($"document.querySelector('{Add}').click()");

        await Waiting.UntilAsync("the page says so", async () => await tab.CountAsync("form[data-passkey=create] [role=alert]:not([hidden])") == 1);
        Assert.Equal(0, await tab.CountAsync("ul.rows li"));
    }

    private async Task SignInAsync(Tab tab)
    {
        var person = await server.StaffAsync("analyst");
        await tab.OpenAsync(At("/account/login?realm=staff"));
        await tab.FillAsync("#email", person.Email);
        await tab.FillAsync("#password", person.Password);
        await tab.FollowAsync("main form button");
        await FitsAsync(tab, "/account/factor");
        await tab.FillAsync("#code", await Authenticator.Of(person.CodeSecret!).NextAsync());
        await tab.FollowAsync("main form button");
        Assert.Equal("/account", await tab.PlaceAsync());
    }

    private Uri At(string path) => new(new UriBuilder(server.Process.Address) { Host = "localhost" }.Uri, path);

    private static async Task FitsAsync(Tab tab, string page)
    {
        foreach (var width in new[] { 1280, 390 })
            Assert.True(await tab.OverflowAsync(width) is not { } wide, $"{page} at {width}: {await tab.OverflowAsync(width)}");
        if (Environment.GetEnvironmentVariable("DATAVAULT_PHOTOGRAPHS") is { Length: > 0 } folder)
            await tab.PhotographAsync(Path.Combine(folder, page.Split('?')[0].Trim('/').Replace('/', '-') + ".png"), 390);
    }
}
