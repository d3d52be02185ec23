using System.Text.Json.Nodes;

namespace DataVault.Server.Http;

/// <summary>What the API document says of an operation beside its types.</summary>
internal sealed record OperationInfo(string Id, string Tag, string Summary)
{
    public string Description { get; init; } = "";

    public IReadOnlyList<QueryParameter> Query { get; init; } = [];

    public IReadOnlyList<string> Headers { get; init; } = [];

    public JsonNode? RequestExample { get; init; }

    public JsonNode? AnswerExample { get; init; }

    /// <summary>Problem slugs that this operation answers with, beside those that every operation may.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];

    public static string NameOf(HttpContext context) => context.GetEndpoint()?.Metadata.GetMetadata<OperationInfo>()?.Id ?? "";
}

/// <param name="Type"><c>string</c>, <c>integer</c> or <c>boolean</c>.</param>
internal sealed record QueryParameter(string Name, string Description, string Type = "string", bool Required = false)
{
    public static readonly QueryParameter Purpose = new("purpose", "The purpose of the call; one that the credential is bound to.", Required: true);
    public static readonly QueryParameter Limit = new("limit", "Most items to return; out of range is an error.", "integer");
    public static readonly QueryParameter Cursor = new("cursor", "The next of the page before.");
}

internal static class OperationExtensions
{
    /// <summary>Names, documents and guards an operation.</summary>
    public static RouteHandlerBuilder As(this RouteHandlerBuilder builder, OperationInfo info, AccessRule rule) =>
        builder.WithName(info.Id).WithTags(info.Tag).WithSummary(info.Summary).WithDescription(info.Description).WithMetadata(info, rule);

    public static RouteHandlerBuilder Takes<T>(this RouteHandlerBuilder builder)
        where T : notnull =>
        builder.Accepts<T>("application/json");

    public static RouteHandlerBuilder Gives<T>(this RouteHandlerBuilder builder, int status = StatusCodes.Status200OK) =>
        builder.Produces<T>(status, "application/json");

    public static RouteHandlerBuilder TakesLong(this RouteHandlerBuilder builder)
    {
        builder.WithRequestTimeout(Limits.Long);
        return builder;
    }
}
