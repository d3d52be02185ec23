using System.Net;
using System.Text.RegularExpressions;
using DataVault.Testing;

namespace DataVault.Server.Tests;

/// <summary>Somebody with a browser that has no script: follows redirects, keeps cookies, fills forms in.</summary>
internal sealed partial class ConsoleVisitor(Uri address) : IDisposable
{
    private readonly HttpClient _http = new(new SocketsHttpHandler { CookieContainer = new CookieContainer() }) { BaseAddress = address };

    private Uri _place = address;

    /// <summary>Path of the page last shown.</summary>
    public string Place { get; private set; } = "";

    public string Page { get; private set; } = "";

    public async Task OpenAsync(string path) => await ShowAsync(await _http.GetAsync(path));

    public Task<byte[]> DownloadAsync(string path) => _http.GetByteArrayAsync(path);

    /// <summary>Sends the form of the page that posts to this address, with its hidden members and those given.</summary>
    public async Task SubmitAsync(string action, params (string Name, string Value)[] members)
    {
        var form = Forms().Matches(Page).FirstOrDefault(f => f.Groups[1].Value == action) ?? throw new InvalidOperationException($"{Place} has no form for {action}:\n{Page}");
        var hidden = Inputs().Matches(form.Value).Select(m => KeyValuePair.Create(m.Groups[1].Value, WebUtility.HtmlDecode(m.Groups[2].Value)))
            .Where(h => members.All(m => m.Name != h.Key));
        using var content = new FormUrlEncodedContent([.. hidden, .. members.Select(m => KeyValuePair.Create(m.Name, m.Value))]);
        await ShowAsync(await _http.PostAsync(action, content));
    }

    /// <summary>Sends the only form of a page of somebody else's.</summary>
    public async Task SubmitAsync(params (string Name, string Value)[] members)
    {
        var form = OnlyForm().Match(Page) is { Success: true } found ? found : throw new InvalidOperationException($"{Place} has no form:\n{Page}");
        var hidden = Inputs().Matches(form.Value).Select(m => KeyValuePair.Create(m.Groups[1].Value, WebUtility.HtmlDecode(m.Groups[2].Value)));
        using var content = new FormUrlEncodedContent([.. hidden, .. members.Select(m => KeyValuePair.Create(m.Name, m.Value))]);
        await ShowAsync(await _http.PostAsync(new Uri(_place, WebUtility.HtmlDecode(form.Groups[1].Value)), content));
    }

    /// <summary>Signs in at the console; a one-time password is changed for another on the way.</summary>
    public async Task SignInAsync(string realm, string email, string password)
    {
        await OpenAsync("/console/sign-in");
        await SubmitAsync("/account/login", ("realm", realm), ("email", email), ("password", password));
        if (Place != "/account/password")
            return;
        var chosen = Chosen(password);
        await SubmitAsync("/account/password", ("present", password), ("next", chosen), ("again", chosen));
    }

    /// <summary>Signs in somebody of the staff, with a code.</summary>
    public async Task SignInAsync(FirstRunAccount person)
    {
        await SignInAsync(person.Role == "customer" ? "customer" : "staff", person.Email, person.Password);
        if (Place == "/account/factor")
            await SubmitAsync("/account/factor", ("code", await Authenticator.Of(person.CodeSecret!).NextAsync()));
    }

    /// <summary>Sets an authenticator app up.</summary>
    public async Task<string> EnrolAsync()
    {
        if (Place != "/account/factor/new") await OpenAsync("/account/factor/new");
        var secret = Secret().Match(Page).Groups[1].Value;
        await SubmitAsync("/account/factor/new", ("code", await Authenticator.Of(secret).NextAsync()));
        return secret;
    }

    /// <summary>The first sign-in of a member of staff: another password than the one given out, and an authenticator app.</summary>
    public async Task<FirstRunAccount> BeginAsync(FirstRunAccount person)
    {
        await SignInAsync("staff", person.Email, person.Password);
        var secret = await EnrolAsync();
        await OpenAsync(WebUtility.HtmlDecode(Onward().Match(Page).Groups[1].Value));
        return person with { Password = Chosen(person.Password), CodeSecret = secret };
    }

    public void Dispose() => _http.Dispose();

    /// <summary>The password that takes the place of one that was given out.</summary>
    public static string Chosen(string password) => "a lasting one " + password;

    private async Task ShowAsync(HttpResponseMessage answer)
    {
        using (answer)
        {
            _place = answer.RequestMessage!.RequestUri!;
            Place = _place.AbsolutePath;
            Page = await answer.Content.ReadAsStringAsync();
        }
    }

    [GeneratedRegex("<form[^>]* action=\"([^\"]+)\".*?</form>", RegexOptions.Singleline)]
    private static partial Regex Forms();

    [GeneratedRegex("<form[^>]* action=\"([^\"]*)\".*?</form>", RegexOptions.Singleline)]
    private static partial Regex OnlyForm();

    [GeneratedRegex("<input[^>]*type=\"hidden\" name=\"([^\"]+)\" value=\"([^\"]*)\"")]
    private static partial Regex Inputs();

    [GeneratedRegex("<code id=\"secret\">([^<]+)</code>")]
    private static partial Regex Secret();

    [GeneratedRegex("<a class=\"button\" href=\"([^\"]+)\">")]
    private static partial Regex Onward();
}
