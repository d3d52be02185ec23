using System.Globalization;
using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

public sealed class JurisdictionTests
{
    private static readonly JurisdictionTable Table = PolicyTexts.Shipped().Jurisdictions;

    private static Jurisdiction Find(string name) => Table.Find(name)!;

    /// <summary>Vectors computed by hand with the holidays of the shipped eu calendar.</summary>
    [Theory]
    [Requirement("R30")]
    [InlineData("2026-03-05", "2026-04-07", "2026-06-05", "2026-04-19", "2026-06-03")]
    [InlineData("2026-05-31", "2026-06-30", "2026-08-31", "2026-07-15", "2026-08-29")]
    [InlineData("2026-08-31", "2026-09-30", "2026-11-30", "2026-10-15", "2026-11-29")]
    [InlineData("2026-10-15", "2026-11-16", "2027-01-15", "2026-11-29", "2027-01-13")]
    [InlineData("2026-11-25", "2026-12-28", "2027-02-25", "2027-01-09", "2027-02-23")]
    [InlineData("2027-01-31", "2027-03-01", "2027-04-30", "2027-03-17", "2027-05-01")]
    [InlineData("2028-01-30", "2028-02-29", "2028-05-02", "2028-03-15", "2028-04-29")]
    public void A_period_ends_on_the_day_that_the_law_counts(string received, string month, string threeMonths, string days, string ninetyDays)
    {
        var at = DateTimeOffset.Parse(received + "T12:00:00Z", CultureInfo.InvariantCulture);
        Assert.Equal(month, LastDay(Find("eu").DueAt(at), "Europe/Brussels"));
        Assert.Equal(threeMonths, LastDay(Find("eu").ExtendedDueAt(at), "Europe/Brussels"));
        Assert.Equal(days, LastDay(Find("us-ca").DueAt(at), "America/Los_Angeles"));
        Assert.Equal(ninetyDays, LastDay(Find("us-ca").ExtendedDueAt(at), "America/Los_Angeles"));
    }

    [Fact]
    [Requirement("R30")]
    public void The_day_of_receipt_is_the_one_on_the_controllers_wall()
    {
        var lateEvening = DateTimeOffset.Parse("2026-08-31T23:30:00+02:00", CultureInfo.InvariantCulture);
        var afterMidnight = DateTimeOffset.Parse("2026-09-01T00:30:00+02:00", CultureInfo.InvariantCulture);
        Assert.Equal(DateTimeOffset.Parse("2026-09-30T21:59:59Z", CultureInfo.InvariantCulture), Find("eu").DueAt(lateEvening));
        Assert.Equal(DateTimeOffset.Parse("2026-10-01T21:59:59Z", CultureInfo.InvariantCulture), Find("eu").DueAt(afterMidnight));
    }

    [Fact]
    [Requirement("R30")]
    public void A_deadline_never_falls_on_a_day_off_nor_before_the_plain_month()
    {
        var eu = Find("eu");
        for (var day = new DateTime(2026, 1, 1, 12, 0, 0, DateTimeKind.Utc); day.Year < 2030; day = day.AddDays(1))
        {
            var received = new DateTimeOffset(day);
            var due = DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(eu.DueAt(received), TimeZoneInfo.FindSystemTimeZoneById("Europe/Brussels")).DateTime);
            Assert.True(due >= DateOnly.FromDateTime(day.AddMonths(1)) && due <= DateOnly.FromDateTime(day.AddMonths(1).AddDays(5)));
            Assert.DoesNotContain(due, eu.Holidays);
            Assert.False(due.DayOfWeek is DayOfWeek.Saturday or DayOfWeek.Sunday);
            Assert.True(eu.ExtendedDueAt(received) > eu.DueAt(received));
        }
    }

    [Fact]
    public void A_regime_without_extension_grants_none()
    {
        var at = PolicyTexts.Now;
        Assert.Equal(Find("cn").DueAt(at), Find("cn").ExtendedDueAt(at));
        Assert.Equal("eu", Table.Default.Name);
        Assert.Null(Table.Find("moon"));
    }

    private static string LastDay(DateTimeOffset due, string zone)
    {
        var local = TimeZoneInfo.ConvertTime(due, TimeZoneInfo.FindSystemTimeZoneById(zone));
        Assert.Equal(new TimeSpan(23, 59, 59), local.TimeOfDay);
        return local.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
    }
}
