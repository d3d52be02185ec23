using System.Security.Cryptography;

namespace DataVault.Console;

/// <summary>Where the vault is and which client of the issuer the console is.</summary>
public sealed class ConsoleOptions
{
    /// <summary>The vault's public address, such as <c>https://vault.example</c>; API and issuer answer there.</summary>
    public required string Address { get; init; }

    /// <summary>The confidential client.</summary>
    public required string ClientId { get; init; }

    /// <summary>Its secret.</summary>
    public required string ClientSecret { get; init; }

    /// <summary>Where people sign in, if not at the vault's own issuer.</summary>
    public SignInProvider? Provider { get; init; }

    /// <summary>A session in which nothing is done for this long is over.</summary>
    public TimeSpan SessionIdle { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>A session is over this long after its sign-in, whatever is done in it.</summary>
    public TimeSpan SessionLongest { get; init; } = TimeSpan.FromHours(8);

    /// <summary>Fills a buffer with unpredictable bytes.</summary>
    public Action<Memory<byte>> FillRandom { get; init; } = buffer =>
    {
        using var random = RandomNumberGenerator.Create();
        random.GetBytes(buffer.Span);
    };

    internal bool Secure => Address.StartsWith("https:", StringComparison.OrdinalIgnoreCase);
}
