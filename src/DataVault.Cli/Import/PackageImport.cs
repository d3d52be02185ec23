using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Transparency;

namespace DataVault.Cli.Import;

/// <summary>Something of a package that was not taken, and why.</summary>
internal sealed record NotTaken(string Item, string Reason, long Count = 1);

/// <summary>A consent that the package tells of. It is evidence of what the person agreed to elsewhere, and no consent here.</summary>
/// <param name="Purpose">As the other vault names it.</param>
/// <param name="State">How the act ended.</param>
/// <param name="At">When.</param>
/// <param name="ReceiptHolds">The signed receipt in the package verifies with the key that was given.</param>
internal sealed record ConsentElsewhere(string Purpose, string State, DateTimeOffset At, bool ReceiptHolds);

/// <summary>What became of a package.</summary>
internal sealed record PackageAccount(
    Guid Customer, string From, Guid Case, IReadOnlyList<string> FieldsTaken, IReadOnlyList<NotTaken> FieldsNotTaken, long EventsStored, long EventsAlreadyHeld,
    IReadOnlyList<NotTaken> EventsNotTaken, IReadOnlyList<ConsentElsewhere> ConsentsElsewhere);

/// <summary>
/// Brings the package of a person (docs/formats/package.md) into a vault as a new customer: fields and events by the names of the catalogue, each with
/// where it came from and when. Run twice it stores nothing twice, for every call follows from the package alone.
/// </summary>
internal sealed class PackageImport(VaultClient client, ImportWire wire, BagReader bag, NoteVerifier key, (string? Purpose, string? Returning) how)
{
    public const string Concluded = "concluded-elsewhere", Special = "special-category", ChangedSince = "changed-since";
    private const int LongestLabel = 64;
    private const int LongestProfile = 16 * 1024 * 1024;
    private const int Batch = 500;

    private readonly List<string> _taken = [];
    private readonly List<NotTaken> _refused = [];
    private readonly Dictionary<(string Type, string Reason), long> _events = [];
    private long _stored;
    private long _held;

    private BagStatement Statement => bag.Statement!;

    /// <summary>Opens a package, and looks at it whole before anything of it is believed.</summary>
    /// <exception cref="InvalidDataException">It is none, was changed, or was not signed by the log's key.</exception>
    public static BagReader Open(Stream file, NoteVerifier key, CancellationToken cancellation) => Checked(() =>
    {
        var bag = BagReader.Open(file, new BagLimits(10_000, 1L << 36));
        if ((bag.CheckFiles(cancellation) ?? bag.CheckSignature(key)) is { } problem) throw new InvalidDataException($"The package is not taken: {problem}");
        return bag.Has("data/json/profile.json") ? bag : throw new InvalidDataException("The package is not taken: it is not the package of a person.");
    });

    /// <param name="refused">Where events go that the vault does not take, a line of JSON each.</param>
    /// <param name="progress">Told how many events have been sent.</param>
    /// <param name="cancellation">Breaks off; the same command goes on.</param>
    public async Task<PackageAccount> RunAsync(Action<string> refused, Action<long> progress, CancellationToken cancellation)
    {
        var customer = await WriteFieldsAsync(cancellation);
        var sent = 0L;
        foreach (var batch in Events(customer).Chunk(Batch))
        {
            var answers = await wire.AppendAsync([.. batch.Select(one => one.Event)], cancellation);
            foreach (var (one, answer) in batch.Zip(answers)) Count(one.Event.Type, one.Line, answer, refused);
            progress(sent += batch.Length);
        }
        return new PackageAccount(
            customer, Statement.Tree.Origin, Statement.Case, _taken, _refused, _stored, _held,
            [.. _events.OrderBy(one => one.Key).Select(one => new NotTaken(one.Key.Type, one.Key.Reason, one.Value))], Consents());
    }

    private async Task<Guid> WriteFieldsAsync(CancellationToken cancellation)
    {
        using var profile = JsonDocument.Parse(Text("data/json/profile.json", LongestProfile));
        var groups = profile.RootElement.GetProperty("fields").EnumerateObject().Where(IsTaken).GroupBy(ProvenanceOf).OrderBy(group => group.Key.RecordedAt).ThenBy(group => group.Key.Source, StringComparer.Ordinal)
            .ThenBy(group => group.Key.Origin, StringComparer.Ordinal).ToList();
        Guid? customer = null;
        var version = 0L;
        foreach (var group in groups)
        {
            var fields = group.ToDictionary(field => field.Name, field => field.Value.GetProperty("value"), StringComparer.Ordinal);
            if (await WriteAsync(customer, fields, group.Key, version, cancellation) is not { } written) continue;
            (customer, version) = (written.Id, version + 1);
        }
        return customer ?? throw new InvalidDataException($"Nothing of the profile is known to this vault: {string.Join(", ", _refused.Select(one => $"{one.Item} ({one.Reason})"))}.");
    }

