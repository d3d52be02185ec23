using System.Globalization;
using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

/// <summary>Both clocks of a request, over every regime that is shipped.</summary>
public sealed class RequestClockTests
{
    private static readonly JurisdictionTable Table = PolicyTexts.Shipped().Jurisdictions;
    private static readonly string[] Zones = ["Europe/Brussels", "Europe/London", "America/Los_Angeles", "Asia/Shanghai"];

    private static Jurisdiction Find(string name) => Table.Find(name)!;

    /// <summary>
    /// The day of receipt is the one on the controller's wall; the end is its last second there, in summer and winter; the same for every second of the day; an
    /// extension counts from receipt and ends later; no clock ends before the plain period.
    /// </summary>
    [Fact]
    [Requirement("R30", "R31")]
    public void Whatever_the_hour_of_receipt_the_last_day_is_that_of_the_wall_also_when_the_clocks_change()
    {
        foreach (var (law, zone) in Table.All.OrderBy(law => Array.IndexOf(["eu", "uk", "us-ca", "cn"], law.Name)).Zip(Zones.Select(TimeZoneInfo.FindSystemTimeZoneById)))
        {
            for (var day = new DateOnly(2027, 10, 1); day.Year < 2029; day = day.AddDays(1))
            {
                var (first, last) = (At(day, TimeOnly.MinValue, zone), At(day, new TimeOnly(23, 30), zone));
                var due = law.DueAt(first);
                Assert.Equal(due, law.DueAt(last));
                Assert.Equal(new TimeSpan(23, 59, 59), TimeZoneInfo.ConvertTime(due, zone).TimeOfDay);
                var plain = law.DueRule == "months" ? day.AddMonths(law.Amount) : day.AddDays(law.Amount);
                Assert.True(law.DayOf(due) >= plain && law.DayOf(due) <= plain.AddDays(5));
                Assert.True(law.ExtensionAmount == 0 || law.DayOf(law.ExtendedDueAt(first)) >= (law.DueRule == "months" ? day.AddMonths(law.Amount + law.ExtensionAmount) : day.AddDays(law.Amount + law.ExtensionAmount)));
            }
        }
    }

