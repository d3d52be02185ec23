using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace DataVault.Server.Tests.Browser;

/// <summary>
/// Chromium without a window, driven over the DevTools protocol: one WebSocket, commands with ids, events without. Each tab is a session
/// of its own in a profile of its own, as if another person sat there.
/// </summary>
internal sealed partial class DevTools : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private readonly Process _chromium;
    private readonly string _profile;
    private readonly ClientWebSocket _socket = new();
    private readonly ConcurrentDictionary<int, TaskCompletionSource<JsonElement>> _calls = new();
    private readonly ConcurrentDictionary<string, Tab> _tabs = new();
    private readonly SemaphoreSlim _sending = new(1);
    private Task _listening = Task.CompletedTask;
    private int _lastCall;

    private DevTools(Process chromium, string profile) => (_chromium, _profile) = (chromium, profile);

    /// <summary>The program, or null where there is none.</summary>
    public static string? FindProgram() =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .SelectMany(folder => new[] { "chromium", "chromium-browser", "google-chrome", "google-chrome-stable" }, Path.Combine)
        .FirstOrDefault(File.Exists);

    public static async Task<DevTools> StartAsync(string program)
    {
        var profile = Directory.CreateTempSubdirectory("datavault-browser-").FullName;
        var start = new ProcessStartInfo(
            program,
            [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions", "--disable-background-networking",
                "--remote-debugging-port=0", $"--user-data-dir={profile}", "about:blank",
            ])
        {
            RedirectStandardError = true,
        };
        var browser = new DevTools(Process.Start(start)!, profile);
        using var limit = new CancellationTokenSource(Patience);
        await browser._socket.ConnectAsync(await browser.AddressAsync(limit.Token), limit.Token);
        browser._listening = Task.Run(browser.ListenAsync, CancellationToken.None);
        return browser;
    }

    public async Task<Tab> OpenTabAsync()
    {
        var context = (await CallAsync(null, "Target.createBrowserContext")).GetProperty("browserContextId").GetString();
        var target = (await CallAsync(null, "Target.createTarget", new() { ["url"] = "about:blank", ["browserContextId"] = context })).GetProperty("targetId").GetString();
        var session = (await CallAsync(null, "Target.attachToTarget", new() { ["targetId"] = target, ["flatten"] = true })).GetProperty("sessionId").GetString()!;
        var tab = _tabs[session] = new Tab(this, session);
        foreach (var domain in new[] { "Page", "Runtime", "Log", "Network" })
            await CallAsync(session, domain + ".enable");
        return tab;
    }

    /// <summary>One command; its result.</summary>
    public async Task<JsonElement> CallAsync(string? session, string method, JsonObject? parameters = null)
    {
        var id = Interlocked.Increment(ref _lastCall);
        var answer = _calls[id] = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        var message = new JsonObject { ["id"] = id, ["method"] = method, ["params"] = parameters ?? [] };
        if (session is not null)
            message["sessionId"] = session;
        await _sending.WaitAsync();
        try
        {
            await _socket.SendAsync(JsonSerializer.SerializeToUtf8Bytes(message), WebSocketMessageType.Text, true, CancellationToken.None);
        }
        finally
        {
            _sending.Release();
        }
        return await answer.Task.WaitAsync(Patience);
    }

    public async ValueTask DisposeAsync()
    {
        _chromium.Kill(entireProcessTree: true);
        await _chromium.WaitForExitAsync();
        await _listening.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _socket.Dispose();
        _chromium.Dispose();
        _sending.Dispose();
        Directory.Delete(_profile, recursive: true);
    }

    // Chromium names its address on standard error and keeps writing there.
    private async Task<Uri> AddressAsync(CancellationToken cancellation)
    {
        while (await _chromium.StandardError.ReadLineAsync(cancellation) is { } line)
        {
            if (Listening().Match(line) is { Success: true } match)
            {
                _ = _chromium.StandardError.ReadToEndAsync(CancellationToken.None);
                return new Uri(match.Groups[1].Value);
            }
        }
        throw new InvalidOperationException("The browser ended before it listened.");
    }

    private async Task ListenAsync()
    {
        var buffer = new byte[64 * 1024];
        using var message = new MemoryStream();
        while (_socket.State == WebSocketState.Open)
        {
            var part = await _socket.ReceiveAsync(buffer, CancellationToken.None);
            message.Write(buffer, 0, part.Count);
            if (!part.EndOfMessage)
                continue;
            Take(JsonDocument.Parse(message.ToArray()).RootElement);
            message.SetLength(0);
        }
    }

    private void Take(JsonElement message)
    {
        if (message.TryGetProperty("id", out var id) && _calls.TryRemove(id.GetInt32(), out var call))
        {
            if (message.TryGetProperty("error", out var error))
                call.SetException(new InvalidOperationException(error.ToString()));
            else
                call.SetResult(message.GetProperty("result"));
        }
        else if (message.TryGetProperty("sessionId", out var session) && _tabs.TryGetValue(session.GetString()!, out var tab))
        {
            tab.Notice(message.GetProperty("method").GetString()!, message.GetProperty("params"));
        }
    }

    [GeneratedRegex("DevTools listening on (ws://\\S+)")]
    private static partial Regex Listening();
}

