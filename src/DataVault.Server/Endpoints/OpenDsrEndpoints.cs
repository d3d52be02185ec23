using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Issuer;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Server.OpenDsr;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>OpenDSR 2.0, the vault being the processor: controllers send requests of people, ask how they stand, take them back, fetch results; administrators say where each is called back.</summary>
internal static class OpenDsrEndpoints
{
    private const string Tag = "opendsr";
    private static readonly AccessRule Controllers = AccessRule.With(Capabilities.RequestsOpenDsr);
    private static readonly AccessRule Administrators = AccessRule.With(Capabilities.ClientsManage);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet(OpenDsrPaths.Certificate, CertificateAsync).ExcludeFromDescription();
        routes.MapGet("/v1/opendsr/discovery", (Delegate)DiscoverAsync).Gives<OpenDsrDiscovery>().As(
            new("openDsrDiscovery", Tag, "Which identities and rights the processor knows, and where its certificate is") { Problems = ["not-found"] }, Controllers);
        routes.MapPost("/v1/opendsr/requests", (Delegate)OpenAsync).Takes<OpenDsrRequest>().Gives<OpenDsrReceipt>(201).As(Opening, Controllers);
        routes.MapGet("/v1/opendsr/requests/{id}", (Delegate)GetAsync).Gives<OpenDsrStatus>().As(
            new("openDsrRequest", Tag, "How a request stands; also at /v1/opendsr/status/{id}") { Problems = ["not-found"] }, Controllers);
        routes.MapDelete("/v1/opendsr/requests/{id}", (Delegate)CancelAsync).Gives<OpenDsrCancellation>(202).As(
            new("cancelOpenDsrRequest", Tag, "Take a request back while it is pending") { Problems = ["not-found", "invalid-state"] }, Controllers);
        routes.MapGet("/v1/opendsr/requests/{id}/results", (Delegate)ResultsAsync).Produces(200, contentType: "application/zip").TakesLong().As(
            new("openDsrResults", Tag, "The package of a completed access or portability request, once") { Problems = ["not-found", "invalid-state"] }, Controllers);
        MapFormerNames(routes);
        MapAdministration(routes);
    }

    private static OperationInfo Opening { get; } = new("sendOpenDsrRequest", Tag, "Send a request of a person: access, portability or erasure")
    {
        Description = "The same subject_request_id with the same body gives the same answer; with another body it is a conflict. Somebody whom nobody knows is answered alike.",
        RequestExample = JsonNode.Parse(
            """
            { "api_version": "2.0", "regulation": "gdpr", "subject_request_id": "a7551968-d5d6-44b2-9831-815ac9017798", "subject_request_type": "erasure", "submitted_time": "2031-03-02T15:00:00Z",
              "subject_identities": [ { "identity_type": "email", "identity_value": "ada@example.com", "identity_format": "raw" } ],
              "status_callback_urls": ["https://privacy.shop.example/opendsr"] }
            """),
        Problems = ["conflict", "invalid-fields", "payload-too-large", "unsupported-media-type"],
    };

    // SPEC OpenDSR §3.1 names /status, §7 a request's own address; §10.1: names from before the standard was called so are honoured.
    private static void MapFormerNames(IEndpointRouteBuilder routes)
    {
        Former(routes.MapGet("/v1/opendsr/status/{id}", (Delegate)GetAsync), "openDsrRequest");
        foreach (var name in OpenDsrPaths.FormerNames)
        {
            var path = "/v1/opendsr/" + name;
            Former(routes.MapPost(path, (Delegate)OpenAsync), "sendOpenDsrRequest");
            Former(routes.MapGet(path + "/{id}", (Delegate)GetAsync), "openDsrRequest");
            Former(routes.MapDelete(path + "/{id}", (Delegate)CancelAsync), "cancelOpenDsrRequest");
        }
    }

    private static void Former(RouteHandlerBuilder builder, string operation) => builder.ExcludeFromDescription().WithMetadata(new OperationInfo(operation, Tag, operation), Controllers);

    private static void MapAdministration(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/opendsr/controllers", ListAsync).Gives<Page<OpenDsrControllerView>>().As(
            new("listOpenDsrControllers", Tag, "Where each controller may be called back"), Administrators);
        routes.MapPut("/v1/opendsr/controllers/{client}", RegisterAsync).Takes<RegisterOpenDsrController>().Gives<OpenDsrControllerView>().As(
            new("registerOpenDsrController", Tag, "Say where a controller, which is a registered application, may be called back")
            {
                Description = "In place of what was said before. Other addresses are refused when a request comes in, and again when the controller is called.",
                RequestExample = JsonNode.Parse("""{ "callbackHosts": ["privacy.shop.example", "dsr.shop.example:8443"] }"""),
                Problems = ["not-found", "invalid-fields"],
            },
            Administrators.WithFreshSignIn());
        routes.MapDelete("/v1/opendsr/controllers/{client}", RemoveAsync).Produces(204).As(
            new("removeOpenDsrController", Tag, "Call a controller back nowhere any more") { Problems = ["not-found"] }, Administrators.WithFreshSignIn());
    }

    private static async Task CertificateAsync(HttpContext context, ProcessorCertificates certificates, OpenDsrSettings settings)
    {
        RequireOn(settings);
        await Answer.TextAsync(context, certificates.Published(), "application/x-pem-file");
    }

    private static Task DiscoverAsync(HttpContext context) => InWordsAsync(context, async desk =>
    {
        var options = desk.Settings.Options();
        var discovery = new OpenDsrDiscovery(
            OpenDsrOptions.ApiVersion, [.. options.Identities.Keys.Order(StringComparer.Ordinal).Select(type => new OpenDsrIdentityType(type, "raw"))],
            [.. OpenDsrWords.Kinds.Order(StringComparer.Ordinal)], desk.Settings.CertificateAddress);
        await desk.AnswerAsync(JsonSerializer.SerializeToUtf8Bytes(discovery, VaultJson.Strict), StatusCodes.Status200OK);
    });

    private static Task OpenAsync(HttpContext context) => InWordsAsync(context, async desk =>
    {
        var body = await RequestBody.ReadRawAsync(context, OpenDsrBody.Limit);
        var asked = OpenDsrBody.Read(body.Written, desk.Settings, desk.Now);
        var view = await desk.EvenlyAsync(() => desk.Requests.OpenAsync(desk.Controller, asked, desk.RequestId, desk.Cancellation));
        var receipt = new OpenDsrReceipt(
            view.Controller, OpenDsrDocument.Instant(view.ExpectedAt), OpenDsrDocument.Instant(view.ReceivedAt), Convert.ToBase64String(body.Written.Span), view.Id.ToString("D"), OpenDsrOptions.ApiVersion);
        context.Response.Headers.Location = $"{desk.Settings.Address}/requests/{view.Id:D}";
        await desk.AnswerAsync(JsonSerializer.SerializeToUtf8Bytes(receipt, VaultJson.Strict), StatusCodes.Status201Created);
    });

    private static Task GetAsync(HttpContext context) => InWordsAsync(context, async desk =>
    {
        var view = await desk.EvenlyAsync(() => desk.Requests.GetAsync(desk.Controller, desk.Id(), desk.RequestId, desk.Cancellation));
        await desk.AnswerAsync(OpenDsrDocument.StatusOf(view, desk.Settings.Options()), StatusCodes.Status200OK);
    });

    private static Task CancelAsync(HttpContext context) => InWordsAsync(context, async desk =>
    {
        var received = desk.Now;
        var view = await desk.EvenlyAsync(() => desk.Requests.CancelAsync(desk.Controller, desk.Id(), desk.RequestId, desk.Cancellation));
        var answer = new OpenDsrCancellation(view.Controller, OpenDsrDocument.Instant(received), view.Id.ToString("D"), OpenDsrOptions.ApiVersion);
        await desk.AnswerAsync(JsonSerializer.SerializeToUtf8Bytes(answer, VaultJson.Strict), StatusCodes.Status202Accepted);
    });

    private static Task ResultsAsync(HttpContext context) => InWordsAsync(context, async desk =>
    {
        await using var package = await desk.Requests.ResultsAsync(desk.Controller, desk.Id(), desk.RequestId, desk.Cancellation);
        context.Response.ContentType = "application/zip";
        context.Response.Headers.ContentDisposition = $"attachment; filename=\"results-{desk.Id():D}.zip\"";
        await package.CopyToAsync(context.Response.Body, desk.Cancellation);
    });

    private static async Task ListAsync(HttpContext context, OpenDsrControllers controllers) =>
        await Answer.JsonAsync(context, new Page<OpenDsrControllerView>([.. (await controllers.ListAsync(context.RequestAborted)).Select(View)], null));

    private static async Task RegisterAsync(HttpContext context, string client, OpenDsrControllers controllers, ClientRegistry registry, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<RegisterOpenDsrController>(context, RequestBody.Small);
        var known = (await registry.ListAsync(context.RequestAborted)).FirstOrDefault(one => one.Registration.Id == client) ?? throw new ProblemException("not-found");
        if (!policy.Decisions.HasCapability(known.Registration.Roles, Capabilities.RequestsOpenDsr))
            throw new ProblemException("invalid-fields", null, new MemberProblem("", "not-a-controller", "None of the application's roles may send requests by OpenDSR."));
        var call = new CallReader(context, policy);
        await Answer.JsonAsync(context, View(await controllers.RegisterAsync(call.Caller, client, body.CallbackHosts, call.RequestId, call.Cancellation)));
    }

    private static async Task RemoveAsync(HttpContext context, string client, OpenDsrControllers controllers, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await controllers.RemoveAsync(call.Caller, client, call.RequestId, call.Cancellation);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private static OpenDsrControllerView View(OpenDsrController controller) => new(controller.Client, controller.CallbackHosts, controller.RegisteredAt);

    /// <summary>Refusals leave as problem details like any other, with the member <c>error</c> that OpenDSR knows.</summary>
    private static async Task InWordsAsync(HttpContext context, Func<OpenDsrDesk, Task> work)
    {
        var desk = new OpenDsrDesk(context);
        try
        {
            RequireOn(desk.Settings);
            await work(desk);
        }
        catch (ProblemException e)
        {
            await desk.RefuseAsync(Problems.Of(e));
        }
        catch (VaultException e) when (Problems.StatusOf(e) < StatusCodes.Status500InternalServerError && e.RetryAfter is null)
        {
            await desk.RefuseAsync(Problems.Of(e));
        }
    }

    private static void RequireOn(OpenDsrSettings settings)
    {
        if (!settings.IsOn) throw new ProblemException("not-found", "This vault has no certificate to sign with, and so is nobody's processor by OpenDSR (OpenDsr__Certificates).");
    }
}

