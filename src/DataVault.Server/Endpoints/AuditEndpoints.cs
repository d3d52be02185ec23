using System.Globalization;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Transparency;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>The transparency log: search and entry bundles for officers, proofs for those concerned, and the checkpoint and hashes for anybody.</summary>
internal static class AuditEndpoints
{
    private const string Tag = "audit";
    private const int LargestPage = 1_000;
    private const string Immutable = "public, max-age=31536000, immutable";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/audit/entries", SearchAsync).Gives<Page<AuditEntryView>>().As(
            new("searchEntries", Tag, "Log entries, newest first or oldest first")
            {
                Query =
                [
                    new("customer", "About this customer."), new("actor", "Name of the application, or a tag."), new("purpose", "Purpose named."), new("field", "Field concerned, or event: and an event type."),
                    new("type", "Such as field.read."), new("result", "ok, denied or error."), new("from", "Not before (RFC 3339)."), new("to", "Before (RFC 3339)."),
                    new("order", "newest (the standard) or oldest first."),
                    QueryParameter.Limit, QueryParameter.Cursor,
                ],
                Problems = ["unknown-field", "unknown-purpose"],
            },
            AccessRule.With("audit.read"));
        routes.MapGet("/v1/audit/entries/{index:long}/proof", ProofAsync).Gives<InclusionProofView>().As(
            new("getProof", Tag, "The inclusion proof of an entry under a signed checkpoint")
            {
                Description = "Of the caller's own acts, of entries about the signed-in customer, and with audit.read of any entry. Any other is not found, whether or not there is one.",
                Problems = ["not-found"],
            },
            AccessRule.Anyone);
        routes.MapGet("/v1/audit/records", RecordsAsync).Produces(200, contentType: "text/plain").TakesLong().As(
            new("getRecordsManifest", Tag, "What the vault holds, as tags, versions and hashes, signed, to be compared with the log")
            {
                Description = "For datavault-verify: every record, event batch, history row and consent act as of one moment, which names the size and root of the log then.",
            },
            AccessRule.With("audit.read"));
        routes.MapGet("/audit/checkpoint", CheckpointAsync).ExcludeFromDescription();
        routes.MapGet("/audit/key", (HttpContext context, AuditReader log) => Answer.TextAsync(context, log.VerifierKey + "\n")).ExcludeFromDescription();
        routes.MapGet("/audit/keys", (HttpContext context, SignerCare signer) => Answer.TextAsync(context, signer.Keys.ToString())).ExcludeFromDescription();
        routes.MapGet("/audit/keys/{id}/announcement", AnnouncementAsync).ExcludeFromDescription();
        routes.MapGet("/audit/timestamp/{size}", TimestampAsync).ExcludeFromDescription();
        routes.MapGet("/audit/timestamp/{size}/checkpoint", TimestampedAsync).ExcludeFromDescription();
        routes.MapGet("/audit/tile/{**path}", TileAsync).ExcludeFromDescription();
        routes.MapGet("/audit/tile/entries/{**path}", EntryBundleAsync)
            .As(new("getEntryBundle", Tag, "A bundle of log entries"), AccessRule.With("audit.read")).ExcludeFromDescription();
        routes.MapGet("/audit/tile/members/{**path}", MembersAsync)
            .As(new("getMembers", Tag, "Whom the entries of a bundle are about"), AccessRule.With("audit.read")).ExcludeFromDescription();
    }

    private static async Task SearchAsync(HttpContext context, AuditReader log, PolicySet policy, AuditTrail trail)
    {
        var call = new CallReader(context, policy);
        var query = QueryReader.Of(context, "customer", "actor", "purpose", "field", "type", "result", "from", "to", "order", "limit", "cursor");
        var sought = new AuditQuery
        {
            Subject = query.Id("customer") is { } customer ? new SubjectId(customer) : null,
            Actor = query.Text("actor"),
            Purpose = query.Text("purpose") is { } purpose ? call.Purpose(purpose) : null,
            Item = query.Text("field") is { } field ? AuditReportEndpoints.Item(policy, field) : null,
            Type = Type(query),
            Result = query.OneOf("result", "ok", "denied", "error") is { } result ? Enum.Parse<EntryResult>(result, ignoreCase: true) : null,
            From = query.Instant("from"),
            Until = query.Instant("to"),
            OldestFirst = query.OneOf("order", "newest", "oldest") == "oldest",
            Limit = query.Limit(50, LargestPage),
            Cursor = query.Text("cursor"),
        };
        await trail.RecordAsync(EntryType.AuditRead, call.Caller, "", EntryResult.Ok, sought.Subject, null, call.Cancellation);
        var page = await log.SearchAsync(sought, call.Cancellation);
        await Answer.JsonAsync(context, new Page<AuditEntryView>([.. page.Entries.Select(View)], page.Next));
    }

    private static AuditEntryView View(AuditRecord record)
    {
        var entry = record.Entry;
        return new AuditEntryView(
            record.Index, DateTimeOffset.FromUnixTimeMilliseconds(entry.Time), EntryTypes.NameOf(entry.Type), Hex(entry.Actor), record.Actor,
            entry.Subject.IsEmpty ? null : Hex(entry.Subject), entry.Purpose, EntryTypes.NameOf(entry.Result), record.ItemNames,
            entry.BulkCount > 0 ? entry.BulkCount : null, Hex(entry.Policy), Hex(entry.RequestId), entry.Rules);
    }

    private static string Hex(ReadOnlyMemory<byte> bytes) => Convert.ToHexStringLower(bytes.Span);

    private static EntryType? Type(QueryReader query)
    {
        if (query.Text("type") is not { } name)
            return null;
        return EntryTypes.TryParse(name, out var type) ? type : throw QueryReader.Bad("type", "unknown-word", "must be an entry type such as field.read");
    }

    private static async Task ProofAsync(HttpContext context, EntryProofs proofs)
    {
        if (!long.TryParse((string?)context.Request.RouteValues["index"], NumberStyles.None, CultureInfo.InvariantCulture, out var index))
            throw VaultException.NotFound();
        var proof = await proofs.ProofAsync(Caller.Of(context), index, RequestIdentity.Of(context), context.RequestAborted);
        await Answer.JsonAsync(context, new InclusionProofView(
            index, Convert.ToBase64String(proof.Entry.Span), [.. proof.Hashes.Select(hash => Convert.ToBase64String(hash))], proof.Checkpoint, proof.Text,
            proof.Member is { } member ? new MembershipProofView(Hex(member.Tag), member.Position, [.. member.Hashes.Select(hash => Convert.ToBase64String(hash))]) : null));
    }

    private static async Task RecordsAsync(HttpContext context, RecordsManifests manifests, AuditTrail trail, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await trail.RecordAsync(EntryType.AuditRead, call.Caller, "", EntryResult.Ok, null, null, call.Cancellation);
        context.Response.ContentType = "text/plain; charset=utf-8";
        context.Response.Headers.CacheControl = "no-store";
        await manifests.WriteAsync(context.Response.Body, call.Cancellation);
    }

    private static async Task CheckpointAsync(HttpContext context, AuditReader log)
    {
        context.Response.Headers.CacheControl = "no-cache";
        await Answer.TextAsync(context, await log.WitnessedCheckpointAsync(context.RequestAborted) ?? throw VaultException.NotFound());
    }

    // The announcement is an entry of the log, but of nobody: the vault itself acts, on its own key.
    private static async Task AnnouncementAsync(HttpContext context, SignerCare signer) =>
        await Answer.TextAsync(context, await signer.AnnouncementAsync((string)context.Request.RouteValues["id"]!, context.RequestAborted) ?? throw VaultException.NotFound());

    private static async Task TimestampAsync(HttpContext context, LogAnchors anchors)
    {
        var timestamp = await FindTimestampAsync(context, anchors);
        context.Response.ContentType = "application/timestamp-token";
        await context.Response.Body.WriteAsync(timestamp.Token, context.RequestAborted);
    }

    private static async Task TimestampedAsync(HttpContext context, LogAnchors anchors) =>
        await Answer.TextAsync(context, (await FindTimestampAsync(context, anchors)).Note);

    private static async Task<LogTimestamp> FindTimestampAsync(HttpContext context, LogAnchors anchors)
    {
        var sought = (string)context.Request.RouteValues["size"]!;
        if (sought == "latest") return await anchors.TimestampAsync(ct: context.RequestAborted) ?? throw VaultException.NotFound();
        return long.TryParse(sought, NumberStyles.None, CultureInfo.InvariantCulture, out var size) && await anchors.TimestampAsync(size, context.RequestAborted) is { } found
            ? found
            : throw VaultException.NotFound();
    }

    private static async Task TileAsync(HttpContext context, AuditReader log)
    {
        var path = "tile/" + (string?)context.Request.RouteValues["path"];
        // INVARIANT: however a path is spelt, this public route gives hashes only.
        if (!TlogTiles.TryParsePath(path, out var level, out var number, out var width) || level < 0)
            throw VaultException.NotFound();
        await WriteAsync(context, await log.TileAsync(level, number, width, context.RequestAborted), Immutable);
    }

    private static async Task EntryBundleAsync(HttpContext context, AuditReader log)
    {
        var path = "tile/entries/" + (string?)context.Request.RouteValues["path"];
        if (!TlogTiles.TryParsePath(path, out var level, out var number, out var width) || level != TlogTiles.EntriesLevel)
            throw VaultException.NotFound();
        await WriteAsync(context, await log.EntryBundleAsync(number, width, context.RequestAborted), "no-store");
    }

    private static async Task MembersAsync(HttpContext context, AuditReader log)
    {
        var path = "tile/members/" + (string?)context.Request.RouteValues["path"];
        if (!TlogTiles.TryParsePath(path, out var level, out var number, out _) || level != TlogTiles.MembersLevel)
            throw VaultException.NotFound();
        await WriteAsync(context, await log.MembersAsync(number, context.RequestAborted), "no-store");
    }

    private static async Task WriteAsync(HttpContext context, byte[]? tile, string caching)
    {
        var content = tile ?? throw VaultException.NotFound();
        context.Response.Headers.CacheControl = caching;
        context.Response.ContentType = "application/octet-stream";
        await context.Response.Body.WriteAsync(content, context.RequestAborted);
    }
}
