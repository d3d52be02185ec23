using System.Globalization;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Where each controller may be called back. An administrator says so; the row is sealed, and one that somebody else wrote or changed allows nothing.
/// </summary>
public sealed class OpenDsrControllers
{
    private const string Label = "opendsr/controller-seal";
    private const int MostHosts = 20;
    private const int LongestAddress = 2048;
    private const int HttpsPort = 443;

    private readonly VaultDatabase database;
    private readonly AuditLog log;
    private readonly IServiceKeys keys;
    private readonly VaultClock clock;
    private readonly VaultOptions options;

    internal OpenDsrControllers(VaultDatabase database, AuditLog log, IServiceKeys keys, VaultClock clock, VaultOptions options) =>
        (this.database, this.log, this.keys, this.clock, this.options) = (database, log, keys, clock, options);

    /// <summary>Says where a controller may be called back, in place of what was said before.</summary>
    /// <exception cref="VaultException">invalid-fields: a host is not one.</exception>
    public async Task<OpenDsrController> RegisterAsync(Recipient administrator, string client, IReadOnlyList<string> callbackHosts, Guid requestId, CancellationToken ct)
    {
        var problems = callbackHosts.Select((host, index) => (host, index)).Where(one => !IsHost(one.host)).Select(one =>
            new FieldProblem($"/callbackHosts/{one.index}", "invalid", "A host is a full domain name in lower-case letters, without a star, with a port where it is not 443.")).ToList();
        if (callbackHosts.Count is 0 or > MostHosts) problems.Add(new FieldProblem("/callbackHosts", "out-of-range", $"There are 1 to {MostHosts} hosts."));
        if (problems.Count > 0) throw VaultException.Invalid(problems);
        var controller = new OpenDsrController(client, [.. callbackHosts.Distinct()], clock.Now);
        await database.RunAsync(
            async (connection, transaction) =>
            {
                await using var command = new NpgsqlCommand(
                    """
                    insert into vault.opendsr_controller (client_id, callback_hosts, registered_at, seal) values ($1, $2, $3, $4)
                    on conflict (client_id) do update set callback_hosts = $2, registered_at = $3, seal = $4
                    """,
                    connection, transaction)
                {
                    Parameters =
                    {
                        new() { Value = client }, new() { Value = controller.CallbackHosts.ToArray() }, new() { Value = controller.RegisteredAt.UtcDateTime }, new() { Value = SealOf(controller) },
                    },
                };
                await command.ExecuteNonQueryAsync(ct);
                return await log.AppendWithinAsync(connection, transaction, [Entry(administrator, client, "registered", requestId)], ct);
            },
            ct);
        return controller;
    }

    /// <summary>Those whose rows are as the vault wrote them.</summary>
    public async Task<IReadOnlyList<OpenDsrController>> ListAsync(CancellationToken ct) => await ReadAsync("order by client_id", [], ct);

    /// <summary>From now on the controller is called back nowhere; what waits to be sent is given up when its turn comes.</summary>
    /// <exception cref="VaultException">not-found.</exception>
    public Task RemoveAsync(Recipient administrator, string client, Guid requestId, CancellationToken ct) => database.RunAsync(
        async (connection, transaction) =>
        {
            await using var command = new NpgsqlCommand("delete from vault.opendsr_controller where client_id = $1", connection, transaction) { Parameters = { new() { Value = client } } };
            if (await command.ExecuteNonQueryAsync(ct) == 0) throw VaultException.NotFound();
            return await log.AppendWithinAsync(connection, transaction, [Entry(administrator, client, "removed", requestId)], ct);
        },
        ct);

    /// <summary>Whether a controller may be called back there now: asked when a request comes in, and again when it is called.</summary>
    public async Task<bool> AllowsAsync(string client, Uri callback, CancellationToken ct) =>
        IsAddress(callback) && (await ReadAsync("where client_id = $1", [client], ct)).Any(controller => controller.CallbackHosts.Contains(HostOf(callback), StringComparer.Ordinal));

    /// <exception cref="VaultException">invalid-fields: the controller may not be called back at one of them.</exception>
    internal async Task RequireAllowedAsync(string client, IReadOnlyList<Uri> callbacks, CancellationToken ct)
    {
        var problems = new List<FieldProblem>();
        for (var index = 0; index < callbacks.Count; index++)
        {
            if (!await AllowsAsync(client, callbacks[index], ct))
                problems.Add(new FieldProblem($"/status_callback_urls/{index}", "not-allowed", "Callbacks go to https:// addresses on hosts that an administrator registered for this controller."));
        }

        if (problems.Count > 0) throw VaultException.Invalid(problems);
    }

    // SPEC OpenDSR §8: over TLS. Addresses by number, with a name and password, or with a fragment are nobody's callback.
    private static bool IsAddress(Uri address) =>
        address is { IsAbsoluteUri: true, UserInfo.Length: 0, Fragment.Length: 0, HostNameType: UriHostNameType.Dns } && address.Scheme == Uri.UriSchemeHttps
        && address.OriginalString.Length <= LongestAddress;

    private static string HostOf(Uri address) =>
        address.IdnHost.ToLowerInvariant() + (address.Port == HttpsPort ? "" : ":" + address.Port.ToString(CultureInfo.InvariantCulture));

    private bool IsHost(string text) =>
        Uri.TryCreate("https://" + text, UriKind.Absolute, out var address) && IsAddress(address) && address.PathAndQuery == "/" && HostOf(address) == text
        && (text.Contains('.', StringComparison.Ordinal) || options.Development);

    private async Task<List<OpenDsrController>> ReadAsync(string where, string[] values, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select client_id, callback_hosts, registered_at, seal from vault.opendsr_controller " + where);
        foreach (var value in values) command.Parameters.Add(new() { Value = value });
        var rows = await Rows.ReadAsync(
            command, row => (Controller: new OpenDsrController(row.GetString(0), row.GetFieldValue<string[]>(1), row.GetFieldValue<DateTimeOffset>(2)), Seal: row.GetFieldValue<byte[]>(3)), ct);
        return [.. rows.Where(row => RowSeal.Is(row.Seal, SealOf(row.Controller))).Select(row => row.Controller)];
    }

    private byte[] SealOf(OpenDsrController controller) => RowSeal.Of(keys, Label, writer =>
    {
        writer.Write(controller.Client);
        writer.Write(controller.CallbackHosts.Count);
        foreach (var host in controller.CallbackHosts) writer.Write(host);
        writer.Add((DateTimeOffset?)controller.RegisteredAt);
    });

    // SPEC log-entry §21
    private LogEntry Entry(Recipient administrator, string client, string what, Guid requestId) =>
        log.Entry(EntryType.OpenDsrController, administrator, default, "", EntryResult.Ok, [], requestId) with
        {
            Rules = ["controller:" + what, "actor:" + Convert.ToHexStringLower(log.ActorOf(RecipientKind.Application, client))],
        };
}
