using Xunit;

namespace DataVault.Vault.Tests.Rights;

public sealed class RequestLifecycleTests
{
    private static readonly Dictionary<(string, RequestAct), string> Lawful = new()
    {
        [(RequestStates.Received, RequestAct.Verify)] = RequestStates.Verified,
        [(RequestStates.Received, RequestAct.Refuse)] = RequestStates.Refused,
        [(RequestStates.Received, RequestAct.Extend)] = RequestStates.Received,
        [(RequestStates.Verified, RequestAct.Approve)] = RequestStates.Approved,
        [(RequestStates.Verified, RequestAct.Refuse)] = RequestStates.Refused,
        [(RequestStates.Verified, RequestAct.Extend)] = RequestStates.Verified,
        [(RequestStates.Approved, RequestAct.Complete)] = RequestStates.Completed,
        [(RequestStates.Approved, RequestAct.Extend)] = RequestStates.Approved,
        [(RequestStates.Confirming, RequestAct.Approve)] = RequestStates.Approved,
        [(RequestStates.Confirming, RequestAct.Refuse)] = RequestStates.Refused,
        [(RequestStates.Confirming, RequestAct.Extend)] = RequestStates.Confirming,
        [(RequestStates.Confirming, RequestAct.Choose)] = RequestStates.Verified,
        [(RequestStates.Received, RequestAct.Choose)] = RequestStates.Received,
        [(RequestStates.Verified, RequestAct.Choose)] = RequestStates.Verified,
        [(RequestStates.Received, RequestAct.Expire)] = RequestStates.Expired,
        [(RequestStates.Verified, RequestAct.Expire)] = RequestStates.Expired,
        [(RequestStates.Confirming, RequestAct.Expire)] = RequestStates.Expired,
    };

    private static string? LawfulOf(string state, RequestAct act) =>
        act is RequestAct.Ask or RequestAct.Answer or RequestAct.Acknowledge && RequestStates.Open.Contains(state) ? state
        : act == RequestAct.Withdraw && RequestStates.Open.Contains(state) ? RequestStates.Withdrawn : Lawful.GetValueOrDefault((state, act));

    [Fact]
    public void Every_pair_of_state_and_act_is_either_lawful_or_refused()
    {
        foreach (var state in RequestStates.All)
            foreach (var act in Enum.GetValues<RequestAct>())
                Assert.Equal(LawfulOf(state, act), RequestLifecycle.Next(RequestKinds.Rectification, state, act));
    }

    [Fact]
    public void A_contest_is_completed_once_it_is_verified_and_never_approved()
    {
        foreach (var state in RequestStates.All)
            foreach (var act in Enum.GetValues<RequestAct>())
                Assert.Equal(
                    (state, act) switch
                    {
                        (RequestStates.Verified, RequestAct.Complete) => RequestStates.Completed,
                        (_, RequestAct.Approve or RequestAct.Choose) => null,
                        _ => LawfulOf(state, act),
                    },
                    RequestLifecycle.Next(RequestKinds.Contest, state, act));
    }

    [Fact]
    public void A_closed_request_allows_nothing()
    {
        foreach (var act in Enum.GetValues<RequestAct>())
        {
            foreach (var state in RequestStates.All.Except(RequestStates.Open))
                Assert.All(RequestKinds.All, kind => Assert.Null(RequestLifecycle.Next(kind, state, act)));
        }
    }
}

public sealed class SafeCsvTests
{
    [Theory]
    [InlineData("=1+1")]
    [InlineData("+44770090")]
    [InlineData("-cmd|' /C calc'!A0")]
    [InlineData("@SUM(A1)")]
    [InlineData("\t=1")]
    [InlineData("\r=1")]
    [InlineData("\n=1")]
    [InlineData("＝1")]
    public void A_cell_that_a_spreadsheet_would_run_gets_an_apostrophe(string cell) => Assert.Equal("'" + cell, SafeCsv.Neutral(cell));

    [Theory]
    [InlineData("")]
    [InlineData("plain")]
    [InlineData("-12.50")]
    [InlineData("a=b")]
    public void An_ordinary_cell_stays_as_it_is(string cell) => Assert.Equal(cell, SafeCsv.Neutral(cell));

    [Fact]
    public void Quotes_commas_and_line_breaks_are_quoted()
    {
        using var stream = new MemoryStream();
        using (var csv = new SafeCsv(stream, "a", "b"))
            csv.Row("x,\"y\"", "line\r\nbreak");
        Assert.Equal("\uFEFFa,b\r\n\"x,\"\"y\"\"\",\"line\r\nbreak\"\r\n", System.Text.Encoding.UTF8.GetString(stream.ToArray()));
    }
}