/// <summary>One call of a controller.</summary>
internal sealed class OpenDsrDesk(HttpContext context)
{
    private readonly TimeProvider _clock = context.RequestServices.GetRequiredService<TimeProvider>();
    private readonly CallReader _call = new(context, context.RequestServices.GetRequiredService<PolicySet>());

    public OpenDsrSettings Settings { get; } = context.RequestServices.GetRequiredService<OpenDsrSettings>();

    public OpenDsrRequests Requests { get; } = context.RequestServices.GetRequiredService<OpenDsrRequests>();

    public Recipient Controller => _call.Caller;

    public Guid RequestId => _call.RequestId;

    public CancellationToken Cancellation => _call.Cancellation;

    public DateTimeOffset Now => _clock.GetUtcNow();

    /// <exception cref="ProblemException">not-found: no number that a request can have.</exception>
    public Guid Id() => OpenDsrBody.TryReadId(context.GetRouteValue("id") as string, out var id) ? id : throw new ProblemException("not-found");

    /// <summary>Whoever is known takes more work than whoever is not: the answer, whichever, is not given before its time.</summary>
    public async Task<T> EvenlyAsync<T>(Func<Task<T>> work)
    {
        var start = _clock.GetTimestamp();
        try
        {
            return await work();
        }
        finally
        {
            var left = Settings.AnswerAfter - _clock.GetElapsedTime(start);
            if (left > TimeSpan.Zero) await Task.Delay(left, _clock, Cancellation);
        }
    }

