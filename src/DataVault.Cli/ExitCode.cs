using System.Net;
using DataVault.Client;

namespace DataVault.Cli;

/// <summary>What the program ends with; scripts rely on these.</summary>
internal static class ExitCode
{
    public const int Ok = 0;
    public const int Failed = 1;
    public const int Usage = 2;
    public const int Refused = 3;
    public const int Unavailable = 4;

    public static int Of(VaultProblemException problem) => problem switch
    {
        { IsTransient: true } => Unavailable,
        { StatusCode: HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden } => Refused,
        _ => Failed,
    };
}

/// <summary>The command was given wrongly; the message says how to mend it.</summary>
internal sealed class UsageException(string message) : Exception(message);
