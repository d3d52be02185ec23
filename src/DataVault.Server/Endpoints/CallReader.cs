using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataVault.Client;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>What many calls read from a request: whom it is about, for what purpose, which items, under which key.</summary>
internal sealed class CallReader(HttpContext context, PolicySet policy)
{
    private const int MostItems = 100;
    private const int LongestKey = 128;
    private const int LongestReason = 12 * JustificationRule.MaxLength;

    public Recipient Caller { get; } = Http.Caller.Of(context);

    public Guid RequestId { get; } = RequestIdentity.Of(context);

    public CancellationToken Cancellation => context.RequestAborted;

    /// <summary>The customer in the route. A customer who names another person gets what anybody gets for a person that does not exist.</summary>
    public async ValueTask<SubjectId> CustomerAsync()
    {
        if (!SubjectId.TryParse((string?)context.Request.RouteValues["id"], out var subject))
            throw VaultException.NotFound();
        if (Caller.Kind == RecipientKind.Customer && Caller.Subject != subject)
        {
            await Authorisation.RecordDenialAsync(context, Caller, subject);
            throw VaultException.NotFound();
        }
        return subject;
    }

    /// <summary>The signed-in customer.</summary>
    public SubjectId Self() => Caller.Subject ?? throw VaultException.NotFound();

    public Guid RouteId() => Guid.TryParseExact((string?)context.Request.RouteValues["id"], "D", out var id) ? id : throw VaultException.NotFound();

    /// <summary>A registered purpose; where none is named, the credential's only one.</summary>
    public string Purpose(string? named)
    {
        var purpose = named ?? (Caller.Purposes is [var only] ? only : throw new ProblemException("unknown-purpose"));
        return policy.Purposes.Find(purpose) is not null ? purpose : throw new ProblemException("unknown-purpose");
    }

    public IReadOnlyList<RequestedItem>? Items(IReadOnlyList<string>? names)
    {
        if (names is null)
            return null;
        if (names.Count is 0 or > MostItems)
            throw ProblemException.Member("/fields", "out-of-range", $"1 to {MostItems} fields may be named.");
        var items = new RequestedItem[names.Count];
        for (var i = 0; i < items.Length; i++)
        {
            if (!RequestedItem.TryParse(names[i], policy.Catalogue, policy.Events, out var item) || item.Item is not FieldDefinition)
                throw new ProblemException("unknown-field");
            items[i] = item;
        }
        return items;
    }

    public IReadOnlyList<EventTypeDefinition>? EventTypes(IReadOnlyList<string>? names) =>
        names is null ? null : [.. names.Select(name => policy.Events.Find(name) ?? throw new ProblemException("unknown-field", "An event type named in the request is not in the tracking plan."))];

    /// <summary>Why the caller wants what it asks for. A header, since addresses are kept by browsers, proxies and their logs; percent-encoded, since a header is ASCII.</summary>
    public string? Reason()
    {
        var header = context.Request.Headers["Access-Reason"];
        if (header.Count == 0)
            return null;
        if (header is not [{ Length: > 0 and <= LongestReason } encoded] || encoded.AsSpan().ContainsAnyExceptInRange(' ', '~') || Uri.UnescapeDataString(encoded) is not { } reason || !JustificationRule.IsReason(reason))
            throw ProblemException.Member("", "invalid-reason", $"Access-Reason must hold words of at most {JustificationRule.MaxLength} characters, percent-encoded.");
        return reason.Trim();
    }

    /// <summary>The approval that the call uses up.</summary>
    public Guid? Approval()
    {
        var header = context.Request.Headers["Access-Approval"];
        if (header.Count == 0)
            return null;
        return header.Count == 1 && Guid.TryParseExact(header[0], "D", out var id) ? id : throw ProblemException.Member("", "invalid-approval", "Access-Approval must hold the id of an approval.");
    }

    /// <summary>The promise that two calls with one key are one call; bound to the caller, the operation and the body.</summary>
    public IdempotencyKey? Idempotency<T>(T body)
    {
        var header = context.Request.Headers["Idempotency-Key"];
        if (header.Count == 0)
            return null;
        if (header is not [{ Length: > 0 and <= LongestKey } key] || !key.All(c => c is > ' ' and < '\x7f'))
            throw ProblemException.Member("", "invalid-idempotency-key", $"Idempotency-Key must hold 1 to {LongestKey} visible ASCII characters.");
        var operation = OperationInfo.NameOf(context);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(operation + "\n"));
        using var content = new ErasedBuffer();
        using (var json = new Utf8JsonWriter(content, new JsonWriterOptions { Encoder = VaultJson.Strict.Encoder }))
            JsonSerializer.Serialize(json, body, VaultJson.Strict);
        hash.AppendData(content.Written.Span);
        return new IdempotencyKey(Caller.Id, operation + "\n" + key, hash.GetHashAndReset());
    }
}
