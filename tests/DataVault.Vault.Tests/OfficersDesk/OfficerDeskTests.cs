using System.Text;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Tests.Rights;
using Xunit;

namespace DataVault.Vault.Tests.OfficersDesk;

/// <summary>Each figure says what there is, its list has what it counts, and both can be counted again from the log that they name.</summary>
public sealed class OfficerDeskTests : IAsyncLifetime
{
    private static readonly Recipient Machine = new(RecipientKind.Application, "officer-bot", "officer-bot", ["compliance-officer"], ["data-subject-rights"]);
    private static readonly Recipient Near = new(RecipientKind.Staff, "h1", "House", ["house-desk", "customer-support"], ["customer-support"]);

    // What their lists say is more, or less, than one row for each.
    private static readonly string[] s_explained = ["retention/last-run", "retention/deleted", "retention/failed", "retention/frozen", "integrity/not-as-written", "breaches/reports-sent"];

    private RightsWorld world = null!;
    private SubjectId ada;
    private SubjectId bob;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        (ada, bob) = (await world.PersonAsync("ada"), await world.PersonAsync("bob"));
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    private OfficerDesk Desk => world.Vault.Get<OfficerDesk>();

    [Fact]
    [Requirement("R30")]
    public async Task Requests_stand_by_the_days_that_are_left_and_turn_red_three_days_before_they_are_due()
    {
        var first = await world.OpenAsync(RightsWorld.Officer, "rectification", ada);
        Assert.Equal((1, false), await FigureAsync("deadlines", "open", "later"));
        Assert.Equal((0, false), await FigureAsync("deadlines", "open", "late"));

        world.Clock.Advance(first.DueAt - world.Clock.GetUtcNow() - TimeSpan.FromDays(2));
        var second = await world.OpenAsync(RightsWorld.Officer, "rectification", bob);
        Assert.Equal((1, true), await FigureAsync("deadlines", "open", "soon"));
        var view = await LookAsync();
        Assert.True(Tile(view, "deadlines").IsRed);
        Assert.Equal([first.Id.ToString(), second.Id.ToString()], view.Next.Rows.Select(row => row.Key));

        world.Clock.Advance(TimeSpan.FromDays(3));
        Assert.Equal((1, true), await FigureAsync("deadlines", "open", "late"));
        var late = await ListAsync("deadlines", "open", "late");
        Assert.Equal("request", late.About);
        Assert.Equal(first.Id.ToString(), Assert.Single(late.Rows).Key);
        Assert.Equal(["right", "state", "law", "opened", "due"], late.Columns.Select(column => column.Name));
        Assert.Equal("rectification", late.Rows[0].Cells[0]);
    }

