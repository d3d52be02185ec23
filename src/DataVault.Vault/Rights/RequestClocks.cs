using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>Where requests stand in time.</summary>
internal static class RequestClocks
{
    /// <summary>By both clocks of the regime that the request is under. What is closed stands where it was when it was answered.</summary>
    public static RequestClock Of(RequestRow row, JurisdictionTable laws, DateTimeOffset now)
    {
        var course = row.Course;
        var until = row.CompletedAt ?? course.AnsweredAt ?? now;
        // Rows from before there was a course know their due date alone.
        if (course.CountsFrom is not { } from) return Known(row, until);
        var clock = laws.OrDefault(row.Jurisdiction).ClockOf(from, row.ExtendedAt is not null, course.Pauses(), until);
        return row.CompletedAt is null ? clock : clock with { StandsStill = false };
    }

    private static RequestClock Known(RequestRow row, DateTimeOffset until)
    {
        var share = (until - row.OpenedAt) / (row.DueAt - row.OpenedAt);
        return new RequestClock(row.DueAt, row.DueAt, row.DueAt, Math.Max(0, share), share >= 0.9 ? 90 : share >= 0.75 ? 75 : share >= 0.5 ? 50 : 0, until > row.DueAt, StandsStill: false);
    }
}