    // What the vault does not take is named by it, and the rest is sent again. Null when nothing of a group is left.
    private async Task<Written?> WriteAsync(Guid? customer, Dictionary<string, JsonElement> fields, FieldOrigin from, long version, CancellationToken cancellation)
    {
        while (fields.Count > 0)
        {
            try
            {
                var written = customer is { } id
                    ? await client.PatchAsync(id, new PatchCustomer(fields, from.Source, from.Origin, null, how.Purpose) { CollectedAt = from.RecordedAt }, version, cancellation)
                    : await CreateAsync(
                        new CreateCustomer(fields, from.Source, from.Origin, null, how.Purpose) { CollectedAt = from.RecordedAt, Package = new PackageReference(Statement.Tree.Origin, Statement.Case), Returning = how.Returning },
                        cancellation);
                _taken.AddRange(fields.Keys);
                return written;
            }
            catch (VaultProblemException e) when (e.Problem.Slug == "version-mismatch" && customer is not null)
            {
                // An earlier run took it, or somebody has changed the record since: neither is overwritten.
                _refused.AddRange(fields.Keys.Select(name => new NotTaken(name, ChangedSince)));
                return new Written(customer.Value, version + 1, new Receipt(0));
            }
            catch (VaultProblemException e) when (e.Problem.Slug is "erased-here" or "suppressed")
            {
                throw new InvalidDataException(e.Problem.Slug == "erased-here"
                    ? "The package is not taken: this vault made it itself, and has erased the person since. If they came back themselves, say how with --returning."
                    : "The package is not taken: who had these identifiers was erased here. If they came back themselves, say how with --returning.");
            }
            catch (VaultProblemException e) when (Named(e.Problem, fields) is { Count: > 0 } named)
            {
                foreach (var (name, reason) in named)
                {
                    fields.Remove(name);
                    _refused.Add(new NotTaken(name, reason));
                }
            }
        }
        return null;
    }

    private Task<Written> CreateAsync(CreateCustomer customer, CancellationToken cancellation)
    {
        var content = Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(customer, VaultJson.Answers)))[..32];
        return client.CreateAsync(customer, $"package-{Statement.Case:N}-{content}", cancellation);
    }

    private static List<(string Name, string Reason)> Named(Problem problem, Dictionary<string, JsonElement> fields) => problem.Slug == "conflict"
        ? []
        : [.. (problem.Errors ?? []).Select(error => (Name: error.Pointer.StartsWith("/fields/", StringComparison.Ordinal) ? error.Pointer["/fields/".Length..].Split('/')[0] : "", error.Code)).Where(error => fields.ContainsKey(error.Name)).DistinctBy(error => error.Name)];

    private bool IsTaken(JsonProperty field)
    {
        var reason = field.Value.GetProperty("special").GetBoolean() ? Special : field.Value.GetProperty("origin").GetString() is "derived" or "inferred" ? Concluded : null;
        if (reason is not null) _refused.Add(new NotTaken(field.Name, reason));
        return reason is null;
    }

    private FieldOrigin ProvenanceOf(JsonProperty field) =>
        new(Label(field.Value.GetProperty("source").GetString()!), field.Value.GetProperty("origin").GetString()!, field.Value.GetProperty("recordedAt").GetDateTimeOffset());

    /// <summary>The other vault and the system that it had the value from.</summary>
    private string Label(string source)
    {
        var label = $"{Statement.Tree.Origin}: {source}";
        return label.Length <= LongestLabel ? label : label[..LongestLabel];
    }

    private IEnumerable<(AppendEvent Event, string Line)> Events(Guid customer)
    {
        foreach (var path in bag.Paths.Where(path => path.StartsWith("data/json/events", StringComparison.Ordinal) && path.EndsWith(".ndjson", StringComparison.Ordinal)))
        {
            using var lines = new StreamReader(Checked(() => bag.OpenFile(path)));
            while (lines.ReadLine() is { } line)
            {
                using var document = JsonDocument.Parse(line);
                var happened = document.RootElement;
                var properties = happened.GetProperty("properties").EnumerateObject().ToDictionary(property => property.Name, property => property.Value.Clone(), StringComparer.Ordinal);
                yield return (new AppendEvent(
                    new CustomerReference(customer), happened.GetProperty("type").GetString()!, happened.GetProperty("occurredAt").GetDateTimeOffset(), Label(happened.GetProperty("source").GetString()!),
                    properties, happened.GetProperty("id").GetGuid(), how.Purpose), line);
            }
        }
    }

    private void Count(string type, string line, EventItem answer, Action<string> refused)
    {
        if (answer.Status == 201) _stored++;
        else if (answer.Status == 200) _held++;
        else
        {
            var reason = ImportWire.Rejection(answer.Problem).Reason;
            _events[(type, reason)] = _events.GetValueOrDefault((type, reason)) + 1;
            refused(string.Create(CultureInfo.InvariantCulture, $"{{\"reason\":{JsonSerializer.Serialize(reason)},\"event\":{line}}}"));
        }
    }

    private List<ConsentElsewhere> Consents()
    {
        if (!bag.Has("data/json/consents.jsonld")) return [];
        using var receipts = JsonDocument.Parse(Text("data/json/consents.jsonld", LongestProfile));
        var told = new List<ConsentElsewhere>();
        foreach (var one in receipts.RootElement.GetProperty("@graph").EnumerateArray())
        {
            if (ConsentReceipt.TryParse(one.GetRawText(), out var receipt))
                told.Add(new ConsentElsewhere(receipt!.Statement.Purpose, ConsentStates.NameOf(receipt.Statement.Act.State), receipt.Statement.Act.At, receipt.Verify(key) is null));
        }
        return told;
    }

    private string Text(string path, int longest) => Checked(() => bag.ReadText(path, longest));

    private static T Checked<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (BagException e)
        {
            throw new InvalidDataException($"The package is not taken: {e.Message}");
        }
    }

    private readonly record struct FieldOrigin(string Source, string Origin, DateTimeOffset RecordedAt);
}
