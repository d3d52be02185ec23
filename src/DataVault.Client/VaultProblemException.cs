using System.Net;
using System.Text;
using DataVault.Client.Wire;

namespace DataVault.Client;

/// <summary>
/// The vault refused a call or could not answer it. The message is made of codes and JSON pointers only, so it may be logged.
/// </summary>
public sealed class VaultProblemException : Exception
{
    /// <summary>Wraps a problem answer (RFC 9457), or a failure to reach the vault (<paramref name="status"/> 503 and the cause).</summary>
    public VaultProblemException(Problem problem, HttpStatusCode status, TimeSpan? retryAfter = null, Exception? cause = null)
        : base(Describe(problem), cause)
    {
        Problem = problem;
        StatusCode = status;
        RetryAfter = retryAfter;
    }

    /// <summary>What the vault said.</summary>
    public Problem Problem { get; }

    /// <summary>The HTTP status of the answer.</summary>
    public HttpStatusCode StatusCode { get; }

    /// <summary>How long the vault asked to wait (429 and 503), if it did.</summary>
    public TimeSpan? RetryAfter { get; }

    /// <summary>True when the same call may well succeed later: too many requests, unavailable, timed out.</summary>
    public bool IsTransient =>
        StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout or HttpStatusCode.BadGateway;

    internal static VaultProblemException Unreachable(Exception cause) =>
        new(new Problem("/problems/unavailable", "unavailable", 503, "The vault could not be reached."), HttpStatusCode.ServiceUnavailable, null, cause);

    private static string Describe(Problem problem)
    {
        var text = new StringBuilder().Append(problem.Status).Append(' ').Append(problem.Slug);
        if (problem.Detail is { Length: > 0 } detail) text.Append(": ").Append(detail);
        foreach (var error in problem.Errors ?? []) text.Append("; ").Append(error.Pointer).Append(' ').Append(error.Code).Append(" (").Append(error.Message).Append(')');
        return text.ToString();
    }
}