    [Theory]
    [InlineData("2026-08-31T23:30:00+02:00", "2026-09-30")]
    [InlineData("2028-01-31T23:30:00+01:00", "2028-02-29")]
    [InlineData("2027-01-31T23:30:00+01:00", "2027-03-01")]
    [InlineData("2026-03-28T23:30:00+01:00", "2026-04-28")]
    [InlineData("2026-10-24T23:30:00+02:00", "2026-11-24")]
    [Requirement("R30")]
    public void Half_an_hour_before_midnight_is_still_that_day(string received, string due) =>
        Assert.Equal(due, Find("eu").DayOf(Find("eu").DueAt(Instant(received))).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));

    /// <summary>Received on 31 January: a month ends on 28 February and three on 30 April, not on the 28th that two after it would give.</summary>
    [Fact]
    [Requirement("R31")]
    public void An_extension_is_not_counted_from_a_first_date_that_was_cut_short()
    {
        var received = Instant("2027-01-31T12:00:00+01:00");
        var clock = Find("eu").ClockOf(received, extended: true, [], received);
        Assert.Equal(new DateOnly(2027, 4, 30), Find("eu").DayOf(clock.DueAt));
        Assert.Equal(clock.StrictDueAt, clock.PausedDueAt);
    }

    /// <summary>Random questions that are answered or not: union of whole days, never less than the strict clock, in any order, and nothing where the regime stops for nothing.</summary>
    [Fact]
    [Requirement("R36")]
    public void Pauses_add_up_to_the_days_of_their_union_whatever_their_order()
    {
        var random = new Random(36);
        for (var round = 0; round < 2_000; round++)
        {
            var law = Table.All[random.Next(Table.All.Count)];
            var received = Instant("2026-05-31T10:00:00Z").AddMinutes(random.Next(1_000_000));
            var now = received.AddDays(random.Next(1, 40));
            var pauses = Enumerable.Range(0, random.Next(5)).Select(_ =>
            {
                var from = received.AddHours(random.Next(24 * 20));
                return new ClockPause(ClockPause.Causes[random.Next(3)], from, random.Next(4) == 0 ? null : from.AddHours(random.Next(24 * 10)));
            }).ToList();
            var clock = law.ClockOf(received, extended: false, pauses, now);
            Assert.Equal(clock with { Escalation = 0 }, law.ClockOf(received, extended: false, [.. pauses.OrderBy(_ => random.Next())], now) with { Escalation = 0 });
            Assert.Equal(law.DueAt(received), clock.StrictDueAt);
            Assert.True(clock.PausedDueAt >= clock.StrictDueAt);
            Assert.Equal(law.PausesBind ? clock.PausedDueAt : clock.StrictDueAt, clock.DueAt);
            var days = DaysOf(law, pauses, now);
            Assert.True(clock.PausedDueAt >= clock.StrictDueAt.AddDays(Math.Max(0, days - 6)) && law.DayOf(clock.PausedDueAt).DayNumber <= law.DayOf(clock.StrictDueAt).DayNumber + days + 5);
            if (!pauses.Any(pause => law.Stops.Contains(pause.Cause))) Assert.Equal(clock.StrictDueAt, clock.PausedDueAt);
            Assert.False(clock is { StandsStill: true, Overdue: true });
        }
    }

    [Fact]
    [Requirement("R36")]
    public void Two_questions_at_once_stop_the_clock_once_and_a_question_of_hours_stops_no_day()
    {
        var uk = Find("uk");
        var received = Instant("2026-09-01T09:00:00Z");
        ClockPause Of(string cause, int from, int until) => new(cause, received.AddDays(from), received.AddDays(until));
        Assert.Equal(new DateOnly(2026, 10, 1), uk.DayOf(uk.DueAt(received)));
        Assert.Equal(new DateOnly(2026, 10, 7), Due(Of("identity", 2, 8), Of("fee", 4, 6)));
        Assert.Equal(new DateOnly(2026, 10, 9), Due(Of("identity", 2, 6), Of("fee", 4, 10)));
        Assert.Equal(new DateOnly(2026, 10, 1), Due(new ClockPause("fee", received.AddHours(1), received.AddHours(9))));
        DateOnly Due(params ClockPause[] pauses) => uk.DayOf(uk.ClockOf(received, false, pauses, received.AddDays(20)).DueAt);
    }

    [Fact]
    [Requirement("R30")]
    public void A_request_is_raised_at_half_three_quarters_and_nine_tenths_of_its_time_and_late_after_it()
    {
        var received = Instant("2026-06-01T00:00:00+02:00");
        var span = Find("eu").DueAt(received) - received;
        foreach (var (share, raised, late) in new[] { (0.49, 0, false), (0.51, 50, false), (0.76, 75, false), (0.91, 90, false), (1.01, 90, true) })
        {
            var clock = Find("eu").ClockOf(received, false, [], received + (span * share));
            Assert.Equal((raised, late), (clock.Escalation, clock.Overdue));
            Assert.Equal(share, clock.Elapsed, 2);
        }
    }

    /// <summary>Whether the day of receipt is one of California's 45 is open: the vault is late a day before the law may be.</summary>
    [Fact]
    [Requirement("R30")]
    public void California_is_late_a_day_earlier_and_acknowledges_within_ten_working_days()
    {
        var law = Find("us-ca");
        var received = Instant("2026-11-20T12:00:00-08:00");
        Assert.True(law.ClockOf(received, false, [], law.DueAt(received).AddHours(-23)).Overdue);
        Assert.False(law.ClockOf(received, false, [], law.DueAt(received).AddHours(-25)).Overdue);
        Assert.Equal(new DateOnly(2026, 12, 7), law.DayOf(law.AcknowledgeBy(received)!.Value));
        Assert.Null(Find("eu").AcknowledgeBy(received));
    }

    private static int DaysOf(Jurisdiction law, IReadOnlyList<ClockPause> pauses, DateTimeOffset now)
    {
        var stopped = new HashSet<int>();
        foreach (var pause in pauses.Where(pause => law.Stops.Contains(pause.Cause) && (pause.Until ?? now) > pause.From))
            for (var day = law.DayOf(pause.From).DayNumber; day < law.DayOf(pause.Until ?? now).DayNumber; day++) stopped.Add(day);
        return stopped.Count;
    }

    private static DateTimeOffset At(DateOnly day, TimeOnly time, TimeZoneInfo zone)
    {
        var local = day.ToDateTime(time);
        return new DateTimeOffset(local, zone.GetUtcOffset(local));
    }

    private static DateTimeOffset Instant(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);
}
