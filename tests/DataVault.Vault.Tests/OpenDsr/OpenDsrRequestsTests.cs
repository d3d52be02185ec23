using System.IO.Compression;
using System.Text;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Vault.Tests.Rights;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace DataVault.Vault.Tests.OpenDsr;

public sealed class OpenDsrRequestsTests : IAsyncLifetime
{
    private const string Host = "privacy.shop.example";
    private static readonly Recipient Controller = new(RecipientKind.Application, "privacy-portal", "Portal", ["opendsr-controller"], ["data-subject-rights"]);
    private static readonly Recipient Other = new(RecipientKind.Application, "other-portal", "Portal", ["opendsr-controller"], ["data-subject-rights"]);
    private static readonly Recipient Administrator = new(RecipientKind.Staff, "admin-1", "admin", ["administrator"], []);

    private readonly RecordedCalls calls = new();
    private bool registered;
    private RightsWorld world = null!;

    private OpenDsrRequests Requests => world.Vault.Get<OpenDsrRequests>();

    public async ValueTask InitializeAsync() => world = await RightsWorld.CreateAsync();

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    public async Task The_same_number_with_the_same_body_gives_the_same_request_and_with_another_body_is_a_conflict()
    {
        await world.PersonAsync("ada");
        var asked = Asked("erasure", "ada@example.com");
        var first = await OpenAsync(asked);
        world.Clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal(first, await OpenAsync(asked));
        Assert.Equal("conflict", (await Assert.ThrowsAsync<VaultException>(() => OpenAsync(asked with { Body = "other"u8.ToArray() }))).Slug);
        Assert.Equal("1", Assert.Single(await world.ListAsync("select count(*)::text from vault.request")));
        // Another controller's numbers are its own.
        Assert.Equal("other-portal", (await Requests.OpenAsync(Other, asked, Guid.NewGuid(), default)).Controller);
    }

