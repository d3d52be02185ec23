using System.Net;
using System.Text;
using System.Text.Json;
using DataVault.Client;
using DataVault.Client.Wire;

namespace DataVault.Pure.Tests.Import;

/// <summary>The two batch calls over memory: unique customer numbers, events once by id, and the failures that a test asks for.</summary>
internal sealed class FakeBatches : HttpMessageHandler
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, CreateCustomer> _customers = [];
    private readonly Dictionary<Guid, AppendEvent> _events = [];

    public IReadOnlyDictionary<string, CreateCustomer> Customers => _customers;

    public IReadOnlyDictionary<Guid, AppendEvent> Events => _events;

    /// <summary>Events whose order the vault refuses.</summary>
    public Func<AppendEvent, bool> Refuses { get; set; } = _ => false;

    /// <summary>Answers so many event batches, then cuts every connection after storing.</summary>
    public int DiesAfter { get; set; } = int.MaxValue;

    /// <summary>So many events are at first answered as unavailable.</summary>
    public int BusyItems { get; set; }

    public VaultClient Client() =>
        new(new HttpClient(this, disposeHandler: false) { BaseAddress = new Uri("http://vault.test") }, null, new VaultClientOptions { Patience = TimeSpan.Zero });

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var body = await request.Content!.ReadAsStringAsync(cancellationToken);
        object answer;
        lock (_lock)
        {
            answer = request.RequestUri!.AbsolutePath == "/v1/customers/batch"
                ? new BatchResult([.. Read<CustomerBatch>(body).Create!.Select(Create)])
                : new EventBatchResult([.. Read<EventBatch>(body).Events.Select(Append)], null);
            if (answer is EventBatchResult && --DiesAfter < 0) throw new HttpRequestException("killed");
        }
        return new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent(JsonSerializer.Serialize(answer, VaultJson.Answers), Encoding.UTF8, "application/json") };
    }

    private static T Read<T>(string body) => JsonSerializer.Deserialize<T>(body, VaultJson.Strict)!;

    private BatchItem Create(CreateCustomer customer, int index) => _customers.TryAdd(customer.Fields["customerNumber"].GetString()!, customer)
        ? new BatchItem(index, 201, new Written(Guid.Empty, 1, new Receipt(1)))
        : new BatchItem(index, 409, Problem: new Problem("/problems/conflict", "conflict", 409, null, [new MemberProblem("/fields/customerNumber", "held", "")]));

    private EventItem Append(AppendEvent happening, int index)
    {
        if (BusyItems > 0)
        {
            BusyItems--;
            return new EventItem(index, 503, Problem: new Problem("/problems/unavailable", "unavailable", 503));
        }
        if (Refuses(happening))
            return new EventItem(index, 422, Problem: new Problem("/problems/invalid-fields", "invalid", 422, null, [new MemberProblem("/properties/sku", "too-long", "")]));
        if (!_customers.ContainsKey(happening.Customer.CustomerNumber!)) return new EventItem(index, 404, Problem: new Problem("/problems/not-found", "not-found", 404));
        return new EventItem(index, _events.TryAdd(happening.Id!.Value, happening) ? 201 : 200, happening.Id);
    }
}
