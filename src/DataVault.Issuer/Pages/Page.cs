using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Http;

namespace DataVault.Issuer.Pages;

/// <summary>Text that is HTML already.</summary>
internal readonly record struct Markup(string Text)
{
    public static Markup None { get; } = new("");

    public override string ToString() => Text;

    /// <summary>Every hole is encoded, unless it holds markup: a value cannot become markup by being forgotten.</summary>
    public static Markup Of(FormattableString template)
    {
        var holes = template.GetArguments().Select(Encode).ToArray<object?>();
        return new Markup(string.Format(CultureInfo.InvariantCulture, template.Format, holes));
    }

    private static string Encode(object? value) => value switch
    {
        null => "",
        Markup markup => markup.Text,
        _ => HtmlEncoder.Default.Encode(Convert.ToString(value, CultureInfo.InvariantCulture)!),
    };
}

/// <summary>
/// The frame of the issuer's pages: plain HTML that works without script, under a content security policy that allows none (but that of passkeys,
/// on their pages), and that no other page can frame.
/// </summary>
internal static class Page
{
    /// <param name="context">The call to answer.</param>
    /// <param name="title">Heading, and the title in the browser's list.</param>
    /// <param name="body">Content of the page.</param>
    /// <param name="status">HTTP status.</param>
    /// <param name="formTarget">Origin that a form of this page may lead on to besides our own (browsers check redirects too).</param>
    /// <param name="script">Address of the page's script, if it has one.</param>
    public static IResult Show(
        HttpContext context, string title, Markup body, int status = StatusCodes.Status200OK, string? formTarget = null, string? script = null)
    {
        SetHeaders(context, formTarget, script is not null);
        var module = script is null ? Markup.None : Markup.Of($"<script type=\"module\" src=\"{script}\"></script>");
        var page = Markup.Of($"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>{title} - DataVault</title>
            <link rel="stylesheet" href="/account/style.css">
            {module}
            </head>
            <body>
            <main>
            <p class="brand">DataVault</p>
            <h1>{title}</h1>
            {body}
            </main>
            </body>
            </html>
            """);
        return Results.Text(page.Text, "text/html; charset=utf-8", Encoding.UTF8, status);
    }

    public static IResult Problem(HttpContext context, string message, int status = StatusCodes.Status400BadRequest) =>
        Show(context, "This did not work", Markup.Of($"<p role=\"alert\" class=\"problem\">{message}</p><p>Go back to the application and try again.</p>"), status);

    private static void SetHeaders(HttpContext context, string? formTarget, bool scripted)
    {
        var headers = context.Response.Headers;
        var target = formTarget is null ? "" : " " + formTarget;
        headers.ContentSecurityPolicy =
            $"default-src 'none'; {(scripted ? "script-src 'self'; " : "")}style-src 'self'; img-src 'self'; form-action 'self'{target}; frame-ancestors 'none'; base-uri 'none'";
        headers.XFrameOptions = "DENY";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers.CacheControl = "no-store";
    }
}

/// <summary>The one style sheet, served by itself because inline styles are not allowed.</summary>
internal static class Stylesheet
{
    public static IResult Result { get; } = Results.Text(
        """
        :root { color-scheme: light dark; --ink: #16202b; --paper: #f4f6f8; --card: #ffffff; --line: #8a97a5; --accent: #0b5cad; --alert: #a3151f; }
        @media (prefers-color-scheme: dark) {
          :root { --ink: #e8edf2; --paper: #10161d; --card: #1a232d; --line: #6d7b89; --accent: #7db8f5; --alert: #ff9a9f; }
        }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
        main { max-width: 26rem; margin: 8vh auto; padding: 1.5rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
        .brand { margin: 0; font-weight: 600; color: var(--accent); }
        h1 { margin: .25rem 0 1rem; font-size: 1.5rem; }
        ul, ol { padding-left: 1.25rem; }
        code { font: 1rem/1.6 ui-monospace, monospace; overflow-wrap: anywhere; }
        .rows { padding: 0; list-style: none; }
        .rows li { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; justify-content: space-between; padding: .5rem 0; border-bottom: 1px solid var(--line); }
        [hidden] { display: none; }
        .codes { padding: 0; list-style: none; columns: 2 11rem; }
        nav { display: flex; gap: .5rem; margin-bottom: 1rem; }
        nav a { flex: 1; padding: .5rem; text-align: center; border: 1px solid var(--line); border-radius: .25rem; color: inherit; text-decoration: none; }
        nav a[aria-current] { border-color: var(--accent); box-shadow: inset 0 -3px var(--accent); font-weight: 600; }
        label { display: block; margin: .75rem 0 .25rem; font-weight: 600; }
        input { width: 100%; padding: .6rem; font: inherit; color: inherit; background: transparent; border: 1px solid var(--line); border-radius: .25rem; }
        .button { display: block; text-align: center; text-decoration: none; }
        button, .button { width: 100%; margin-top: 1.25rem; padding: .7rem; font: inherit; font-weight: 600; color: var(--card); background: var(--accent); border: 0; border-radius: .25rem; cursor: pointer; }
        .rows button { width: auto; margin: 0; padding: .4rem .7rem; }
        button.quiet { color: var(--accent); background: transparent; border: 1px solid var(--line); }
        input:focus-visible, button:focus-visible, a:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
        a { color: var(--accent); }
        .problem { padding: .6rem; border-left: 4px solid var(--alert); color: var(--alert); }
        .hint { margin: .25rem 0 0; font-size: .9rem; }
        @media (max-width: 30rem) { main { margin: 0; min-height: 100vh; border: 0; border-radius: 0; } }
        """,
        "text/css; charset=utf-8",
        Encoding.UTF8);
}
