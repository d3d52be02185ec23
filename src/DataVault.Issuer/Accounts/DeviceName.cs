namespace DataVault.Issuer.Accounts;

/// <summary>A browser and a kind of machine in words by which somebody knows their own again: coarse on purpose, and without a version.</summary>
internal static class DeviceName
{
    // The first that is found says it: Edge and Opera say Chrome as well, Chrome says Safari, Android says Linux.
    private static readonly (string Mark, string Name)[] Browsers =
        [("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari")];

    private static readonly (string Mark, string Name)[] Machines =
        [("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "Mac"), ("CrOS", "ChromeOS"), ("Linux", "Linux")];

    public static string Of(string userAgent) => $"{Find(Browsers, userAgent) ?? "A browser"}, {Find(Machines, userAgent) ?? "unknown machine"}";

    private static string? Find((string Mark, string Name)[] known, string userAgent) =>
        known.FirstOrDefault(one => userAgent.Contains(one.Mark, StringComparison.Ordinal)).Name;
}
