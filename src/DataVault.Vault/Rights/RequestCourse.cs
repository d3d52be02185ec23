using System.Text.Json;
using System.Text.Json.Serialization;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>The person was asked for something, and the request waits for the answer.</summary>
/// <param name="Cause">One of <see cref="ClockPause.Causes"/>.</param>
/// <param name="From">When.</param>
/// <param name="AnswerBy">Until when an answer is waited for.</param>
/// <param name="Until">When it came, or nobody waited any longer; null while it is open.</param>
internal sealed record RequestQuestion(string Cause, DateTimeOffset From, DateTimeOffset AnswerBy, DateTimeOffset? Until);

/// <summary>Somebody tried to show that they are the person concerned. What they showed is noted elsewhere, for a short time.</summary>
/// <param name="Method">A method of rights.yaml.</param>
/// <param name="Level">What it gave, by the policy of that day; none when it failed.</param>
/// <param name="At">When.</param>
/// <param name="Passed">Whether it succeeded.</param>
internal sealed record IdentityCheck(string Method, Assurance Level, DateTimeOffset At, bool Passed);

/// <summary>An officer decided of some items otherwise than of the rest.</summary>
/// <param name="Items">Codes (<see cref="CatalogueItem.Code"/>).</param>
/// <param name="Reason">A code of <see cref="Justifications"/>.</param>
/// <param name="ReviewAt">Of what an erasure leaves, when somebody looks whether the reason still stands.</param>
/// <param name="Hold">The hold that keeps them from the erasure.</param>
internal sealed record ItemChoice(IReadOnlyList<int> Items, string Reason, DateTimeOffset? ReviewAt, Guid Hold)
{
    /// <summary>Of an objection, ids of the purposes that go on in spite of it.</summary>
    public IReadOnlyList<int> Purposes { get; init; } = [];
}

/// <summary>A purpose that the person objects to (GDPR 21).</summary>
/// <param name="Purpose">Its id.</param>
/// <param name="Absolute">Direct marketing: it stops at once, and nobody weighs (GDPR 21(3)).</param>
internal sealed record ObjectedPurpose(int Purpose, bool Absolute)
{
    /// <summary>Since when it is stopped for this request; null before it is.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Until when; null while it is stopped.</summary>
    public DateTimeOffset? Until { get; init; }

    /// <summary>The person objected to it before: it is not this request's to let go on.</summary>
    public bool Earlier { get; init; }

    [JsonIgnore]
    public bool Stands => Since is not null && Until is null;
}

/// <summary>
/// What happened to a request besides its state: what the person was asked, how their identity was established, what was decided of single items, who agreed.
/// Kept with the row as it is, for it holds codes and times alone; part of the row's seal.
/// </summary>
internal sealed record RequestCourse
{
    private static readonly JsonSerializerOptions s_options = new() { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault };

    public static RequestCourse Empty { get; } = new();

    /// <summary>From when the clock counts: receipt, or that of an earlier open request of the same kind.</summary>
    public DateTimeOffset? CountsFrom { get; init; }

    /// <summary>The earlier open request of the same kind.</summary>
    public Guid? Repeats { get; init; }

    /// <summary>Of a contest, which automated decision; null where the person names none that is on record.</summary>
    public Guid? Decision { get; init; }

    /// <summary>When the person had their answer although something of it is still to come: what a hold leaves of an erasure.</summary>
    public DateTimeOffset? AnsweredAt { get; init; }

    /// <summary>When receipt was acknowledged to the person.</summary>
    public DateTimeOffset? AcknowledgedAt { get; init; }

    /// <summary>The first due date, once it was extended.</summary>
    public DateTimeOffset? FirstDueAt { get; init; }

    /// <summary>Why it was extended.</summary>
    public string? ExtendedFor { get; init; }

    public IReadOnlyList<RequestQuestion> Questions { get; init; } = [];

    public IReadOnlyList<IdentityCheck> Checks { get; init; } = [];

    public IReadOnlyList<ItemChoice> Choices { get; init; } = [];

    /// <summary>Of an objection, what it is to; none of one from before an objection named its purposes.</summary>
    public IReadOnlyList<ObjectedPurpose> Objects { get; init; } = [];

    /// <summary>Rules that made a second officer necessary when the first approved.</summary>
    public IReadOnlyList<string> SecondFor { get; init; } = [];

    /// <summary>Account of the officer who approved first.</summary>
    public string? ApprovedBy { get; init; }

    /// <summary>When they did.</summary>
    public DateTimeOffset? ApprovedAt { get; init; }

    /// <summary>Why some of the values that were wanted of a rectification stay as they are; each reason once.</summary>
    public IReadOnlyList<string> RefusedFor { get; init; } = [];

    /// <summary>Account of the one who agreed.</summary>
    public string? ConfirmedBy { get; init; }

    /// <summary>The highest level that was reached.</summary>
    [JsonIgnore]
    public Assurance Assurance => Checks.Where(check => check.Passed).Select(check => check.Level).DefaultIfEmpty(Assurance.None).Max();

    /// <summary>When the first open question goes unanswered.</summary>
    [JsonIgnore]
    public DateTimeOffset? AnswerBy => Questions.Where(question => question.Until is null).Select(question => (DateTimeOffset?)question.AnswerBy).Min();

    /// <summary>Without open questions: nobody waits for an answer any more.</summary>
    public RequestCourse Answered(DateTimeOffset now) => AnswerBy is null ? this : this with { Questions = [.. Questions.Select(question => question with { Until = question.Until ?? now })] };

    public IReadOnlyList<ClockPause> Pauses() => [.. Questions.Select(question => new ClockPause(question.Cause, question.From, question.Until))];

    /// <summary>Null when nothing happened: rows from before there was a course are as they were.</summary>
    public byte[]? Encode() => this == Empty ? null : JsonSerializer.SerializeToUtf8Bytes(this, s_options);

    public static RequestCourse Decode(byte[]? course) => course is null ? Empty : JsonSerializer.Deserialize<RequestCourse>(course, s_options) ?? Empty;
}
