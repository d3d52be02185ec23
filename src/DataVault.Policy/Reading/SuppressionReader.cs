using DataVault.Policy.Yaml;

namespace DataVault.Policy.Reading;

/// <summary>Reads suppression.yaml.</summary>
internal static class SuppressionReader
{
    private static readonly ValueType[] Kinds = [ValueType.Email, ValueType.EmailList, ValueType.Phone, ValueType.PhoneList, ValueType.Text];

    public static SuppressionRules? Suppression(Section? section, Catalogue catalogue, PurposeRegistry purposes)
    {
        if (section is null) return null;
        var named = section.Text("purpose");
        var purpose = purposes.Find(named);
        if (purpose is null) section.Problem(section.LineOf("purpose"), $"unknown purpose {named}");
        else if (purpose.NeedsConsent) section.Problem(section.LineOf("purpose"), $"{named} rests on consent: whoever was erased gives none");
        var (ground, months) = (section.Text("ground"), section.Number("months", 1, 240));
        var fields = Identifiers(section, catalogue);
        section.Done();
        return purpose is null ? null : new SuppressionRules(purpose, ground, fields, months);
    }

    private static List<FieldDefinition> Identifiers(Section section, Catalogue catalogue)
    {
        var fields = new List<FieldDefinition>();
        foreach (var word in section.Words("identifiers"))
        {
            var field = catalogue.Find(word.Text);
            if (field is null) section.Problem(word.Line, $"unknown field {word.Text}");
            else if (!Kinds.Contains(field.Rules.Type)) section.Problem(word.Line, $"{word.Text} is no identifier: an e-mail address, a telephone number or a text is");
            else if (!catalogue.IsIndexed(field)) section.Problem(word.Line, $"{word.Text} has no index: nobody is known by it");
            else fields.Add(field);
        }

        if (fields.Count == 0) section.Problem(section.LineOf("identifiers"), "no identifier is named");
        return fields;
    }
}
