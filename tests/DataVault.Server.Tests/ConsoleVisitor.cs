using System.Net;
using System.Text.RegularExpressions;

namespace DataVault.Server.Tests;

/// <summary>Somebody with a browser that has no script: follows redirects, keeps cookies, fills forms in.</summary>
internal sealed partial class ConsoleVisitor(Uri address) : IDisposable
{
    private readonly HttpClient _http = new(new SocketsHttpHandler { CookieContainer = new CookieContainer() }) { BaseAddress = address };

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

    /// <summary>Signs in at the console; a one-time password is changed for another on the way.</summary>
    public async Task SignInAsync(string realm, string email, string password)
    {
        await OpenAsync("/console/sign-in");
        await SubmitAsync("/account/login", ("realm", realm), ("email", email), ("password", password));
        if (Place != "/account/password")
            return;
        var chosen = "a lasting one " + password;
        await SubmitAsync("/account/password", ("present", password), ("next", chosen), ("again", chosen));
    }

    public void Dispose() => _http.Dispose();

    private async Task ShowAsync(HttpResponseMessage answer)
    {
        using (answer)
        {
            Place = answer.RequestMessage!.RequestUri!.AbsolutePath;
            Page = await answer.Content.ReadAsStringAsync();
        }
    }

    [GeneratedRegex("<form[^>]* action=\"([^\"]+)\".*?</form>", RegexOptions.Singleline)]
    private static partial Regex Forms();

    [GeneratedRegex("<input[^>]*type=\"hidden\" name=\"([^\"]+)\" value=\"([^\"]*)\"")]
    private static partial Regex Inputs();
}
