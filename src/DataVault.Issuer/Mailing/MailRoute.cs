namespace DataVault.Issuer;

/// <summary>How e-mail leaves the vault.</summary>
public abstract class MailRoute;

/// <summary>A mail server, over TLS that it offers by STARTTLS or not at all.</summary>
public sealed class MailServer : MailRoute
{
    /// <summary>Name of the server, which its certificate bears.</summary>
    public required string Host { get; init; }

    /// <summary>Port for submission (RFC 6409).</summary>
    public int Port { get; init; } = 587;

    /// <summary>Address that messages come from.</summary>
    public required string From { get; init; }

    /// <summary>Who signs in there; null where the server asks nobody.</summary>
    public string? User { get; init; }

    /// <summary>With what.</summary>
    public string? Password { get; init; }
}

/// <summary>A folder of this machine, one file for each message. Nothing is sent: for Development.</summary>
public sealed class MailFolder : MailRoute
{
    /// <summary>Where; made when the first message comes.</summary>
    public required string Path { get; init; }
}
