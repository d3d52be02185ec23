using System.Net;
using System.Net.Sockets;

namespace DataVault.Server.Outbound;

/// <summary>A name leads to an address that is not on the public internet, or to none.</summary>
internal sealed class AddressRefusedException() : IOException("The address is not one that calls of others' choosing go to.");

/// <summary>
/// Keeps calls whose address somebody outside chose away from this machine, its network and its cloud's metadata. The name is resolved once, every address that it
/// leads to is looked at, and the connection goes to the one that was looked at: what the name leads to a moment later does not matter.
/// </summary>
/// <param name="resolve">Addresses of a name.</param>
/// <param name="allowed">Networks that the operator names although they are not public.</param>
internal sealed class PublicAddresses(Func<string, CancellationToken, Task<IPAddress[]>> resolve, IReadOnlyList<IPNetwork> allowed)
{
    // SPEC IANA special-purpose address registries (RFC 6890, RFC 6598, RFC 5737, RFC 2544, RFC 7526).
    private static readonly IPNetwork[] NotPublic4 =
    [
        .. new[]
        {
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
            "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        }.Select(IPNetwork.Parse),
    ];

    // SPEC RFC 4291 §2.4: global unicast is 2000::/3; of it, Teredo and its neighbours, documentation, 6to4.
    private static readonly IPNetwork Global6 = IPNetwork.Parse("2000::/3");
    private static readonly IPNetwork[] NotPublic6 = [.. new[] { "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20" }.Select(IPNetwork.Parse)];

    // SPEC RFC 6052 §2.1: the last 32 bits are an address of IPv4.
    private static readonly IPNetwork Nat64 = IPNetwork.Parse("64:ff9b::/96");

    public static PublicAddresses System(IReadOnlyList<IPNetwork> allowed) => new(Dns.GetHostAddressesAsync, allowed);

    public bool Contain(IPAddress address)
    {
        address = Plain(address);
        if (allowed.Any(network => network.Contains(address))) return true;
        return address.AddressFamily switch
        {
            AddressFamily.InterNetwork => !NotPublic4.Any(network => network.Contains(address)),
            AddressFamily.InterNetworkV6 => address.ScopeId == 0 && Global6.Contains(address) && !NotPublic6.Any(network => network.Contains(address)),
            _ => false,
        };
    }

    /// <summary>A connection to an address that was looked at.</summary>
    /// <exception cref="AddressRefusedException">One of the name's addresses is refused: then all are, for whoever mixes them means no good.</exception>
    public async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellation)
    {
        var addresses = await resolve(context.DnsEndPoint.Host, cancellation);
        if (addresses.Length == 0 || !addresses.All(Contain)) throw new AddressRefusedException();
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(addresses, context.DnsEndPoint.Port, cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    // What an address of IPv6 stands for in IPv4 is judged as that.
    private static IPAddress Plain(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6) return address.MapToIPv4();
        return address.AddressFamily == AddressFamily.InterNetworkV6 && Nat64.Contains(address) ? new IPAddress(address.GetAddressBytes().AsSpan(12)) : address;
    }
}
