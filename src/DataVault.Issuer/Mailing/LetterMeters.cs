using System.Diagnostics.Metrics;

namespace DataVault.Issuer.Mailing;

/// <summary>What operators watch of e-mail: numbers alone.</summary>
internal static class LetterMeters
{
    private static readonly Meter Meter = new("DataVault.Issuer");

    private static readonly Gauge<long> Waiting = Meter.CreateGauge<long>("datavault.mail.waiting", "{message}", "E-mail that is not sent yet");

    private static readonly Gauge<long> Dead = Meter.CreateGauge<long>("datavault.mail.dead", "{message}", "E-mail that was given up in the last week");

    public static void Letters(long waiting, long dead)
    {
        Waiting.Record(waiting);
        Dead.Record(dead);
    }
}
