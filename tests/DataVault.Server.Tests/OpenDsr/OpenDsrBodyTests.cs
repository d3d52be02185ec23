using System.Text;
using System.Text.Json.Nodes;
using DataVault.Server.Http;
using DataVault.Server.OpenDsr;
using Microsoft.Extensions.Configuration;

namespace DataVault.Server.Tests.OpenDsr;

/// <summary>Bodies of controllers are read strictly, and what is wrong is told without what was sent.</summary>
public sealed class OpenDsrBodyTests
{
    private const string Planted = "planted.person@example.com";
    private static readonly DateTimeOffset Now = new(2031, 3, 2, 15, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_whole_request_is_read()
    {
        var read = Read(Body());
        Assert.Equal(("a7551968-d5d6-44b2-9831-815ac9017798", "erasure"), (read.Id.ToString(), read.Kind));
        Assert.Equal(("email", Planted), Assert.Single(read.Identities) is var one ? (one.Type, one.Value) : default);
        Assert.Equal("https://privacy.shop.example/opendsr", Assert.Single(read.Callbacks).OriginalString);
    }

    [Theory]
    [InlineData("A7551968-D5D6-44B2-9831-815AC9017798")]
    [InlineData("a7551968-d5d6-44b2-9831-815ac901779F")]
    [InlineData("{a7551968-d5d6-44b2-9831-815ac9017798}")]
    [InlineData("a7551968d5d644b29831815ac9017798")]
    public void An_upper_case_UUID_is_refused(string id) => AssertRefused("/subject_request_id", body => body["subject_request_id"] = id);

    [Theory]
    [InlineData("a7551968-d5d6-11b2-9831-815ac9017798")]
    [InlineData("01980c5e-5c1b-7a64-9d2a-0f4b1f3c9e77")]
    [InlineData("a7551968-d5d6-44b2-c831-815ac9017798")]
    [InlineData("00000000-0000-0000-0000-000000000000")]
    public void A_UUID_of_version_1_or_another_is_refused(string id) => AssertRefused("/subject_request_id", body => body["subject_request_id"] = id);

    [Fact]
    public void A_submitted_time_that_lies_more_than_five_minutes_ahead_is_refused()
    {
        AssertRefused("/submitted_time", body => body["submitted_time"] = "2031-03-02T15:05:01Z");
        AssertRefused("/submitted_time", body => body["submitted_time"] = "2031-03-02T17:05:01+02:00");
        Assert.NotNull(Read(Body(body => body["submitted_time"] = "2031-03-02T15:04:59Z")));
        AssertRefused("/submitted_time", body => body["submitted_time"] = "2 March 2031");
        AssertRefused("/submitted_time", body => body["submitted_time"] = "2031-02-30T15:00:00Z");
    }

    [Theory]
    [InlineData("regulation")]
    [InlineData("subject_request_id")]
    [InlineData("subject_request_type")]
    [InlineData("submitted_time")]
    [InlineData("subject_identities")]
    public void A_member_that_is_required_is_missed(string member) => AssertRefused("/" + member, body => body.Remove(member));

    [Fact]
    public void Regulation_may_be_absent_only_where_the_operator_said_so()
    {
        var lenient = Body(body => body.Remove("regulation"));
        Assert.NotNull(OpenDsrBody.Read(Encoding.UTF8.GetBytes(lenient), Settings(("OpenDsr:LenientRegulation", "true")), Now));
        AssertRefused("/regulation", body => body["regulation"] = "other");
    }

    [Theory]
    [InlineData("rectification")]
    [InlineData("ERASURE")]
    public void A_right_that_discovery_does_not_name_is_refused(string kind) => AssertRefused("/subject_request_type", body => body["subject_request_type"] = kind);

    [Theory]
    [InlineData("sha256")]
    [InlineData("sha1")]
    [InlineData("md5")]
    [InlineData("plain")]
    public void A_format_that_discovery_does_not_name_is_refused(string format) =>
        AssertRefused("/subject_identities/0/identity_format", body => body["subject_identities"]![0]!["identity_format"] = format);

    [Fact]
    public void Problems_of_several_items_are_told_together()
    {
        var refused = Refused(Body(body => body["subject_identities"] = new JsonArray(
            new JsonObject { ["identity_type"] = "email", ["identity_value"] = Planted }, JsonValue.Create(7), new JsonObject { ["identity_type"] = "email", ["identity_value"] = "", ["identity_format"] = "raw" })));
        Assert.Equal(["/subject_identities/0/identity_format", "/subject_identities/1", "/subject_identities/2/identity_value"], refused.Errors.Select(error => error.Pointer));
    }

    [Fact]
    public void A_member_that_stands_twice_is_refused_at_any_depth()
    {
        Assert.Equal("duplicate-member", Assert.Single(Refused(Body().Replace("\"regulation\"", "\"regulation\":\"gdpr\",\"regulation\"", StringComparison.Ordinal)).Errors).Code);
        Assert.Equal("duplicate-member", Assert.Single(Refused(Body().Replace("\"identity_format\"", "\"identity_format\":\"raw\",\"identity_format\"", StringComparison.Ordinal)).Errors).Code);
    }

    [Fact]
    public void More_items_than_anybody_needs_are_refused()
    {
        AssertRefused("/status_callback_urls", body => body["status_callback_urls"] = new JsonArray([.. Enumerable.Range(0, 6).Select(JsonNode (i) => $"https://privacy.shop.example/{i}")]));
        AssertRefused("/subject_identities", body => body["subject_identities"] = new JsonArray([.. Enumerable.Range(0, 21).Select(_ => body["subject_identities"]![0]!.DeepClone())]));
        AssertRefused("/subject_identities", body => body["subject_identities"] = new JsonArray());
    }

    private static void AssertRefused(string pointer, Action<JsonObject> change)
    {
        var refused = Refused(Body(change));
        Assert.Equal(("invalid-request", pointer), (refused.Slug, Assert.Single(refused.Errors).Pointer));
        Assert.DoesNotContain(Planted, string.Join(' ', refused.Errors) + refused.Message + refused.Detail, StringComparison.Ordinal);
    }

    private static ProblemException Refused(string body) => Assert.Throws<ProblemException>(() => Read(body));

    private static Vault.NewOpenDsrRequest Read(string body) => OpenDsrBody.Read(Encoding.UTF8.GetBytes(body), Settings(), Now);

    internal static OpenDsrSettings Settings(params (string Name, string Value)[] settings) => new(
        new ConfigurationBuilder().AddInMemoryCollection(settings.Select(one => KeyValuePair.Create(one.Name, (string?)one.Value))).Build(), development: true, "https://vault.example");

    private static string Body(Action<JsonObject>? change = null)
    {
        var body = JsonNode.Parse(
            $$"""
            { "api_version": "2.0", "regulation": "gdpr", "subject_request_id": "a7551968-d5d6-44b2-9831-815ac9017798", "subject_request_type": "erasure", "submitted_time": "2031-03-02T15:00:00Z",
              "subject_identities": [ { "identity_type": "email", "identity_value": "{{Planted}}", "identity_format": "raw" } ],
              "status_callback_urls": ["https://privacy.shop.example/opendsr"], "extensions": { "opendsr.somebody.example": { "more": [1] } } }
            """)!.AsObject();
        change?.Invoke(body);
        return body.ToJsonString();
    }
}
