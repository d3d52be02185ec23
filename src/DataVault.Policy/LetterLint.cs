namespace DataVault.Policy;

/// <summary>Finds letters that would tell people too little, or reach nobody.</summary>
internal sealed class LetterLint(PolicySet policy)
{
    /// <summary>The process that writes letters and sends them.</summary>
    public const string Process = "rights-letters";

    public IEnumerable<(string File, string Message)> Findings()
    {
        if (policy.Letters is not { } letters) yield break;
        if (policy.Purposes.Controller is null) yield return ("purposes.yaml", "controller is missing: letters would not say who writes");
        foreach (var law in policy.Jurisdictions.All)
        {
            if (law.Breach.Authority is null) yield return ("jurisdictions.yaml", $"{law.Name} names no authority: letters would not say where to complain");
            if (law.Breach.Contact is null) yield return ("jurisdictions.yaml", $"{law.Name} names no contact: letters would not say whom to ask");
        }

        foreach (var field in new[] { letters.AddressField, letters.LanguageField, letters.CountryField }.OfType<FieldDefinition>().Where(field => !IsRead(field)))
            yield return ("letters.yaml", $"no rule lets {Process} read {field.Name} in plain");
        foreach (var language in letters.Languages)
        {
            foreach (var one in policy.Catalogue.Classes.Where(one => language.FindWords("classes", one.Name) is null))
                yield return ($"letters/{language.Tag}.yaml", $"no words for the class {one.Name}");
        }
    }

    private bool IsRead(FieldDefinition field) => policy.Rules.Any(rule =>
        !rule.Forbids && rule.Form == Form.Plain && rule.Actions.Contains(AccessAction.Read) && rule.Items.Contains(field) && rule.Roles.Any(role => role.Name == Process));
}