/// <summary>A page in the browser.</summary>
internal sealed class Tab(DevTools browser, string session)
{
    // Set before whatever leads to another page, gone with the page that it was set on.
    private const string Stay = "window.__stay = true";

    /// <summary>Errors on the console, exceptions, violations of the content security policy, files that did not load.</summary>
    public ConcurrentQueue<string> Complaints { get; } = new();

    public async Task OpenAsync(Uri address)
    {
        await EvaluateAsync<bool>(Stay);
        await browser.CallAsync(session, "Page.navigate", new() { ["url"] = address.ToString() });
        await ArriveAsync(address.PathAndQuery);
    }

    /// <summary>Clicks what a selector finds and waits for the page that it leads to.</summary>
    public async Task FollowAsync(string selector)
    {
        Assert.True(await EvaluateAsync<bool>($"{Stay}; !!document.querySelector({Quote(selector)})"), $"{await TextAsync()}\n\nThere is no {selector} on {await PlaceAsync()}.");
        await EvaluateAsync<bool>($"document.querySelector({Quote(selector)}).click(), true");
        await ArriveAsync(selector);
    }

    public async Task FillAsync(string selector, string value) =>
        Assert.True(await EvaluateAsync<bool>($"(e => e ? (e.value = {Quote(value)}, true) : false)(document.querySelector({Quote(selector)}))"), $"There is no {selector}.");

    public Task RunAsync(string script) => EvaluateAsync<bool>($"{script}, true");

    public Task<string> TextAsync() => EvaluateAsync<string>("document.body.innerText");

    public Task<string> PlaceAsync() => EvaluateAsync<string>("location.pathname");

    public Task<int> CountAsync(string selector) => EvaluateAsync<int>($"document.querySelectorAll({Quote(selector)}).length");

    /// <summary>Addresses of all links of the page.</summary>
    public Task<string[]> LinksAsync() => EvaluateAsync<string[]>("[...document.querySelectorAll('a[href]:not([download])')].map(a => a.href)");

    /// <summary>By how many pixels the page is wider than a window of this width, and what sticks out.</summary>
    public async Task<string?> OverflowAsync(int width)
    {
        await browser.CallAsync(session, "Emulation.setDeviceMetricsOverride", new() { ["width"] = width, ["height"] = 900, ["deviceScaleFactor"] = 1, ["mobile"] = false });
        return await EvaluateAsync<string?>(
            """
            (() => { const page = document.scrollingElement;
              if (page.scrollWidth <= page.clientWidth) return null;
              const out = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > page.clientWidth + 0.5);
              return `${page.scrollWidth} > ${page.clientWidth}: ` + out.slice(0, 3).map(e => e.outerHTML.slice(0, 120)).join(' | '); })()
            """);
    }

    /// <summary>A window of this width, as somebody sees it who prefers light or dark.</summary>
    public async Task DressAsync(int width, string scheme)
    {
        await browser.CallAsync(session, "Emulation.setDeviceMetricsOverride", new() { ["width"] = width, ["height"] = 900, ["deviceScaleFactor"] = 1, ["mobile"] = false });
        await browser.CallAsync(session, "Emulation.setEmulatedMedia", new() { ["features"] = new JsonArray(new JsonObject { ["name"] = "prefers-color-scheme", ["value"] = scheme }) });
    }

