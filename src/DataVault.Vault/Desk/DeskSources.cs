namespace DataVault.Vault;

/// <summary>
/// Rows of the database that a figure counts. The list behind the figure is read by the same words, so that the two cannot disagree.
/// </summary>
/// <param name="Tile">Of which tile.</param>
/// <param name="Figure">Which figure.</param>
/// <param name="Rows">
/// A select of <c>at</c> (by which rows are in order), <c>key</c> (text, of one row), <c>of</c> (text), and then the columns. Parameters: see <see cref="DeskReader"/>.
/// </param>
internal sealed record DeskSource(string Tile, string Figure, string Rows)
{
    public required IReadOnlyList<DeskColumn> Columns { get; init; }

    /// <summary>What a row's key is the number of.</summary>
    public string? About { get; init; }

    /// <summary>Whether any row of it is one too many; by what it is of.</summary>
    public Func<string?, bool> Red { get; init; } = _ => false;

    /// <summary>Groups that are shown without rows too.</summary>
    public IReadOnlyList<string> Groups { get; init; } = [];
}

/// <summary>What the desk counts in the database, all of it found by an index.</summary>
internal static class DeskSources
{
    // Open is what is not closed, whatever the states are called; of an erased person the row that is left until the certificate is there.
    private const string OpenRequests =
        """
        (select request_id, subject_id, kind, state, jurisdiction, opened_at, due_at, extended_at, answer_by, log_index from vault.request where completed_at is null
         union all
         select request_id, null::uuid, kind, state, jurisdiction, opened_at, due_at, extended_at, null::timestamptz, log_index from vault.closed_request where completed_at is null) r
        """;

    private const string ClosedRequests =
        """
        (select request_id, kind, state, jurisdiction, opened_at, due_at, completed_at, reason from vault.request where completed_at >= @month
         union all
         select request_id, kind, state, jurisdiction, opened_at, due_at, completed_at, reason from vault.closed_request where completed_at >= @month) r
        """;

    private const string HoldsOf =
        """
        (select min(h.review_at) as review_at from vault.hold_subject s join vault.hold h using (hold_id)
         where s.subject_id = r.subject_id and h.released_at is null and (h.expires_at is null or h.expires_at > @now)) h
        """;

    private const string Described = "r.kind as c1, r.state as c2, r.jurisdiction as c3, r.opened_at as c4, r.due_at as c5";

    private static readonly DeskColumn[] s_open =
        [new("right"), new("state"), new("law"), new("opened", DeskCells.Instant), new("due", DeskCells.Instant)];

    private static readonly DeskColumn[] s_closed =
        [new("right"), new("state"), new("law"), new("opened", DeskCells.Instant), new("due", DeskCells.Instant), new("closed", DeskCells.Instant), new("reason")];

    private static readonly DeskColumn[] s_notices = [new("kind"), new("state"), new("since", DeskCells.Instant), new("request")];

    /// <summary>In the order of the screen.</summary>
    public static IReadOnlyList<DeskSource> All { get; } = [.. Deadlines(), .. Funnel(), .. Erasures(), .. Retention(), .. Oversight()];

    private static IEnumerable<DeskSource> Deadlines()
    {
        yield return OfRequests(DeskTiles.Deadlines, "open", "r.due_at", s_open) with
        {
            Rows = $"""
                select r.due_at as at, r.request_id::text as key,
                       case when r.due_at < @now then 'late' when r.due_at < @soon then 'soon' when r.due_at < @week then 'week' when r.due_at < @fortnight then 'fortnight' else 'later' end as of,
                       {Described} from {OpenRequests}
                """,
            Groups = ["late", "soon", "week", "fortnight", "later"],
            Red = of => of is "late" or "soon",
        };
        yield return OfRequests(DeskTiles.Deadlines, "extended", "r.due_at", s_open, "r.extended_at is not null");
        yield return new DeskSource(
            DeskTiles.Deadlines, "waiting", $"select r.answer_by as at, r.request_id::text as key, null::text as of, {Described}, r.answer_by as c6 from {OpenRequests} where r.answer_by is not null")
        {
            Columns = [.. s_open, new("answerBy", DeskCells.Instant)], About = "request",
        };
    }

    private static IEnumerable<DeskSource> Funnel()
    {
        yield return OfRequests(DeskTiles.Funnel, "state", "r.due_at", s_open) with
        {
            Rows = $"select r.due_at as at, r.request_id::text as key, r.state as of, {Described} from {OpenRequests}",
            Groups = [RequestStates.Received, RequestStates.Verified, RequestStates.Confirming, RequestStates.Approved],
        };
        // The row names its newest entry, whose time is when something was last done about it; an entry that was pruned is older than any of these.
        yield return new DeskSource(
            DeskTiles.Funnel, "stuck",
            $"""
            select coalesce(e.at, r.opened_at) as at, r.request_id::text as key, null::text as of, {Described}, coalesce(e.at, r.opened_at) as c6
            from {OpenRequests} left join audit.entry_index e on e.index = r.log_index where coalesce(e.at, r.opened_at) < @stuck
            """)
        {
            Columns = [.. s_open, new("untouched", DeskCells.Instant)], About = "request", Red = _ => true,
        };
        yield return OfClosed("closed", "r.state", "true");
        yield return OfClosed("refused", "r.reason", "r.state = 'refused'");
    }

