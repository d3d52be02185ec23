namespace DataVault.Issuer;

/// <summary>Who a token or an account belongs to. Realms share no account: the same address in two realms is two accounts.</summary>
public enum Realm
{
    Application,
    Staff,
    Customer,
}

/// <summary>Wire names of <see cref="Realm"/>, as in the claim <c>realm</c>.</summary>
public static class RealmNames
{
    public static string Of(Realm realm) => realm switch
    {
        Realm.Application => "application",
        Realm.Staff => "staff",
        Realm.Customer => "customer",
        _ => throw new ArgumentOutOfRangeException(nameof(realm)),
    };

    /// <summary>Null for the vault itself.</summary>
    public static string? OfOrNone(Realm? realm) => realm is { } known ? Of(known) : null;

    public static bool TryParse(string? text, out Realm realm)
    {
        realm = text switch { "staff" => Realm.Staff, "customer" => Realm.Customer, _ => Realm.Application };
        return text is "staff" or "customer" or "application";
    }
}