    /// <summary>Sends the key Tab, as somebody without a mouse does, and tells where the focus is then and how it is shown.</summary>
    public async Task<JsonElement> PressTabAsync()
    {
        foreach (var type in new[] { "keyDown", "keyUp" })
            await browser.CallAsync(session, "Input.dispatchKeyEvent", new() { ["type"] = type, ["key"] = "Tab", ["code"] = "Tab", ["windowsVirtualKeyCode"] = 9 });
        return await EvaluateAsync<JsonElement>(
            """
            (() => { const e = document.activeElement, all = [...document.querySelectorAll('*')], look = getComputedStyle(e);
              return { tag: e.tagName, place: all.indexOf(e), href: e.getAttribute('href') ?? '', outline: look.outlineStyle === 'none' ? 0 : parseFloat(look.outlineWidth) }; })()
            """);
    }

    /// <summary>What a set of rules finds wrong with the page.</summary>
    /// <param name="rules">The script that has them.</param>
    /// <param name="looksOnly">Only what may differ from one window to another: the rest of the page is the same in each.</param>
    public async Task<string[]> FindingsAsync(string rules, bool looksOnly = false)
    {
        if (!await EvaluateAsync<bool>("!!window.axe")) await EvaluateAsync<bool>(rules + ";true");
        var asked = looksOnly ? "['color-contrast', 'target-size', 'link-in-text-block', 'scrollable-region-focusable']" : "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']";
        return await EvaluateAsync<string[]>(
            $$"""
            axe.run(document, { runOnly: {{asked}}, resultTypes: ['violations'] })
              .then(r => r.violations.flatMap(v => v.nodes.map(n => `${v.id}: ${n.html.slice(0, 160)} ${(n.any[0] ?? n.all[0] ?? n.none[0])?.message ?? ''}`)))
            """);
    }

    /// <summary>A passkey authenticator within this machine (WebAuthn's virtual one), touched by itself.</summary>
    public async Task AddAuthenticatorAsync(bool verifies)
    {
        await browser.CallAsync(session, "WebAuthn.enable");
        await browser.CallAsync(session, "WebAuthn.addVirtualAuthenticator", new()
        {
            ["options"] = new JsonObject
            {
                ["protocol"] = "ctap2", ["transport"] = "internal", ["hasResidentKey"] = true, ["hasUserVerification"] = true, ["isUserVerified"] = verifies, ["automaticPresenceSimulation"] = true,
            },
        });
    }

    /// <summary>Writes what a window of this width shows into a file, for whoever wants to look at it.</summary>
    public async Task PhotographAsync(string file, int width)
    {
        await OverflowAsync(width);
        var taken = await browser.CallAsync(session, "Page.captureScreenshot", new() { ["format"] = "png", ["captureBeyondViewport"] = true });
        await File.WriteAllBytesAsync(file, taken.GetProperty("data").GetBytesFromBase64());
    }

    /// <summary>The cookies of this profile, as a request header.</summary>
    public async Task<string> CookiesAsync()
    {
        var held = await browser.CallAsync(session, "Network.getCookies");
        return string.Join("; ", held.GetProperty("cookies").EnumerateArray().Select(c => $"{c.GetProperty("name").GetString()}={c.GetProperty("value").GetString()}"));
    }

    public void Notice(string method, JsonElement what)
    {
        if (method == "Runtime.exceptionThrown")
            Complaints.Enqueue(what.ToString());
        else if (method == "Runtime.consoleAPICalled" && what.GetProperty("type").GetString() is "error" or "warning" or "assert")
            Complaints.Enqueue(what.GetProperty("args").ToString());
        else if (method == "Log.entryAdded" && what.GetProperty("entry").GetProperty("level").GetString() is "error" or "warning")
            Complaints.Enqueue(what.GetProperty("entry").ToString());
    }

    private async Task ArriveAsync(string how)
    {
        await Waiting.UntilAsync($"a page after {how}", async () =>
        {
            try
            {
                return await EvaluateAsync<bool>("!window.__stay && document.readyState === 'complete'");
            }
            catch (InvalidOperationException)
            {
                // The page that was asked is gone.
                return false;
            }
        });
    }

    private async Task<T> EvaluateAsync<T>(string expression)
    {
        var answer = await browser.CallAsync(session, "Runtime.evaluate", new() { ["expression"] = expression, ["returnByValue"] = true, ["awaitPromise"] = true });
        if (answer.TryGetProperty("exceptionDetails", out var failure))
            throw new InvalidOperationException(failure.ToString());
        return answer.GetProperty("result").TryGetProperty("value", out var value) ? value.Deserialize<T>()! : default!;
    }

    private static string Quote(string text) => JsonSerializer.Serialize(text);
}
