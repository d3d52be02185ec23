using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>Works out what the domains should hold of some locked subjects. Opens events only where a domain has no row of them yet.</summary>
internal sealed class FeedReader(KeyRegistry keys, RecordCipher cipher, Decider decider, HoneyBook honey, ActivePolicy policy)
{
    private const string Refund = "refund";

    public ActivePolicy Policy => policy;

    /// <summary>Locks the rows in the order given; those that are gone are left out.</summary>
    public static async Task<List<SealedRecord>> LockAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, IReadOnlyList<SubjectId> subjects, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection, transaction);
        foreach (var subject in subjects) batch.BatchCommands.Add(SubjectRows.Lock(subject));
        await using var reader = await batch.ExecuteReaderAsync(ct);
        var records = new List<SealedRecord>(subjects.Count);
        do
        {
            while (await reader.ReadAsync(ct)) records.Add(SubjectRows.Read(reader));
        }
        while (await reader.NextResultAsync(ct));
        return records;
    }

    public async Task<FeedBatch> ReadAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, IReadOnlyList<SealedRecord> records, CancellationToken ct)
    {
        var subjects = new List<FedSubject>(records.Count);
        var failed = new List<SubjectId>();
        var held = (await keys.GetManyAsync([.. records.Select(record => record.Subject)], failed, ct)).ToDictionary(key => key.Subject);
        var plans = decider.Policy.Analytics.Select(domain => new DomainPlan(domain)).ToList();
        foreach (var record in records.Where(record => held.ContainsKey(record.Subject))) await keys.MatchAsync(held[record.Subject], record, ct);
        foreach (var record in records.Where(record => held.ContainsKey(record.Subject))) Take(record, held[record.Subject], plans, subjects, failed);
        var batch = new FeedBatch(subjects, failed, plans);
        await PlanEventsAsync(connection, transaction, batch, ct);
        return batch;
    }

    private static RequestedItem[] ItemsOf(PolicySet policy)
    {
        var fields = policy.Analytics.SelectMany(domain => domain.CustomerColumns).Select(column => (CatalogueItem)column.Field);
        var events = policy.Analytics.SelectMany(domain => domain.EventTypes).Select(policy.Events.Find).OfType<CatalogueItem>();
        return [.. fields.Concat(events).Distinct().Select(item => new RequestedItem(item, null))];
    }

    private void Take(SealedRecord record, SubjectKeys held, List<DomainPlan> plans, List<FedSubject> subjects, List<SubjectId> failed)
    {
        try
        {
            cipher.Verify(record, held);
            var subject = new FedSubject(held, record, Permitted(record), AnalyticsRows.PseudonymsOf(held, keys, decider.Policy));
            PlanCustomer(subject, plans);
            subjects.Add(subject);
        }
        catch (CryptographicException)
        {
            failed.Add(record.Subject);
            held.Dispose();
        }
    }

    private IReadOnlyList<FieldPermit> Permitted(SealedRecord record)
    {
        // Like somebody who has not consented: nobody can tell them from the many who have not.
        if (honey.Contains(record.Subject)) return [];
        var decision = decider.Decide(AnalyticsFeed.Feeder, record.Subject, AccessAction.Feed, AnalyticsFeed.Purpose, ItemsOf(decider.Policy), FactsCodec.Decode(record.Facts));
        // Pseudonymising is what this feed does; an obligation beyond it cannot be met here.
        return decision.Obligations.All(obligation => obligation == ObligationNames.Pseudonymise) ? decision.Permits : [];
    }

    private void PlanCustomer(FedSubject subject, List<DomainPlan> plans)
    {
        if (subject.Permits.Count == 0)
        {
            plans.ForEach(plan => plan.Gone.Add(subject.Pseudonym(plan.Domain)));
            return;
        }
        using var opened = cipher.Open(subject.Record, subject.Keys, subject.FieldPermits);
        var values = opened.ToDictionary(field => field.Field.Id);
        foreach (var plan in plans)
        {
            var columns = plan.Domain.CustomerColumns.Select(column => values.TryGetValue(column.Field.Id, out var field) ? Coarse(column, field) : null);
            plan.Customers.Add(new CustomerRow(subject.Pseudonym(plan.Domain), [.. columns]));
        }
    }

    /// <summary>A column without a generalisation of its own holds values that are coarse by nature, such as a tier.</summary>
    private string? Coarse(AnalyticsColumn column, OpenedField field)
    {
        if (field.Permit.Form < Form.Generalised) return null;
        using var document = JsonDocument.Parse(field.Utf8Json);
        if (column.Generalisation != GeneralisationKind.None) return Generaliser.Generalise(column.Generalisation, document.RootElement, decider.Clock.Today);
        return document.RootElement.ValueKind switch
        {
            JsonValueKind.String => document.RootElement.GetString(),
            JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => document.RootElement.GetRawText(),
            _ => null,
        };
    }

    private async Task PlanEventsAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, FeedBatch batch, CancellationToken ct)
    {
        if (batch.Subjects.Count == 0) return;
        foreach (var one in await ListAsync(connection, transaction, batch, ct))
        {
            foreach (var plan in batch.Plans.Where(plan => plan.Domain.EventTypes.Contains(one.Type.Type)))
            {
                plan.Wanted[(one.Subject.Pseudonym(plan.Domain), EventKey(plan.Domain, one))] = one;
            }
        }
        await CompareAsync(connection, transaction, batch, ct);
        await OpenMissingAsync(connection, transaction, batch, ct);
    }

    private async Task<List<FedEvent>> ListAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, FeedBatch batch, CancellationToken ct)
    {
        var subjects = batch.Subjects.Where(subject => subject.Permits.Count > 0).ToDictionary(subject => subject.Subject.Value);
        await using var command = new NpgsqlCommand("select subject_id, event_id, event_type from vault.event where subject_id = any($1)", connection, transaction);
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. subjects.Keys] });
        var rows = await Rows.ReadAsync(command, row => (Subject: row.GetGuid(0), Id: row.GetGuid(1), Type: row.GetInt32(2)), ct);
        return [.. rows.Where(row => subjects[row.Subject].PermitOf(row.Type) is { Form: >= Form.Generalised })
            .Select(row => new FedEvent(subjects[row.Subject], row.Id, decider.Policy.Events.ById(row.Type)!))];
    }

    /// <summary>Keyed by the domain's key and the person's secret: stable, so that feeding twice changes nothing, and never the event's id.</summary>
    private string EventKey(AnalyticsDomain domain, FedEvent one)
    {
        Span<byte> input = stackalloc byte[48];
        one.Subject.Keys.PseudonymInput(input);
        one.Id.TryWriteBytes(input[32..], bigEndian: true, out _);
        var key = keys.Pseudonyms(domain.Name).Pseudonym(input);
        CryptographicOperations.ZeroMemory(input);
        return key;
    }

    /// <summary>What is there already is struck off the plan; what is there and should not be is noted for removal.</summary>
    private static async Task CompareAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, FeedBatch batch, CancellationToken ct)
    {
        string[] tables = ["purchase", "interaction"];
        await using var command = new NpgsqlBatch(connection, transaction);
        var order = new List<(DomainPlan Plan, string Table)>();
        foreach (var plan in batch.Plans)
        {
            string[] pseudonyms = [.. batch.Subjects.Select(subject => subject.Pseudonym(plan.Domain))];
            foreach (var table in tables)
            {
                command.BatchCommands.Add(AnalyticsRows.KeysOf(plan.Domain, table, pseudonyms));
                order.Add((plan, table));
            }
        }
        await using var reader = await command.ExecuteReaderAsync(ct);
        foreach (var (plan, table) in order)
        {
            while (await reader.ReadAsync(ct))
            {
                var key = (reader.GetString(0), reader.GetString(1));
                if (!plan.Wanted.Remove(key)) plan.Stale.Add((table, key.Item1, key.Item2));
            }
            await reader.NextResultAsync(ct);
        }
    }

    private async Task OpenMissingAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, FeedBatch batch, CancellationToken ct)
    {
        var missing = batch.Plans.SelectMany(plan => plan.Wanted.Values).DistinctBy(one => (one.Subject.Subject, one.Id)).ToList();
        if (missing.Count == 0) return;
        await using var command = new NpgsqlCommand(
            """
            select e.subject_id, e.event_id, e.event_type, e.occurred_at, e.sealed
            from vault.event e join unnest($1, $2) as m(subject_id, event_id) on e.subject_id = m.subject_id and e.event_id = m.event_id
            """, connection, transaction);
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. missing.Select(one => one.Subject.Subject.Value)] });
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. missing.Select(one => one.Id)] });
        var rows = (await Rows.ReadAsync(command, EventRows.Read, ct)).ToDictionary(row => (row.Subject, row.Id));
        foreach (var one in missing)
        {
            if (rows.TryGetValue((one.Subject.Subject, one.Id), out var row) && !TryAddActivity(batch, one, row)) batch.Fail(one.Subject.Subject);
        }
    }

    private bool TryAddActivity(FeedBatch batch, FedEvent one, EventRow row)
    {
        try
        {
            AddActivity(batch, one, row);
            return true;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private void AddActivity(FeedBatch batch, FedEvent one, EventRow row)
    {
        var bytes = cipher.OpenEvent(one.Subject.Keys, one.Subject.PermitOf(one.Type.Id)!, one.Id, row.Sealed);
        try
        {
            using var document = JsonDocument.Parse(EventContent.Decode(bytes).Utf8Properties);
            foreach (var plan in batch.Plans)
            {
                var key = (one.Subject.Pseudonym(plan.Domain), EventKey(plan.Domain, one));
                if (!plan.Wanted.ContainsKey(key)) continue;
                var rows = DomainPlan.TableOf(one.Type) == "purchase" ? plan.Purchases : plan.Interactions;
                rows.Add(Activity(key, one.Type, row.OccurredAt, document.RootElement));
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    private static ActivityRow Activity((string Pseudonym, string Key) key, EventTypeDefinition type, DateTimeOffset occurredAt, JsonElement properties)
    {
        var total = properties.TryGetProperty("total", out var money) ? money : default;
        decimal? amount = decimal.TryParse(Text(total, "amount"), NumberStyles.Number, CultureInfo.InvariantCulture, out var parsed) ? parsed : null;
        return new ActivityRow(
            key.Pseudonym, key.Key, new DateOnly(occurredAt.Year, occurredAt.Month, 1), type.Type, Text(properties, "channel"),
            type.Type == Refund ? -amount : amount, Text(total, "currency"), Text(properties, "country"));
    }

    private static string? Text(JsonElement value, string member) =>
        value.ValueKind == JsonValueKind.Object && value.TryGetProperty(member, out var text) && text.ValueKind == JsonValueKind.String ? text.GetString() : null;
}
