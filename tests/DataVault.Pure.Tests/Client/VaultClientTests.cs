using System.Net;
using System.Text.Json;
using DataVault.Client;
using DataVault.Client.Wire;
using Xunit;

namespace DataVault.Pure.Tests.Client;

public sealed class VaultClientTests : IDisposable
{
    private static readonly Guid s_id = Guid.Parse("0198a000-0000-7000-8000-000000000001");
    private readonly ScriptedVault _vault = new();
    private readonly JumpingTime _time = new();

    public void Dispose() => _vault.Dispose();

    private VaultClient Client(TokenSource? tokens = null, int patience = 15) =>
        new(_vault.Http(), tokens, new VaultClientOptions { Time = _time, Jitter = () => 0.5, Patience = TimeSpan.FromSeconds(patience) });

    [Fact]
    public async Task A_read_names_purpose_and_fields_and_returns_forms_and_reasons()
    {
        _vault.Answer(HttpStatusCode.OK, $$"""
            {"id":"{{s_id}}","version":7,"fields":{"givenName":"Ada"},"forms":{"email":"masked"},"withheld":{"phone":"consent-withdrawn"},"receipt":{"index":48211} }
            """);

        var released = await Client(TokenSource.Fixed("abc")).ReadAsync(s_id, "customer-support", ["givenName", "email.masked", "phone"]);

        Assert.Equal($"/v1/customers/{s_id}?purpose=customer-support&fields=givenName%2Cemail.masked%2Cphone", _vault.Calls[0].Path);
        Assert.Contains("Authorization: Bearer abc", _vault.Calls[0].Headers, StringComparison.Ordinal);
        Assert.Equal("Ada", released.Fields["givenName"].GetString());
        Assert.Equal("consent-withdrawn", released.Withheld["phone"]);
        Assert.Equal(48211, released.Receipt.Index);
    }

    [Fact]
    public async Task A_patch_carries_the_version_as_entity_tag_and_keeps_nulls()
    {
        _vault.Answer(HttpStatusCode.OK, $$"""{"id":"{{s_id}}","version":8,"receipt":{"index":1} }""");

        using var none = JsonDocument.Parse("null");
        await Client().PatchAsync(s_id, new PatchCustomer(new Dictionary<string, JsonElement> { ["phone"] = none.RootElement }, "crm"), 7);

        Assert.Contains("If-Match: \"7\"", _vault.Calls[0].Headers, StringComparison.Ordinal);
        Assert.Equal("""{"fields":{"phone":null},"source":"crm"}""", _vault.Calls[0].Body);
    }