    [Fact]
    public async Task An_extended_request_says_so_and_one_that_nobody_touches_is_stuck_until_somebody_does()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, "rectification", ada);
        world.Clock.Advance(TimeSpan.FromDays(8));
        Assert.Equal((1, true), await FigureAsync("funnel", "stuck"));
        Assert.Equal((1, false), await FigureAsync("funnel", "state", "received"));

        await world.Requests.VerifyAsync(RightsWorld.Officer, request.Id, null, Guid.NewGuid(), default, "document-seen");
        await world.Requests.ExtendAsync(RightsWorld.Officer, request.Id, "complexity", "There is much to look through.", Guid.NewGuid(), default);
        Assert.Equal((0, false), await FigureAsync("funnel", "stuck"));
        Assert.Equal((1, false), await FigureAsync("funnel", "state", "verified"));
        Assert.Equal((1, false), await FigureAsync("deadlines", "extended"));

        await world.Requests.RefuseAsync(RightsWorld.Officer, request.Id, "process-excessive", "The same was answered last week.", Guid.NewGuid(), default);
        Assert.Equal((1, false), await FigureAsync("funnel", "refused", "process-excessive"));
        Assert.Equal((1, false), await FigureAsync("funnel", "closed", "refused"));
        Assert.Equal((0, false), await FigureAsync("funnel", "state", "verified"));
        world.Clock.Advance(TimeSpan.FromDays(31));
        Assert.Null(await FigureOrNullAsync("funnel", "closed", "refused"));
    }

    [Fact]
    [Requirement("R56")]
    public async Task Erasures_are_executed_or_deferred_to_a_day_or_they_have_failed()
    {
        var hold = await world.Vault.Get<LegalHolds>().PlaceAsync(
            RightsWorld.Officer, new NewHold([ada], ["email"], [], "legal-claim", "File 12", world.Clock.GetUtcNow().AddDays(90)), Guid.NewGuid(), default);
        var held = await EraseAsync(ada);
        var gone = await EraseAsync(bob);
        Assert.Equal((1, false), await FigureAsync("erasure", "deferred"));
        Assert.Equal((1, false), await FigureAsync("erasure", "executed"));
        Assert.Equal((1, false), await FigureAsync("erasure", "awaiting-final"));
        var deferred = Assert.Single((await ListAsync("erasure", "deferred")).Rows);
        Assert.Equal((held.Id.ToString(), DeskReader.Cell(hold.ReviewAt.UtcDateTime)), (deferred.Key, deferred.Cells[^1]));
        Assert.Equal(gone.Id.ToString(), Assert.Single((await ListAsync("erasure", "executed")).Rows).Key);
        world.Clock.Advance(TimeSpan.FromDays(2));
        Assert.Equal((0, false), await FigureAsync("erasure", "failed"));

        world.Clock.Advance(TimeSpan.FromDays(90));
        Assert.Equal((1, true), await FigureAsync("retention", "holds-overdue"));
        // The hold is gone and nobody carries the rest out.
        await world.VaultSqlAsync("delete from vault.hold_subject");
        Assert.Equal((1, true), await FigureAsync("erasure", "failed"));
        Assert.Equal(held.Id.ToString(), Assert.Single((await ListAsync("erasure", "failed")).Rows).Key);
    }

    [Fact]
    public async Task Consents_are_counted_by_purpose_and_one_whose_notice_nobody_can_show_is_red()
    {
        await world.Vault.Get<ConsentLedger>().SetAsync(RightsWorld.Customer(ada), ada, new ConsentStatement("marketing", "withdrawn"), Guid.NewGuid(), default);
        await world.VaultSqlAsync($"update vault.consent_event set notice_hash = null where subject_id = '{bob}' and purpose_id = {Repository.Policy.Purposes.Find("marketing")!.Id}");
        Assert.Equal((1, false), await FigureAsync("consents", "given", "marketing"));
        Assert.Equal((1, false), await FigureAsync("consents", "withdrawn-today", "marketing"));
        Assert.Equal((1, true), await FigureAsync("consents", "without-notice", "marketing"));
        Assert.Equal((2, false), await FigureAsync("consents", "given", "analytics"));
    }

    /// <summary>By its entry of the log, and in pages that go on where the last one ended.</summary>
    [Fact]
    [Requirement("R30")]
    public async Task Every_figure_of_consents_lists_the_acts_that_it_counts()
    {
        var ledger = world.Vault.Get<ConsentLedger>();
        var cyd = await world.PersonAsync("cyd");
        await ledger.SetAsync(RightsWorld.Customer(ada), ada, new ConsentStatement("marketing", "withdrawn"), Guid.NewGuid(), default);
        await ledger.SetAsync(RightsWorld.Customer(ada), ada, new ConsentStatement("personalisation", "refused"), Guid.NewGuid(), default);
        await world.VaultSqlAsync($"update vault.consent_event set notice_hash = null where subject_id = '{bob}' and purpose_id = {Repository.Policy.Purposes.Find("marketing")!.Id}");
        await world.VaultSqlAsync($"update vault.consent_event set expires = '1970-06-01' where subject_id = '{cyd}' and purpose_id = {Repository.Policy.Purposes.Find("analytics")!.Id}");
        foreach (var (figure, of) in from name in DeskConsents.Figures from purpose in new[] { "marketing", "analytics", "personalisation" } select (name, purpose))
        {
            var list = await ListAsync("consents", figure, of);
            Assert.Equal((await FigureAsync("consents", figure, of)).Item1, list.Rows.Count);
            Assert.All(list.Rows, row => Assert.Equal((list.Columns.Count, true), (row.Cells.Count, long.Parse(row.Key!, System.Globalization.CultureInfo.InvariantCulture) > 0)));
        }

        foreach (var (figure, of) in new[] { ("withdrawn-today", "marketing"), ("refused", "personalisation"), ("expired", "analytics"), ("without-notice", "marketing") })
            Assert.Single((await ListAsync("consents", figure, of)).Rows);
        var first = await Desk.ListAsync(RightsWorld.Officer, ("consents", "given"), "analytics", (1, null), Guid.NewGuid(), default);
        var second = await Desk.ListAsync(RightsWorld.Officer, ("consents", "given"), "analytics", (1, first.Next), Guid.NewGuid(), default);
        Assert.Null(second.Next);
        Assert.Equal((await ListAsync("consents", "given", "analytics")).Rows.Select(row => row.Key), [first.Rows[0].Key, second.Rows[0].Key]);
        foreach (var (of, cursor) in new[] { (null, (string?)null), ("nothing", null), ("analytics", "1"), ("analytics", "x.1"), ("analytics", "99999999999999999999.1") })
            Assert.Equal("invalid-request", (await Assert.ThrowsAsync<VaultException>(() => Desk.ListAsync(RightsWorld.Officer, ("consents", "given"), of, (10, cursor), Guid.NewGuid(), default))).Slug);
    }

    [Fact]
    public async Task What_a_sweep_did_who_waits_for_it_and_how_old_keys_are_can_be_listed()
    {
        await world.VaultSqlAsync("insert into vault.retention_run (run_id, dry, started_at, finished_at, updated_at, looked, people, field_values, events, erasures, frozen, failed, by_rule, position) values (gen_random_uuid(), false, now(), now(), now(), 9, 3, 5, 7, 1, 2, 1, '{\"behaviour\": 7, \"interest\": 5}', gen_random_uuid())");
        var view = await LookAsync();
        foreach (var tile in view.Tiles)
        {
            foreach (var figure in tile.Figures.Where(figure => figure.HasList))
            {
                var list = await ListAsync(tile.Name, figure.Name, figure.Of);
                Assert.All(list.Rows, row => Assert.Equal(list.Columns.Count, row.Cells.Count));
            }
        }

        string[] bare = [.. view.Tiles.SelectMany(tile => tile.Figures.Where(figure => !figure.HasList).Select(figure => $"{tile.Name}/{figure.Name}")).Distinct()];
        Assert.Equal(["retention/next-run", "access/impact-reports", "integrity/signed", "integrity/witnessed", "integrity/timestamped", "integrity/clock-ahead", "integrity/unsigned", "keys/backup", "keys/drill"], bare);
        Assert.Equal(["root", "vault"], (await ListAsync("keys", "key-since", "root")).Rows.Take(2).Select(row => row.Cells[0]));
    }

    [Fact]
    public async Task A_breach_counts_down_to_its_authority_and_is_red_in_the_last_day()
    {
        var opening = new BreachOpening("Lost laptop", [BreachWords.Natures[0]], world.Clock.GetUtcNow().AddHours(-1), "Europe/Brussels");
        var opened = await world.Vault.Get<BreachRegister>().OpenAsync(RightsWorld.Officer, opening, Guid.NewGuid(), default);
        Assert.Equal((1, false), await FigureAsync("breaches", "open"));
        Assert.Equal((1, false), await FigureAsync("breaches", "clock-runs"));
        world.Clock.Advance(opened.DueAt!.Value - world.Clock.GetUtcNow() - TimeSpan.FromHours(10));
        Assert.Equal((1, true), await FigureAsync("breaches", "clock-runs"));
        var row = Assert.Single((await ListAsync("breaches", "open")).Rows);
        Assert.Equal((opened.Id.ToString(), "9"), (row.Key, row.Cells[3]));
    }

    [Fact]
    public async Task What_was_denied_and_who_reads_more_than_ever_is_told_by_credential_and_purpose()
    {
        var gate = world.Vault.Get<DisclosureGate>();
        for (var i = 0; i < 60; i++) await gate.ReadAsync(new ReadQuery(RightsWorld.Support, ada, "customer-support", null, false, Guid.NewGuid()), default);
        await Assert.ThrowsAsync<VaultException>(() => gate.ReadAsync(new ReadQuery(RightsWorld.Support, ada, "marketing", null, false, Guid.NewGuid()), default));
        await world.Vault.Get<AuditReader>().SignAsync();
        Assert.Equal((1, true), await FigureAsync("access", "unusual-readers"));
        var reader = Assert.Single((await ListAsync("access", "unusual-readers")).Rows);
        Assert.Equal("60", reader.Cells[1]);
        var denied = await ListAsync("drift", "denied");
        Assert.Contains(denied.Rows, row => row.Cells[1] == "marketing");
        Assert.Equal((0, false), await FigureAsync("drift", "undeclared"));
    }

    [Fact]
    public async Task A_figure_names_a_checkpoint_of_the_log_that_it_was_counted_at()
    {
        await world.OpenAsync(RightsWorld.Officer, "rectification", ada);
        await world.Vault.Get<AuditReader>().SignAsync();
        var asOf = Figure(await LookAsync(), "deadlines", "open", "later")!.AsOf;
        Assert.True(asOf.Size > 0);
        var note = Assert.Single(await world.ListAsync($"select note from audit.checkpoint where size = {asOf.Size}"));
        Assert.True(SignedNote.TryParse(note, out var signed) && Checkpoint.TryParse(signed!.Text, out var checkpoint) && Convert.ToBase64String(checkpoint!.Root.Span) == asOf.RootHash);
        Assert.All((await LookAsync()).Tiles.SelectMany(tile => tile.Figures), figure => Assert.NotEmpty(figure.AsOf.RootHash));
    }

    [Fact]
    public async Task Every_figure_with_a_list_counts_its_rows_and_exports_them_with_the_same_columns()
    {
        for (var i = 0; i < 3; i++) await world.OpenAsync(RightsWorld.Officer, "rectification", i % 2 == 0 ? ada : bob);
        await EraseAsync(bob);
        foreach (var tile in (await LookAsync()).Tiles)
        {
            foreach (var figure in tile.Figures.Where(figure => figure.HasList))
            {
                var list = await ListAsync(tile.Name, figure.Name, figure.Of);
                if (tile.Name is not ("drift" or "access" or "keys") && !s_explained.Contains($"{tile.Name}/{figure.Name}")) Assert.Equal(figure.Count, list.Rows.Count);
                Assert.All(list.Rows, row => Assert.Equal(list.Columns.Count, row.Cells.Count));
                Assert.DoesNotContain(list.Rows.SelectMany(row => row.Cells.Append(row.Key ?? "")), cell => cell.Contains(ada.ToString(), StringComparison.OrdinalIgnoreCase));
                using var csv = new MemoryStream();
                await AuditCsv.WriteAsync(csv, list, Desk.ExportAsync(RightsWorld.Officer, (tile.Name, figure.Name), figure.Of, list, Guid.NewGuid(), default), default);
                var lines = Encoding.UTF8.GetString(csv.ToArray()).TrimStart('\uFEFF').Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
                Assert.Equal(list.Rows.Count + 1, lines.Length);
                Assert.EndsWith(string.Join(',', list.Columns.Select(column => column.Name)) + ",asOfSize,asOfRoot,asOfAt", lines[0], StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public async Task A_list_goes_on_where_the_page_before_ended()
    {
        for (var i = 0; i < 5; i++) await world.OpenAsync(RightsWorld.Officer, "rectification", ada);
        var (seen, cursor) = (new List<string>(), (string?)null);
        do
        {
            var page = await Desk.ListAsync(RightsWorld.Officer, ("deadlines", "open"), null, (2, cursor), Guid.NewGuid(), default);
            seen.AddRange(page.Rows.Select(row => row.Key!));
            cursor = page.Next;
        }
        while (cursor is not null);
        Assert.Equal(5, seen.Distinct().Count());
        Assert.Equal(5, seen.Count);
        await Assert.ThrowsAsync<VaultException>(() => Desk.ListAsync(RightsWorld.Officer, ("deadlines", "open"), null, (2, "1.zz"), Guid.NewGuid(), default));
    }

    [Fact]
    public async Task Only_a_person_of_the_staff_who_reaches_everybody_looks_and_every_look_is_an_entry()
    {
        foreach (var other in new[] { RightsWorld.Support, Machine, Near, RightsWorld.Customer(ada) })
        {
            Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => Desk.LookAsync(other, Guid.NewGuid(), default))).Slug);
            Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => Desk.ListAsync(other, ("deadlines", "open"), null, (10, null), Guid.NewGuid(), default))).Slug);
        }

        await LookAsync();
        await ListAsync("deadlines", "open");
        var log = world.Vault.Get<AuditReader>();
        Assert.Equal(8, await TellingAsync(log, EntryType.Denied));
        Assert.Equal(1, await TellingAsync(log, EntryType.StatusRead));
        Assert.Equal(1, await TellingAsync(log, EntryType.RequestRead));
        Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(() => ListAsync("deadlines", "nothing"))).Slug);
    }

    private static async Task<int> TellingAsync(AuditReader log, EntryType type) =>
        (await log.SearchAsync(new AuditQuery { Type = type, Limit = 100 })).Entries.Count(one => one.Entry.Rules.Contains("desk"));

    private async Task<RequestView> EraseAsync(SubjectId subject)
    {
        var request = await world.OpenAsync(RightsWorld.Customer(subject), "erasure", subject);
        return await world.ApproveAsync(request.Id);
    }

    // Later than any count that was kept for others, and with what takes long counted anew.
    private async Task<DeskView> LookAsync()
    {
        world.Clock.Advance(TimeSpan.FromSeconds(3));
        await world.Vault.Get<AuditReader>().CatchUpAsync();
        await world.Vault.Get<CheckpointSigner>().SignAsync();
        await world.Vault.Get<DeskDigest>().RoundAsync(default);
        return await Desk.LookAsync(RightsWorld.Officer, Guid.NewGuid(), default);
    }

    private Task<DeskList> ListAsync(string tile, string figure, string? of = null) => Desk.ListAsync(RightsWorld.Officer, (tile, figure), of, (100, null), Guid.NewGuid(), default);

    private async Task<(long, bool)> FigureAsync(string tile, string figure, string? of = null) =>
        await FigureOrNullAsync(tile, figure, of) is { } found ? (found.Count!.Value, found.IsRed) : throw new InvalidOperationException($"There is no figure {tile}/{figure} of {of}.");

    private async Task<DeskFigure?> FigureOrNullAsync(string tile, string figure, string? of = null) => Figure(await LookAsync(), tile, figure, of);

    private static DeskFigure? Figure(DeskView view, string tile, string figure, string? of) => Tile(view, tile).Figures.SingleOrDefault(one => one.Name == figure && one.Of == of);

    private static DeskTile Tile(DeskView view, string tile) => view.Tiles.Single(one => one.Name == tile);
}
