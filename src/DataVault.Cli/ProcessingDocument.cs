using System.Globalization;
using System.Text;
using DataVault.Client.Wire;

namespace DataVault.Cli;

/// <summary>A record of processing activities as Markdown, for whoever must hand one to an authority.</summary>
internal static class ProcessingDocument
{
    public static string Of(ProcessingRecordView record)
    {
        var text = new StringBuilder();
        text.Append("# Record of processing activities\n\n");
        if (record.Controller is { } controller) text.Append(CultureInfo.InvariantCulture, $"Controller: {Line(controller.Name)}, {Line(controller.Address)}, {Line(controller.Contact)}\n\n");
        text.Append(CultureInfo.InvariantCulture, $"Made {record.MadeAt:u} from the policy version `{record.Policy}`; acts are those that the log shows since {record.From:yyyy-MM-dd}.\n");
        foreach (var activity in record.Activities) Append(text, activity);
        if (record.UnknownPurposes.Count > 0)
        {
            text.Append("\n## Not declared\n\nPurposes that the log shows and nothing in force declares:\n\n");
            foreach (var count in record.UnknownPurposes) text.Append(CultureInfo.InvariantCulture, $"- `{count.Name}`: {count.Entries} acts\n");
        }

        Append(text, record.Recipients);
        Append(text, record.Models);
        text.Append("\n## State of the log\n\n```\n").Append(record.Checkpoint.TrimEnd()).Append("\n```\n");
        return text.ToString();
    }

    private static void Append(StringBuilder text, ProcessingActivityView activity)
    {
        text.Append(CultureInfo.InvariantCulture, $"\n## {Line(activity.Title)}\n\n");
        text.Append(CultureInfo.InvariantCulture, $"Purpose `{activity.Purpose}` ({activity.Dpv}); basis: {activity.LegalBasis}");
        if (activity.SpecialBasis is { } special) text.Append(CultureInfo.InvariantCulture, $", {special}");
        text.Append(CultureInfo.InvariantCulture, $"; notice {activity.NoticeVersion}.\n\n");
        if (activity.Assessment is { } assessment)
            text.Append(CultureInfo.InvariantCulture, $"Impact assessment {Line(assessment.Reference ?? "(none)")} ({string.Join(", ", assessment.Criteria)}), to be reviewed {assessment.Review:yyyy-MM-dd}{(assessment.Overdue ? ", **overdue**" : "")}.\n\n");
        text.Append("| category | items | kept |\n|---|---|---|\n");
        foreach (var category in activity.Categories)
            text.Append(CultureInfo.InvariantCulture, $"| {category.Category}{(category.Special ? " (special)" : "")}{(category.Used ? "" : " (declared, unused)")} | {string.Join(", ", category.Items)} | {Line(string.Join("; ", category.Retention))} |\n");
        text.Append("\n| who | may | sees |\n|---|---|---|\n");
        foreach (var role in activity.Roles)
            text.Append(CultureInfo.InvariantCulture, $"| {Line(role.Title)} | {string.Join(", ", role.Actions)} | {string.Join(", ", role.Forms)} |\n");
        text.Append(activity.Entries == 0 ? "\nDeclared, and not used in this time.\n" : string.Create(CultureInfo.InvariantCulture, $"\nActs: {activity.Entries}, by {string.Join(", ", activity.Actors.Select(actor => $"{Line(actor.Name)} ({actor.Entries})"))}.\n"));
        if (activity.Undeclared.Count > 0) text.Append(CultureInfo.InvariantCulture, $"\n**Handled, and declared by no rule in force: {string.Join(", ", activity.Undeclared)}.**\n");
    }

    private static void Append(StringBuilder text, IReadOnlyList<ProcessingRecipientView> recipients)
    {
        if (recipients.Count == 0) return;
        text.Append("\n## Recipients\n\n| who | is | country | agreement | transfer | sub-processors | disclosures |\n|---|---|---|---|---|---|---|\n");
        foreach (var (recipient, entries, purposes) in recipients)
        {
            var transfer = recipient.Transfer is { } ground ? $"{ground.Mechanism}: {ground.Reference}" : "";
            var used = entries == 0 ? "declared, and none in this time" : string.Create(CultureInfo.InvariantCulture, $"{entries} for {string.Join(", ", purposes)}");
            text.Append(CultureInfo.InvariantCulture, $"| {Line(recipient.Title)} | {recipient.Role} | {recipient.Country} | {Line(recipient.Agreement ?? "")} | {Line(transfer)} | ");
            text.Append(CultureInfo.InvariantCulture, $"{Line(string.Join("; ", recipient.SubProcessors.Select(sub => $"{sub.Name} ({sub.Country})")))} | {used} |\n");
        }
    }

    private static void Append(StringBuilder text, IReadOnlyList<ModelView> models)
    {
        if (models.Count == 0) return;
        text.Append("\n## Automated decisions\n\n| model | purpose | by | alone, significant | ground | reviewed by | assessment | answers for it |\n|---|---|---|---|---|---|---|---|\n");
        foreach (var model in models)
        {
            var ground = model.Ground is { } one ? $"{one.Basis}: {one.Reference ?? one.Consent}" : "";
            text.Append(CultureInfo.InvariantCulture, $"| {Line(model.Title.GetValueOrDefault("en", model.Name))} | {model.Purpose} | {string.Join(", ", model.Categories)} | ");
            text.Append(CultureInfo.InvariantCulture, $"{(model.Solely ? "yes" : "no")}, {(model.Significant ? "yes" : "no")} | {Line(ground)} | {string.Join(", ", model.Reviewers)} | {Line(model.Assessment ?? "")} | {Line(model.Owner)} |\n");
        }
    }

    // Words of the policy and names of applications: none of them begins a cell or a heading.
    private static string Line(string words) => words.ReplaceLineEndings(" ").Replace("|", "\\|", StringComparison.Ordinal);
}