    [Theory]
    [InlineData("ada@example.com")]
    [InlineData("nobody@example.com")]
    public async Task Two_at_once_with_the_same_number_are_one_request(string email)
    {
        await world.PersonAsync("ada");
        var asked = Asked("erasure", email);
        var answers = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => OpenAsync(asked))));
        Assert.All(answers, answer => Assert.Equal(answers[0], answer));
        Assert.Equal("1", Assert.Single(await world.ListAsync("select count(*)::text from vault.opendsr_request")));
        Assert.Equal(email[0] == 'a' ? "1" : "0", Assert.Single(await world.ListAsync("select count(*)::text from vault.request")));
    }

    [Fact]
    public async Task An_unknown_identity_is_taken_in_alike_and_is_later_completed_with_no_results()
    {
        await world.PersonAsync("ada");
        var (known, unknown) = (Asked("access", "ada@example.com"), Asked("access", "nobody.knows@example.com"));
        var (one, other) = (await OpenAsync(known), await OpenAsync(unknown));
        Assert.Equal(one with { Id = default }, other with { Id = default });
        Assert.Equal(one with { Id = default, Callbacks = [] }, await GetAsync(unknown) with { Id = default, Callbacks = [] });
        world.Clock.Advance(TimeSpan.FromHours(16));
        Assert.Equal("in_progress", (await GetAsync(unknown)).Status);
        world.Clock.Advance(TimeSpan.FromHours(16));
        var ended = await GetAsync(unknown);
        Assert.Equal(("completed", 0, false, null), (ended.Status, ended.Results, ended.HasResults, ended.Outcome));
        Assert.Empty(await world.TablesNamingAsync("nobody.knows"));
        Assert.Equal("invalid-state", await SlugAsync(() => Requests.ResultsAsync(Controller, unknown.Id, Guid.NewGuid(), default)));
    }

    [Fact]
    public async Task Somebody_unknown_takes_as_long_as_somebody_known_took()
    {
        await world.PersonAsync("ada");
        var known = Asked("erasure", "ada@example.com");
        await OpenAsync(known);
        world.Clock.Advance(TimeSpan.FromDays(4));
        await ApproveAsync(known);
        Assert.Equal("completed", (await GetAsync(known)).Status);
        var unknown = Asked("erasure", "nobody@example.com");
        await OpenAsync(unknown);
        world.Clock.Advance(TimeSpan.FromDays(2.9));
        Assert.Equal("pending", (await GetAsync(unknown)).Status);
        world.Clock.Advance(TimeSpan.FromDays(2.2));
        var (of, like) = (await GetAsync(unknown), await GetAsync(known));
        Assert.Equal((like.Status, like.Results, like.Outcome, like.HasResults), (of.Status, of.Results, of.Outcome, of.HasResults));
    }

    [Fact]
    public async Task The_time_that_is_expected_lies_before_every_law_wants_it()
    {
        await world.PersonAsync("ada");
        var asked = Asked("erasure", "ada@example.com");
        var view = await OpenAsync(asked);
        var due = DateTimeOffset.Parse(Assert.Single(await world.ListAsync("select to_char(due_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') from vault.request")), System.Globalization.CultureInfo.InvariantCulture);
        Assert.True(view.ExpectedAt <= due);
        var request = await RequestOfAsync(asked);
        await world.Requests.ExtendAsync(RightsWorld.Officer, request, "complexity", "There is much of it.", Guid.NewGuid(), default);
        var extended = (await GetAsync(asked)).ExpectedAt;
        Assert.Equal((await world.GetAsync(request)).DueAt, extended);
    }

    [Fact]
    public async Task Identities_that_lead_to_different_people_do_nothing_to_anybody()
    {
        await world.PersonAsync("ada");
        await world.PersonAsync("bob");
        var asked = Asked("erasure", "ada@example.com", ("controller_customer_id", "N-bob"));
        await OpenAsync(asked);
        // The same telephone number, but one person's own address: they agree in one person.
        var agreed = Asked("erasure", "ada@example.com", ("mobile_number", "+447700900123"));
        await OpenAsync(agreed);
        Assert.Equal("1", Assert.Single(await world.ListAsync("select count(*)::text from vault.request")));
        world.Clock.Advance(TimeSpan.FromDays(2));
        Assert.Equal(("completed", "ambiguous"), await GetAsync(asked) is var view ? (view.Status, view.Outcome) : default);
    }

    [Fact]
    public async Task Problems_of_identities_are_told_item_by_item_without_their_values()
    {
        var asked = Asked("erasure", "not-an-address", ("ios_advertising_id", "secret-value"));
        var refused = await Assert.ThrowsAsync<VaultException>(() => OpenAsync(asked));
        Assert.Equal(["/subject_identities/0/identity_value", "/subject_identities/1/identity_type"], refused.Errors.Select(error => error.Pointer));
        Assert.DoesNotContain("not-an-address", JsonSerializer.Serialize(refused.Errors) + refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("not-an-address", asked.ToString() + asked.Identities[0], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ada@example.com")]
    [InlineData("nobody@example.com")]
    public async Task A_request_is_taken_back_while_it_is_pending(string email)
    {
        await world.PersonAsync("ada");
        await RegisterAsync();
        var asked = Asked("erasure", email);
        await OpenAsync(asked);
        Assert.Equal("cancelled", (await CancelAsync(asked)).Status);
        Assert.Equal("cancelled", (await GetAsync(asked)).Status);
        Assert.Equal("invalid-state", await SlugAsync(() => CancelAsync(asked)));
        await DeliverAsync();
        Assert.Equal(["cancelled"], calls.Statuses);
        world.Clock.Advance(TimeSpan.FromDays(3));
        await RoundAsync();
        Assert.Equal("cancelled", (await GetAsync(asked)).Status);
    }

    [Fact]
    public async Task What_is_in_progress_is_not_taken_back_and_stays_as_it_is()
    {
        var ada = await world.PersonAsync("ada");
        await world.Vault.Get<LegalHolds>().PlaceAsync(
            RightsWorld.Officer, new NewHold([ada], ["event:purchase"], [], "legal-claim", "File 12", world.Clock.GetUtcNow().AddDays(90), null), Guid.NewGuid(), default);
        await world.EventsAsync(ada);
        var asked = Asked("erasure", "ada@example.com");
        await OpenAsync(asked);
        await ApproveAsync(asked);
        Assert.Equal("in_progress", (await GetAsync(asked)).Status);
        Assert.Equal("invalid-state", await SlugAsync(() => CancelAsync(asked)));
        Assert.Equal("in_progress", (await GetAsync(asked)).Status);
        var nobodys = Asked("erasure", "nobody@example.com");
        await OpenAsync(nobodys);
        world.Clock.Advance(TimeSpan.FromHours(16));
        Assert.Equal("invalid-state", await SlugAsync(() => CancelAsync(nobodys)));
        Assert.Equal("in_progress", (await GetAsync(nobodys)).Status);
    }

    [Fact]
    public async Task A_refusal_is_completed_with_its_outcome()
    {
        await world.PersonAsync("ada");
        var asked = Asked("erasure", "ada@example.com");
        await OpenAsync(asked);
        await world.Requests.RefuseAsync(RightsWorld.Officer, await RequestOfAsync(asked), "legal-obligation", "The law obliges us to keep it.", Guid.NewGuid(), default);
        var view = await GetAsync(asked);
        Assert.Equal(("completed", "refused", "legal-obligation", 0), (view.Status, view.Outcome, view.Reason, view.Results));
    }

    [Fact]
    public async Task Results_are_fetched_once_by_the_controller_that_asked()
    {
        await world.PersonAsync("ada");
        var asked = Asked("access", "ada@example.com");
        await OpenAsync(asked);
        Assert.Equal("invalid-state", await SlugAsync(() => Requests.ResultsAsync(Controller, asked.Id, Guid.NewGuid(), default)));
        await ApproveAsync(asked);
        Assert.Equal((true, 1), await GetAsync(asked) is var view ? (view.HasResults, view.Results) : default);
        Assert.Equal("not-found", await SlugAsync(() => Requests.ResultsAsync(Other, asked.Id, Guid.NewGuid(), default)));
        Assert.Equal("not-found", await SlugAsync(() => Requests.GetAsync(Other, asked.Id, Guid.NewGuid(), default)));
        await using (var package = await Requests.ResultsAsync(Controller, asked.Id, Guid.NewGuid(), default))
        {
            using var copy = new MemoryStream();
            await package.CopyToAsync(copy, TestContext.Current.CancellationToken);
            using var zip = new ZipArchive(copy);
            Assert.NotEmpty(zip.Entries);
        }

        Assert.Equal("invalid-state", await SlugAsync(() => Requests.ResultsAsync(Controller, asked.Id, Guid.NewGuid(), default)));
        Assert.Equal((false, 1), await GetAsync(asked) is var after ? (after.HasResults, after.Results) : default);
    }

    [Fact]
    public async Task Results_that_have_expired_are_not_fetched()
    {
        await world.PersonAsync("ada");
        var asked = Asked("access", "ada@example.com");
        await OpenAsync(asked);
        await ApproveAsync(asked);
        world.Clock.Advance(TimeSpan.FromDays(15));
        Assert.False((await GetAsync(asked)).HasResults);
        Assert.Equal("invalid-state", await SlugAsync(() => Requests.ResultsAsync(Controller, asked.Id, Guid.NewGuid(), default)));
    }

    [Fact]
    public async Task A_process_that_ends_between_the_change_and_the_callback_leaves_the_callback_to_the_next()
    {
        await world.PersonAsync("ada");
        await RegisterAsync();
        var asked = Asked("erasure", "ada@example.com");
        await OpenAsync(asked);
        await ApproveAsync(asked);
        // Nothing has been told: the process ends with the erasure done.
        await world.RestartAsync();
        await RoundAsync();
        // Told in the outbox, and the process ends before it calls.
        await world.RestartAsync();
        // Called, and the process ends before it notes that.
        await Assert.ThrowsAsync<InvalidOperationException>(() => DeliverAsync(cutOff: true));
        await world.RestartAsync();
        world.Clock.Advance(TimeSpan.FromMinutes(3));
        await DeliverAsync();
        await RoundAsync();
        await DeliverAsync();
        Assert.Equal(["completed", "completed"], calls.Statuses);
        Assert.Single(calls.Ids.Distinct());
        Assert.Empty((await GetAsync(asked)).Callbacks);
    }

    [Fact]
    public async Task A_callback_is_tried_again_ever_more_rarely_and_the_status_says_that_it_is_dead()
    {
        await RegisterAsync();
        var asked = Asked("erasure", "nobody@example.com");
        await OpenAsync(asked);
        await CancelAsync(asked);
        calls.Fails = true;
        for (var attempt = 0; attempt < OutboxStore.DeadAfter; attempt++)
        {
            await DeliverAsync();
            Assert.Equal((attempt + 1, attempt + 1 >= OutboxStore.DeadAfter), Assert.Single((await GetAsync(asked)).Callbacks) is var one ? (one.Attempts, one.IsDead) : default);
            world.Clock.Advance(TimeSpan.FromHours(6));
        }

        var status = Encoding.UTF8.GetString(OpenDsrDocument.StatusOf(await GetAsync(asked), new OpenDsrOptions()));
        Assert.Contains("\"dead\":true", status, StringComparison.Ordinal);
        Assert.Contains("unreachable", status, StringComparison.Ordinal);
        calls.Fails = false;
        world.Clock.Advance(TimeSpan.FromDays(1));
        await DeliverAsync();
        Assert.Empty((await GetAsync(asked)).Callbacks);
    }

    [Fact]
    public async Task A_callback_elsewhere_than_registered_is_refused()
    {
        await RegisterAsync();
        string[] elsewhere =
        [
            "http://privacy.shop.example/callback",
            "https://privacy.shop.example:8443/callback",
            "https://privacy.shop.example.evil.example/callback",
            "https://user:word@privacy.shop.example/callback",
            "https://privacy.shop.example/callback#part",
            "https://127.0.0.1/callback",
            "https://[::1]/callback",
            "https://0x7f000001/callback",
            "ftp://privacy.shop.example/callback",
        ];
        foreach (var address in elsewhere)
        {
            var refused = await Assert.ThrowsAsync<VaultException>(() => OpenAsync(Asked("erasure", "nobody@example.com") with { Callbacks = [new Uri(address)] }));
            Assert.Equal("/status_callback_urls/0", Assert.Single(refused.Errors).Pointer);
        }
    }

    [Fact]
    public async Task A_controller_row_that_somebody_wrote_into_the_database_allows_no_callback()
    {
        await RegisterAsync();
        await world.VaultSqlAsync("update vault.opendsr_controller set callback_hosts = '{evil.example}'");
        Assert.Empty(await world.Vault.Get<OpenDsrControllers>().ListAsync(default));
        Assert.False(await world.Vault.Get<OpenDsrControllers>().AllowsAsync("privacy-portal", new Uri("https://evil.example/"), default));
    }

    [Fact]
    public async Task A_row_that_somebody_pointed_at_another_persons_request_gives_nothing_out()
    {
        await world.PersonAsync("ada");
        var bob = await world.PersonAsync("bob");
        var asked = Asked("access", "ada@example.com");
        await OpenAsync(asked);
        var theirs = await world.OpenAsync(RightsWorld.Customer(bob), RequestKinds.Access, bob);
        await world.VaultSqlAsync($"update vault.opendsr_request set request_id = '{theirs.Id}'");
        Assert.Equal("invalid-state", await SlugAsync(() => Requests.ResultsAsync(Controller, asked.Id, Guid.NewGuid(), default)));
        Assert.Equal("invalid-state", await SlugAsync(() => GetAsync(asked)));
    }

    [Fact]
    public async Task Nobody_but_a_controller_sends_requests()
    {
        var refused = await Assert.ThrowsAsync<VaultException>(() => Requests.OpenAsync(RightsWorld.Support, Asked("erasure", "nobody@example.com"), Guid.NewGuid(), default));
        Assert.Equal("forbidden", refused.Slug);
    }

    private NewOpenDsrRequest Asked(string kind, string email, params (string Type, string Value)[] more) => new(
        Guid.NewGuid(), kind, [new OpenDsrIdentity("email", email), .. more.Select(one => new OpenDsrIdentity(one.Type, one.Value))], [], Encoding.UTF8.GetBytes($"{kind} {email}"))
    { Callbacks = registered ? [new Uri($"https://{Host}/callback?for=request")] : [] };

    private async Task RegisterAsync()
    {
        registered = true;
        await world.Vault.Get<OpenDsrControllers>().RegisterAsync(Administrator, "privacy-portal", [Host], Guid.NewGuid(), default);
    }

    private Task<OpenDsrView> OpenAsync(NewOpenDsrRequest asked) => Requests.OpenAsync(Controller, asked, Guid.NewGuid(), default);

    private Task<OpenDsrView> GetAsync(NewOpenDsrRequest asked) => Requests.GetAsync(Controller, asked.Id, Guid.NewGuid(), default);

    private Task<OpenDsrView> CancelAsync(NewOpenDsrRequest asked) => Requests.CancelAsync(Controller, asked.Id, Guid.NewGuid(), default);

    private async Task ApproveAsync(NewOpenDsrRequest asked)
    {
        var request = await RequestOfAsync(asked);
        Assert.Equal("opendsr:privacy-portal", (await world.GetAsync(request)).OpenedBy);
        await world.Requests.VerifyAsync(RightsWorld.Officer, request, null, Guid.NewGuid(), default, "document-seen");
        await world.ApproveAsync(request);
    }

    private async Task<Guid> RequestOfAsync(NewOpenDsrRequest asked) =>
        Guid.Parse(Assert.Single(await world.ListAsync($"select request_id::text from vault.opendsr_request where dsr_id = '{asked.Id}' and controller = 'privacy-portal'")));

    private Task<bool> RoundAsync() => world.Vault.Get<OpenDsrCourier>().RoundAsync(default);

    private async Task DeliverAsync(bool cutOff = false)
    {
        var worker = new OutboxWorker(world.Vault.Get<OutboxStore>(), world.Vault.Get<LetterMail>(), world.Vault.Get<VaultClock>(), NullLogger<OutboxWorker>.Instance, [calls], world.Vault.Get<RecipientNotices>());
        if (cutOff) worker.Delivered = () => throw new InvalidOperationException("cut off");
        await worker.RunAsync(default);
    }

    private static async Task<string> SlugAsync(Func<Task> call) => (await Assert.ThrowsAsync<VaultException>(call)).Slug;

    private sealed class RecordedCalls : IRecipientCalls
    {
        public bool Fails { get; set; }

        public List<Guid> Ids { get; } = [];

        public List<string> Statuses { get; } = [];

        public Task CallAsync(RecipientCall call, CancellationToken cancellation)
        {
            if (Fails) throw new RecipientCallException("unreachable");
            using var body = JsonDocument.Parse(call.Body);
            Assert.Equal(("opendsr:privacy-portal", $"https://{Host}/callback?for=request"), (call.Recipient, body.RootElement.GetProperty("status_callback_url").GetString()));
            Ids.Add(call.Id);
            Statuses.Add(body.RootElement.GetProperty("request_status").GetString()!);
            return Task.CompletedTask;
        }
    }
}
