using System.Net;

namespace DataVault.Issuer.Clients;

/// <summary>Networks in the notation of RFC 4632 and RFC 4291 §2.3.</summary>
internal static class ClientNetworks
{
    /// <summary>No bit is set behind those that count: whoever writes <c>198.51.100.7/24</c> may have meant one address.</summary>
    public static bool IsNetwork(string text)
    {
        if (!text.Contains('/', StringComparison.Ordinal) || !IPNetwork.TryParse(text, out var network) || !IPAddress.TryParse(text.Split('/')[0], out var written)) return false;
        var bytes = written.GetAddressBytes();
        for (var bit = network.PrefixLength; bit < bytes.Length * 8; bit++)
        {
            if ((bytes[bit / 8] & (0x80 >> (bit % 8))) != 0) return false;
        }

        return true;
    }

    /// <summary>Whether a call from there is from one of them; where there are none, every call is.</summary>
    public static bool Contain(IReadOnlyList<string> networks, IPAddress? from)
    {
        if (networks.Count == 0) return true;
        if (from is null) return false;
        var address = from.IsIPv4MappedToIPv6 ? from.MapToIPv4() : from;
        return networks.Any(text => IPNetwork.TryParse(text, out var network) && network.Contains(address));
    }
}
