namespace DataVault.Vault;

/// <summary>A page of rows that are listed newest first, by ids that grow with time; the cursor is the id of the last row shown.</summary>
/// <param name="Limit">Most rows of the page.</param>
/// <param name="Before">Only rows older than this one; null: from the newest on.</param>
internal readonly record struct NewestFirst(int Limit, Guid? Before)
{
    public const int Largest = 200;

    /// <summary>How many rows to look for: one more than is shown tells that there are further ones.</summary>
    public int Sought => Limit + 1;

    /// <exception cref="VaultException">invalid-request: the limit or the cursor is not valid.</exception>
    public static NewestFirst Read(int limit, string? cursor)
    {
        if (limit is < 1 or > Largest) throw VaultException.BadRequest($"The limit is between 1 and {Largest}.");
        if (cursor is null) return new NewestFirst(limit, null);
        return new NewestFirst(limit, Guid.TryParseExact(cursor, "N", out var id) ? id : throw VaultException.BadRequest("The cursor is not valid."));
    }

    /// <summary>The rows to show, and the cursor of those behind them; null where there are none.</summary>
    public (IReadOnlyList<T> Shown, string? Next) Cut<T>(IReadOnlyList<T> rows, Func<T, Guid> idOf) =>
        ([.. rows.Take(Limit)], rows.Count > Limit ? idOf(rows[Limit - 1]).ToString("N") : null);
}
