using System.Globalization;
using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace DataVault.Server.Http;

/// <summary>The API document: OpenAPI 3.1 made from the endpoints themselves, and a page to browse it.</summary>
internal static class OpenApi
{
    private static readonly string[] AlwaysPossible = ["invalid-request", "unauthenticated", "forbidden", "rate-limited", "internal", "record-damaged", "unavailable"];

    public static void Configure(OpenApiOptions options)
    {
        options.OpenApiVersion = OpenApiSpecVersion.OpenApi3_1;
        options.ShouldInclude = description => description.RelativePath?.StartsWith("v1/", StringComparison.Ordinal) == true;
        options.AddDocumentTransformer((document, _, _) =>
        {
            Introduce(document);
            return Task.CompletedTask;
        });
        options.AddSchemaTransformer((schema, context, _) =>
        {
            if (context.JsonTypeInfo.Type == typeof(CustomerReference))
                DescribeCustomer(schema);
            else if (context.JsonTypeInfo.Type == typeof(SearchTerm))
                DescribeSearchTerm(schema);
            return Task.CompletedTask;
        });
        options.AddOperationTransformer(async (operation, context, cancellation) =>
        {
            var problem = await context.GetOrCreateSchemaAsync(typeof(Problem), null, cancellation);
            Complete(operation, context, problem);
        });
    }

    // What its converter reads cannot be told from the type.
    private static void DescribeCustomer(OpenApiSchema schema)
    {
        OpenApiSchema Text(string? format = null) => new() { Type = JsonSchemaType.String, Format = format };
        schema.Description = "The customer's id, or one of id, email, phone, customerNumber.";
        schema.AnyOf =
        [
            Text("uuid"),
            new OpenApiSchema
            {
                Type = JsonSchemaType.Object,
                Properties = new Dictionary<string, IOpenApiSchema> { ["id"] = Text("uuid"), ["email"] = Text(), ["phone"] = Text(), ["customerNumber"] = Text() },
            },
        ];
    }

    private static void DescribeSearchTerm(OpenApiSchema schema)
    {
        OpenApiSchema Text() => new() { Type = JsonSchemaType.String };
        schema.Description = "The whole value in any spelling, or one of prefix, year of a date, postcode of an address.";
        schema.AnyOf =
        [
            Text(),
            new OpenApiSchema
            {
                Type = JsonSchemaType.Object,
                Properties = new Dictionary<string, IOpenApiSchema> { ["prefix"] = Text(), ["year"] = Text(), ["postcode"] = Text() },
            },
        ];
    }

    private static void Introduce(OpenApiDocument document)
    {
        document.Info = new OpenApiInfo
        {
            Title = "DataVault",
            Version = "v1",
            Description = "A customer data vault: each field is released only to whom the policy allows, for a stated purpose, and every release is in a log that can be verified. "
                + "Every refusal is a problem document (RFC 9457); every answer names the newest signed checkpoint of the log in Audit-Checkpoint.",
            License = new OpenApiLicense { Name = "Apache-2.0", Identifier = "Apache-2.0" },
        };
        document.Components ??= new OpenApiComponents();
        document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
        {
            ["oauth"] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.OAuth2,
                Flows = new OpenApiOAuthFlows
                {
                    ClientCredentials = new OpenApiOAuthFlow { TokenUrl = new Uri("/connect/token", UriKind.Relative), Scopes = new Dictionary<string, string>() },
                },
            },
        };
        document.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("oauth", document)] = [] }];
    }

    private static void Complete(OpenApiOperation operation, OpenApiOperationTransformerContext context, IOpenApiSchema problem)
    {
        var metadata = context.Description.ActionDescriptor.EndpointMetadata;
        if (metadata.OfType<OperationInfo>().FirstOrDefault() is not { } info)
            return;
        operation.Parameters ??= [];
        foreach (var name in PathParameters(context.Description.RelativePath!))
            operation.Parameters.Add(Parameter(name, ParameterLocation.Path, "", "string", true));
        foreach (var query in info.Query)
            operation.Parameters.Add(Parameter(query.Name, ParameterLocation.Query, query.Description, query.Type, query.Required));
        foreach (var header in info.Headers)
            operation.Parameters.Add(Parameter(header, ParameterLocation.Header, HeaderText(header), "string", header == "If-Match"));
        if (info.RequestExample is { } request && operation.RequestBody?.Content?.Values.FirstOrDefault() is { } body)
            body.Example = request.DeepClone();
        if (info.AnswerExample is { } answer && operation.Responses?.Values.FirstOrDefault()?.Content?.Values.FirstOrDefault() is { } content)
            content.Example = answer.DeepClone();
        AddProblems(operation, info, problem);
    }

    private static void AddProblems(OpenApiOperation operation, OperationInfo info, IOpenApiSchema schema)
    {
        var slugs = AlwaysPossible.Concat(info.Problems);
        if (operation.RequestBody is not null)
            slugs = slugs.Concat(["payload-too-large", "unsupported-media-type"]);
        operation.Responses ??= [];
        foreach (var group in slugs.Distinct().GroupBy(slug => Problems.Catalogue[slug].Status).OrderBy(g => g.Key))
        {
            var example = new JsonObject
            {
                ["type"] = "/problems/" + group.First(),
                ["title"] = group.First().Replace('-', ' '),
                ["status"] = group.Key,
                ["detail"] = Problems.Catalogue[group.First()].Advice,
            };
            operation.Responses[group.Key.ToString(CultureInfo.InvariantCulture)] = new OpenApiResponse
            {
                Description = string.Join(" or ", group),
                Content = new Dictionary<string, OpenApiMediaType> { [Problems.ContentType] = new() { Schema = schema, Example = example } },
            };
        }
    }

    private static IEnumerable<string> PathParameters(string path) =>
        path.Split('/').Where(part => part.StartsWith('{')).Select(part => part.Trim('{', '}', '*').Split(':')[0]);

    private static OpenApiParameter Parameter(string name, ParameterLocation place, string description, string type, bool required) => new()
    {
        Name = name,
        In = place,
        Description = description,
        Required = required,
        Schema = new OpenApiSchema
        {
            Type = type switch { "integer" => JsonSchemaType.Integer, "boolean" => JsonSchemaType.Boolean, _ => JsonSchemaType.String },
        },
    };

    private static string HeaderText(string header) => header switch
    {
        "If-Match" => "ETag of the version that the change is based on; * for whatever version there is.",
        "Access-Reason" => "Why, where the purpose or a rule asks for it: at most 500 characters, percent-encoded UTF-8. Never in the URL.",
        "Access-Approval" => "Id of an approval (POST /v1/approvals), which is used up.",
        "Idempotency-Key" => "1 to 128 characters; the same key with the same body is carried out once.",
        _ => "",
    };
}