    private static IEnumerable<DeskSource> Erasures()
    {
        yield return new DeskSource(
            DeskTiles.Erasure, "executed",
            $"select r.completed_at as at, r.request_id::text as key, null::text as of, {Described}, r.completed_at as c6, r.final_at as c7 from vault.closed_request r where r.completed_at >= @month and r.certificate is not null")
        {
            Columns = [.. s_open, new("closed", DeskCells.Instant), new("final", DeskCells.Instant)], About = "request",
        };
        yield return new DeskSource(
            DeskTiles.Erasure, "deferred",
            $"select h.review_at as at, r.request_id::text as key, null::text as of, {Described}, h.review_at as c6 from {OpenRequests}, lateral {HoldsOf} where r.kind = 'erasure' and r.state = 'approved' and h.review_at is not null")
        {
            Columns = [.. s_open, new("resumes", DeskCells.Instant)], About = "request",
        };
        yield return new DeskSource(
            DeskTiles.Erasure, "failed",
            $"""
            select r.opened_at as at, r.request_id::text as key, null::text as of, {Described}, coalesce(e.at, r.opened_at) as c6
            from {OpenRequests} cross join lateral {HoldsOf} left join audit.entry_index e on e.index = r.log_index
            where r.kind = 'erasure' and r.state = 'approved' and h.review_at is null and coalesce(e.at, r.opened_at) < @unfinished
            """)
        {
            Columns = [.. s_open, new("untouched", DeskCells.Instant)], About = "request", Red = _ => true,
        };
        yield return Final("awaiting-final", "r.final_due >= @now");
        yield return Final("final-overdue", "r.final_due < @now") with { Red = _ => true };
        yield return Notices("unacknowledged", "created_at < @unacknowledged") with { Red = _ => true };
        yield return Notices("waiting-notices", "true");
    }

    private static IEnumerable<DeskSource> Retention()
    {
        const string Holds = "h.review_at as at, h.hold_id::text as key, null::text as of, h.authority as c1, h.people::bigint as c2, h.placed_at as c3, h.review_at as c4 from vault.hold h";
        DeskColumn[] columns = [new("authority"), new("people", DeskCells.Number), new("placed", DeskCells.Instant), new("review", DeskCells.Instant)];
        yield return new DeskSource(DeskTiles.Retention, "holds-overdue", $"select {Holds} where h.released_at is null and h.review_at < @now") { Columns = columns, About = "hold", Red = _ => true };
        yield return new DeskSource(DeskTiles.Retention, "holds", $"select {Holds} where h.released_at is null") { Columns = columns, About = "hold" };
        yield return new DeskSource(
            DeskTiles.Retention, "overdue-people", "select look_at as at, subject_id::text as key, null::text as of, look_at as c1 from vault.retention_look where look_at < @unswept")
        {
            Columns = [new("due", DeskCells.Instant)], About = "customer", Red = _ => true,
        };
    }

    private static IEnumerable<DeskSource> Oversight()
    {
        yield return new DeskSource(
            DeskTiles.Access, "alerts",
            """
            select a.at, a.alert_id::text as key, a.kind as of, a.kind as c1, n.name as c2, a.purpose as c3, a.at as c4
            from vault.alert a left join audit.actor n on n.tag = decode(replace(a.actor_tag::text, '-', ''), 'hex') where a.acknowledged_at is null
            """)
        {
            Columns = [new("kind"), new("actor"), new("purpose"), new("raised", DeskCells.Instant)], About = "alert", Red = _ => true,
            Groups = [AlertKinds.HoneyTouched, AlertKinds.BudgetExhausted],
        };
        const string Reviews =
            """
            select v.due_at as at, v.review_id::text as key, null::text as of, n.name as c1, v.purpose as c2, v.opened_at as c3, v.due_at as c4
            from vault.review v left join audit.actor n on n.tag = decode(replace(v.actor_tag::text, '-', ''), 'hex') where v.state = 'open'
            """;
        DeskColumn[] columns = [new("actor"), new("purpose"), new("opened", DeskCells.Instant), new("due", DeskCells.Instant)];
        yield return new DeskSource(DeskTiles.Access, "reviews-overdue", Reviews + " and v.due_at < @now") { Columns = columns, About = "review", Red = _ => true };
        yield return new DeskSource(DeskTiles.Access, "reviews", Reviews) { Columns = columns, About = "review" };
    }

    private static DeskSource OfRequests(string tile, string figure, string at, DeskColumn[] columns, string where = "true") =>
        new(tile, figure, $"select {at} as at, r.request_id::text as key, null::text as of, {Described} from {OpenRequests} where {where}") { Columns = columns, About = "request" };

    private static DeskSource OfClosed(string figure, string of, string where) => new(
        DeskTiles.Funnel, figure,
        $"select r.completed_at as at, r.request_id::text as key, {of} as of, {Described}, r.completed_at as c6, r.reason as c7 from {ClosedRequests} where {where}")
    {
        Columns = s_closed, About = "request",
    };

    private static DeskSource Final(string figure, string where) => new(
        DeskTiles.Erasure, figure,
        $"select r.final_due as at, r.request_id::text as key, null::text as of, {Described}, r.final_due as c6 from vault.closed_request r where r.certificate is not null and r.final_at is null and {where}")
    {
        Columns = [.. s_open, new("final", DeskCells.Instant)], About = "request",
    };

    private static DeskSource Notices(string figure, string where) => new(
        DeskTiles.Erasure, figure,
        $"""
        select created_at as at, notice_id::text as key, state as of, kind as c1, state as c2, created_at as c3, request_id::text as c4
        from vault.recipient_notice where state in ('{NoticeStates.Queued}', '{NoticeStates.Manual}') and {where}
        """)
    {
        Columns = s_notices, Groups = [NoticeStates.Manual, NoticeStates.Queued],
    };
}