    /// <summary>Exactly these bytes, signed.</summary>
    public async Task AnswerAsync(byte[] body, int status)
    {
        foreach (var (name, value) in OpenDsrSignature.Headers(Settings.Domain, context.RequestServices.GetRequiredService<ProcessorCertificates>().Sign(body))) context.Response.Headers[name] = value;
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = body.Length;
        await context.Response.Body.WriteAsync(body, Cancellation);
    }

    // SPEC OpenDSR §6: any error is answered with 400, but for what a controller does differently: 401, 403, 404, 409, 413, 415.
    public async Task RefuseAsync(Problem problem)
    {
        var status = problem.Slug == "invalid-fields" ? StatusCodes.Status400BadRequest : problem.Status;
        var body = JsonSerializer.SerializeToNode(problem with { Status = status, TraceId = RequestId.ToString("D") }, VaultJson.Strict)!;
        body["error"] = new JsonObject
        {
            ["code"] = status,
            ["message"] = problem.Title,
            ["errors"] = new JsonArray([.. (problem.Errors ?? []).Select(JsonNode (error) => new JsonObject { ["domain"] = error.Pointer, ["reason"] = error.Code, ["message"] = error.Message })]),
        };
        context.Response.StatusCode = status;
        context.Response.ContentType = Problems.ContentType;
        await context.Response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(body), Cancellation);
    }
}
