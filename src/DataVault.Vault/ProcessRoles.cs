namespace DataVault.Vault;

/// <summary>Roles that processes of the vault have, and no credential.</summary>
public static class ProcessRoles
{
    public static IReadOnlyList<string> All { get; } =
        [.. new[] { SubjectErasure.Eraser, SubjectExport.Exporter, Indexes.IndexedValues.Keeper, AnalyticsFeed.Feeder, LetterBook.Writer }.SelectMany(process => process.Roles).Distinct()];
}
