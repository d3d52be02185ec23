using System.Collections.Frozen;

namespace DataVault.Vault;

/// <summary>How the vault is a processor by OpenDSR 2.0.</summary>
public sealed class OpenDsrOptions
{
    /// <summary>Version of the specification.</summary>
    public const string ApiVersion = "2.0";

    /// <summary>The domain that the certificate is for, and that answers and callbacks name.</summary>
    public string Domain { get; init; } = "localhost";

    /// <summary>Address of the interface, with the version first and without a slash at the end.</summary>
    public string Address { get; init; } = "https://localhost/v1/opendsr";

    /// <summary>After about so long a request about somebody whom nobody knows is completed, as long as no request about somebody who is known has shown how long those take.</summary>
    public TimeSpan UnknownAfter { get; init; } = TimeSpan.FromDays(1);

    /// <summary>Which field of the catalogue each type of identity means.</summary>
    public IReadOnlyDictionary<string, string> Identities { get; init; } = Standard;

    /// <summary>The types of the specification that a vault holds, and the telephone number as its most used extension names it.</summary>
    public static IReadOnlyDictionary<string, string> Standard { get; } = new Dictionary<string, string>
    {
        ["controller_customer_id"] = "customerNumber",
        ["email"] = "email",
        ["mobile_number"] = "phone",
    };
}

/// <summary>Kinds and states as OpenDSR names them.</summary>
public static class OpenDsrWords
{
    public const string Pending = "pending";
    public const string InProgress = "in_progress";
    public const string Completed = "completed";
    public const string Cancelled = "cancelled";

    /// <summary>The identities of a request lead to several people, or to different ones: nothing is carried out.</summary>
    public const string Ambiguous = "ambiguous";

    public static FrozenSet<string> Kinds { get; } = FrozenSet.ToFrozenSet([RequestKinds.Access, RequestKinds.Portability, RequestKinds.Erasure]);

    internal static bool IsFinal(string state) => state is Completed or Cancelled;
}

/// <summary>Whom a request is about, as the controller knows them. The value is personal data: it goes into a look-up and no further.</summary>
public sealed class OpenDsrIdentity(string type, string value)
{
    public string Type => type;

    public string Value => value;

    public override string ToString() => type;
}

/// <summary>A request as a controller sends it, read and checked.</summary>
/// <param name="Id">Made by the controller: <c>subject_request_id</c>.</param>
/// <param name="Kind">Of <see cref="OpenDsrWords.Kinds"/>.</param>
/// <param name="Identities">Whom it is about.</param>
/// <param name="Callbacks">Where the controller wants to be told of every change.</param>
/// <param name="Body">Exactly what was sent: by it a repetition is known.</param>
public sealed record NewOpenDsrRequest(Guid Id, string Kind, IReadOnlyList<OpenDsrIdentity> Identities, IReadOnlyList<Uri> Callbacks, ReadOnlyMemory<byte> Body)
{
    /// <summary>Without what was sent, which is personal data.</summary>
    public override string ToString() => $"{Kind} {Id}";
}

/// <summary>A request as its controller may see it.</summary>
public sealed record OpenDsrView(string Controller, Guid Id, string Kind, string Status, DateTimeOffset ReceivedAt, DateTimeOffset ExpectedAt)
{
    /// <summary>Why nothing, or not everything, was done: <c>refused</c>, <c>partly-refused</c>, <see cref="OpenDsrWords.Ambiguous"/>; else null.</summary>
    public string? Outcome { get; init; }

    /// <summary>Of a refusal, its code.</summary>
    public string? Reason { get; init; }

    /// <summary>A package that can be fetched, once.</summary>
    public bool HasResults { get; init; }

    /// <summary>Packages that there are or were, of a completed request.</summary>
    public int Results { get; init; }

    /// <summary>Callbacks that were not answered with 2xx yet.</summary>
    public IReadOnlyList<OpenDsrCallback> Callbacks { get; init; } = [];
}

/// <summary>A callback that has not arrived.</summary>
/// <param name="Status">Of which change it tells.</param>
/// <param name="Attempts">How often it was tried.</param>
/// <param name="IsDead">It failed so often that it is tried once a day.</param>
/// <param name="Failure">What went wrong, in one word.</param>
public sealed record OpenDsrCallback(string Status, int Attempts, bool IsDead, string? Failure);

/// <summary>Where a controller may be called back.</summary>
/// <param name="Client">Its client id.</param>
/// <param name="CallbackHosts">Hosts in lower-case letters, with a port where it is not 443.</param>
/// <param name="RegisteredAt">When that was said.</param>
public sealed record OpenDsrController(string Client, IReadOnlyList<string> CallbackHosts, DateTimeOffset RegisteredAt);
