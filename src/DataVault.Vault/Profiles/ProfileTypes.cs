using System.Text.Json;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>A customer to create.</summary>
/// <param name="Fields">Field name to JSON value, as the catalogue types it.</param>
/// <param name="Source">The supplying system.</param>
/// <param name="Origin"><c>provided</c> (default), <c>observed</c>, <c>derived</c> or <c>inferred</c>; null takes the catalogue's per field.</param>
/// <param name="Notice">Version of the privacy notice shown at collection.</param>
/// <param name="Purpose">What the record is written for.</param>
/// <param name="Consents">Purpose to <c>given</c> or <c>refused</c>.</param>
public sealed record NewCustomer(
    IReadOnlyDictionary<string, JsonElement> Fields,
    string Source,
    string? Origin,
    string? Notice,
    string Purpose,
    IReadOnlyDictionary<string, string>? Consents)
{
    /// <summary>Where the person stands; null when nothing is known. For those who may say so.</summary>
    public PersonStanding? Standing { get; init; }

    /// <summary>When the values were collected, where that was elsewhere and earlier; null for now.</summary>
    public DateTimeOffset? CollectedAt { get; init; }

    /// <summary>What was shown, by purpose, of consents that were given elsewhere; of the others <see cref="Notice"/> is the version, or the one in force.</summary>
    public IReadOnlyDictionary<string, ShownNotice>? ConsentNotices { get; init; }

    /// <summary>
    /// Says that the person came back of their own will, and how (<see cref="ReturnGrounds"/>): whoever was erased is then let in again. For those who may know of the suppression list.
    /// </summary>
    public string? Returning { get; init; }

    /// <summary>Of which package the values are; null where they are of none.</summary>
    public PackageOrigin? Package { get; init; }

    internal ShownNotice ShownFor(string purpose) => ConsentNotices?.GetValueOrDefault(purpose) ?? new ShownNotice(Notice);
}

/// <summary>A change of a customer: a JSON merge patch (RFC 7396) of the fields; null removes.</summary>
public sealed record ProfilePatch(IReadOnlyDictionary<string, JsonElement> Fields, string Source, string? Origin, string? Notice, string Purpose)
{
    /// <inheritdoc cref="NewCustomer.CollectedAt"/>
    public DateTimeOffset? CollectedAt { get; init; }
}

/// <summary>A write that is durable, and its log entry with it.</summary>
/// <param name="Id">The customer.</param>
/// <param name="Version">Version of the record after it.</param>
/// <param name="LogIndex">Where the entry stands.</param>
/// <param name="Replayed">The same key came before: this is the outcome of then.</param>
public sealed record WriteOutcome(SubjectId Id, long Version, long LogIndex, bool Replayed = false);

/// <summary>The caller's promise that two calls with one key are one call.</summary>
/// <param name="ClientId">Keys of different callers never meet.</param>
/// <param name="Key">The header's value.</param>
/// <param name="RequestHash">SHA-256 of the request, so that a key used for something else is noticed.</param>
public sealed record IdempotencyKey(string ClientId, string Key, ReadOnlyMemory<byte> RequestHash);