    [Fact]
    public async Task A_problem_answer_becomes_an_exception_of_codes_and_pointers()
    {
        _vault.Answer(HttpStatusCode.UnprocessableEntity, """
            {"type":"/problems/invalid-fields","title":"Invalid fields","status":422,"errors":[{"pointer":"/fields/email","code":"email","message":"Not an address."}],"traceId":"t1"}
            """, "application/problem+json");

        var refused = await Assert.ThrowsAsync<VaultProblemException>(() => Client().CreateAsync(new CreateCustomer(new Dictionary<string, JsonElement>(), "crm")));

        Assert.Equal("invalid-fields", refused.Problem.Slug);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, refused.StatusCode);
        Assert.Equal("422 invalid-fields; /fields/email email (Not an address.)", refused.Message);
    }

    [Fact]
    public async Task An_answer_that_is_no_problem_document_still_says_what_it_was()
    {
        _vault.Answer(HttpStatusCode.NotFound, "<html>", "text/html");

        var refused = await Assert.ThrowsAsync<VaultProblemException>(() => Client().RequestAsync(s_id));

        Assert.Equal("not-found", refused.Problem.Slug);
    }

    [Fact]
    public async Task An_unreadable_answer_is_not_quoted()
    {
        _vault.Answer(HttpStatusCode.OK, """{"id":"secret value""");

        var refused = await Assert.ThrowsAsync<VaultProblemException>(() => Client().RequestAsync(s_id));

        Assert.DoesNotContain("secret", refused.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_busy_vault_is_asked_again_after_the_time_it_named()
    {
        _vault.Busy(HttpStatusCode.TooManyRequests, retryAfter: 3).Busy(HttpStatusCode.ServiceUnavailable).Answer(HttpStatusCode.OK, """{"items":[]}""");

        await Client().RequestsAsync();

        Assert.Equal([TimeSpan.FromSeconds(3), TimeSpan.FromMilliseconds(300)], _time.Waits);
    }

    [Fact]
    public async Task A_lost_connection_is_tried_again_for_a_safe_call()
    {
        _vault.Fail().Answer(HttpStatusCode.OK, """{"items":[]}""");

        await Client().RequestsAsync();

        Assert.Equal(2, _vault.Calls.Count);
    }

    [Fact]
    public async Task A_create_without_a_key_is_never_repeated()
    {
        _vault.Busy(HttpStatusCode.ServiceUnavailable, retryAfter: 1);

        var refused = await Assert.ThrowsAsync<VaultProblemException>(() => Client().CreateAsync(new CreateCustomer(new Dictionary<string, JsonElement>(), "crm")));

        Assert.Equal(TimeSpan.FromSeconds(1), refused.RetryAfter);
        Assert.Single(_vault.Calls);
    }

    [Fact]
    public async Task A_create_with_an_idempotency_key_is_repeated_with_the_same_key()
    {
        _vault.Busy(HttpStatusCode.ServiceUnavailable, retryAfter: 1).Answer(HttpStatusCode.Created, $$"""{"id":"{{s_id}}","version":1,"receipt":{"index":1} }""");

        await Client().CreateAsync(new CreateCustomer(new Dictionary<string, JsonElement>(), "crm"), "k-1");

        Assert.All(_vault.Calls, c => Assert.Contains("Idempotency-Key: k-1", c.Headers, StringComparison.Ordinal));
        Assert.Equal(2, _vault.Calls.Count);
    }

    [Fact]
    public async Task Events_without_ids_are_not_repeated_and_events_with_ids_are()
    {
        AppendEvent happening = new(new CustomerReference(s_id), "purchase", _time.GetUtcNow(), "shop", new Dictionary<string, JsonElement>());
        _vault.Busy(HttpStatusCode.ServiceUnavailable).Busy(HttpStatusCode.ServiceUnavailable).Answer(HttpStatusCode.OK, """{"items":[]}""");

        await Assert.ThrowsAsync<VaultProblemException>(() => Client().AppendManyAsync(new EventBatch([happening])));
        await Client().AppendManyAsync(new EventBatch([happening with { Id = s_id }]));

        Assert.Equal(3, _vault.Calls.Count);
    }

    [Fact]
    public async Task Patience_ends()
    {
        for (var i = 0; i < 100; i++) _vault.Busy(HttpStatusCode.ServiceUnavailable, retryAfter: 1);

        await Assert.ThrowsAsync<VaultProblemException>(() => Client(patience: 5).RequestsAsync());

        Assert.Equal(6, _vault.Calls.Count);
    }

    [Fact]
    public async Task A_certificate_comes_as_text_or_wrapped_in_json()
    {
        _vault.Answer(HttpStatusCode.OK, "datavault\nsigned", "text/plain").Answer(HttpStatusCode.OK, """{"certificate":"datavault\nsigned"}""");

        Assert.Equal("datavault\nsigned", await Client().CertificateAsync(s_id));
        Assert.Equal("datavault\nsigned", await Client().CertificateAsync(s_id));
    }

    [Fact]
    public void Strict_reading_refuses_duplicate_unknown_and_missing_members()
    {
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<WhoCanRequest>("""{"field":"email","field":"phone"}""", VaultJson.Strict));
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<WhoCanRequest>("""{"field":"email","colour":"red"}""", VaultJson.Strict));
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<WhoCanRequest>("""{}""", VaultJson.Strict));
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<WhoCanRequest>("""{"field":null}""", VaultJson.Strict));
        Assert.Equal("email", JsonSerializer.Deserialize<WhoCanRequest>("""{"field":"email"}""", VaultJson.Strict)!.Field);
    }

    [Fact]
    public void Answers_of_a_newer_vault_can_still_be_read()
    {
        var read = JsonSerializer.Deserialize<Page<Receipt>>("""{"items":[{"index":4,"colour":"red"}],"more":1}""", VaultJson.Answers)!;

        Assert.Equal(4, Assert.Single(read.Items).Index);
        Assert.Null(read.Next);
    }
}
