using System.Text.RegularExpressions;
using DataVault.Policy.Yaml;

namespace DataVault.Policy.Reading;

/// <summary>Reads the block <c>breach</c> of a regime.</summary>
internal static partial class BreachReader
{
    private const int MostHours = 24 * 366;

    [GeneratedRegex(@"^[A-Z]{2}\z", RegexOptions.CultureInvariant)]
    private static partial Regex Country();

    public static BreachTerms Terms(Section regime)
    {
        if (regime.OptionalMap("breach") is not { } section) return BreachTerms.None;
        var hours = section.OptionalNumber("hours", 1, MostHours);
        var threshold = section.Choice<BreachThreshold>("threshold", BreachThreshold.Risk);
        var contact = section.OptionalMap("dpo") is { } dpo ? Contact(dpo) : null;
        var (authority, countries) = Authorities(section);
        if (hours is not null && authority is null) section.Problem(section.LineOf("hours"), "hours count until an authority is told, and none is named");
        section.Done();
        return new BreachTerms(hours, threshold, contact, authority, countries);
    }

    private static PrivacyContact Contact(Section section)
    {
        var contact = new PrivacyContact(section.Text("name"), section.Text("email"), section.OptionalText("phone"));
        Email(section, contact.Email);
        section.Done();
        return contact;
    }

    private static (AuthorityContact? Own, Dictionary<string, AuthorityContact> ByCountry) Authorities(Section section)
    {
        var byCountry = new Dictionary<string, AuthorityContact>(StringComparer.Ordinal);
        if (section.OptionalMap("authority") is not { } own) return (null, byCountry);
        if (own.Has("countries"))
        {
            foreach (var (country, body) in own.Named("countries"))
            {
                if (!Country().IsMatch(country.Text)) body.Problem(country.Line, $"{country.Text} is not a country: two capital letters of ISO 3166");
                byCountry[country.Text] = One(body, body.OptionalText("address") ?? "");
                body.Done();
            }
        }

        var authority = One(own, own.Text("address"));
        own.Done();
        return (authority, byCountry);
    }

    private static AuthorityContact One(Section section, string address)
    {
        var (name, web, email) = (section.Text("name"), section.Text("web"), section.OptionalText("email"));
        if (web.Length > 0 && !(Uri.TryCreate(web, UriKind.Absolute, out var site) && site.Scheme == Uri.UriSchemeHttps)) section.Problem(section.LineOf("web"), $"{web} is not an https address");
        if (email is not null) Email(section, email);
        return new AuthorityContact(name, address, web) { Email = email };
    }

    private static void Email(Section section, string address)
    {
        if (address.Length > 0 && address.IndexOf('@', StringComparison.Ordinal) is not (> 0)) section.Problem(section.LineOf("email"), $"{address} is not an address");
    }
}
