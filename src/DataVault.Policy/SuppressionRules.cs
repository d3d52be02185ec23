namespace DataVault.Policy;

/// <summary>suppression.yaml: whoever was erased at a request is not taken in again from an old file. A keyed hash of each of some identifiers is kept for it, and for nothing else.</summary>
/// <param name="Purpose">What the marks are kept and compared for; its legal basis is theirs.</param>
/// <param name="Ground">Why they are kept, in words: stands in the records of processing and is what an officer answers.</param>
/// <param name="Identifiers">The fields of which a mark is made at an erasure, and which are compared when somebody is taken in.</param>
/// <param name="Months">How long a mark is kept.</param>
public sealed record SuppressionRules(Purpose Purpose, string Ground, IReadOnlyList<FieldDefinition> Identifiers, int Months)
{
    /// <summary>
    /// What makes the marks of two fields the same: an e-mail address is one wherever it stands, a number only in its own field.
    /// </summary>
    public static string KindOf(FieldDefinition field)
    {
        ArgumentNullException.ThrowIfNull(field);
        return field.Rules.Type switch
        {
            ValueType.Email or ValueType.EmailList => "email",
            ValueType.Phone or ValueType.PhoneList => "phone",
            _ => "field:" + field.Name,
        };
    }
}
