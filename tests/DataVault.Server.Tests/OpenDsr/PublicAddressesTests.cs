using System.Net;
using System.Net.Sockets;
using DataVault.Server.Outbound;

namespace DataVault.Server.Tests.OpenDsr;

/// <summary>Calls to addresses that somebody outside chose go to the public internet and nowhere else.</summary>
public sealed class PublicAddressesTests
{
    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("127.8.9.10")]
    [InlineData("0.0.0.0")]
    [InlineData("10.1.2.3")]
    [InlineData("172.16.0.1")]
    [InlineData("172.31.255.255")]
    [InlineData("192.168.1.1")]
    [InlineData("169.254.169.254")]
    [InlineData("100.64.0.1")]
    [InlineData("100.100.100.200")]
    [InlineData("192.0.0.192")]
    [InlineData("198.18.0.1")]
    [InlineData("224.0.0.1")]
    [InlineData("255.255.255.255")]
    [InlineData("::1")]
    [InlineData("::")]
    [InlineData("::127.0.0.1")]
    [InlineData("::ffff:127.0.0.1")]
    [InlineData("::ffff:169.254.169.254")]
    [InlineData("64:ff9b::7f00:1")]
    [InlineData("64:ff9b::a9fe:a9fe")]
    [InlineData("64:ff9b:1::a00:1")]
    [InlineData("fe80::1")]
    [InlineData("fe80::1%1")]
    [InlineData("fc00::1")]
    [InlineData("fd00:ec2::254")]
    [InlineData("ff02::1")]
    [InlineData("2001:db8::1")]
    [InlineData("2001::7f00:1")]
    [InlineData("2002:7f00:1::1")]
    public void An_address_that_is_not_public_is_refused(string address) => Assert.False(new PublicAddresses(Never, []).Contain(IPAddress.Parse(address)));

    [Theory]
    [InlineData("93.184.216.34")]
    [InlineData("172.32.0.1")]
    [InlineData("100.63.255.255")]
    [InlineData("2606:2800:220:1:248:1893:25c8:1946")]
    [InlineData("::ffff:93.184.216.34")]
    [InlineData("64:ff9b::5db8:d822")]
    public void A_public_address_is_not(string address) => Assert.True(new PublicAddresses(Never, []).Contain(IPAddress.Parse(address)));

    [Fact]
    public async Task A_name_that_leads_to_this_machine_is_refused_before_anything_is_sent()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        foreach (var addresses in new IPAddress[][] { [IPAddress.Loopback], [IPAddress.Parse("93.184.216.34"), IPAddress.Loopback], [] })
        {
            using var http = OutboundHttp.Connect(new PublicAddresses((_, _) => Task.FromResult(addresses), []), []);
            using var request = new HttpRequestMessage(HttpMethod.Post, $"http://privacy.shop.example:{port}/");
            var refused = await Assert.ThrowsAsync<HttpRequestException>(() => http.SendAsync(request, TestContext.Current.CancellationToken));
            Assert.IsType<AddressRefusedException>(refused.InnerException);
        }

        Assert.False(listener.Pending());
    }

    [Fact]
    public async Task The_connection_goes_to_the_address_that_was_looked_at_and_redirects_are_not_followed()
    {
        var (asked, paths) = (0, new List<string>());
        await using var there = await Outbound.StandIn.StartAsync(context =>
        {
            paths.Add(context.Request.Path);
            context.Response.StatusCode = 307;
            context.Response.Headers.Location = "http://169.254.169.254/latest";
            return Task.CompletedTask;
        });
        var addresses = new PublicAddresses((_, _) => Task.FromResult(asked++ == 0 ? [IPAddress.Loopback] : new[] { IPAddress.Parse("169.254.169.254") }), [IPNetwork.Parse("127.0.0.0/8")]);
        using var http = OutboundHttp.Connect(addresses, []);
        using var request = new HttpRequestMessage(HttpMethod.Post, $"http://privacy.shop.example:{new Uri(there.Address).Port}/callback");
        using var answer = await http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal((HttpStatusCode.TemporaryRedirect, 1), (answer.StatusCode, asked));
        Assert.Equal(["/callback"], paths);
    }

    private static Task<IPAddress[]> Never(string name, CancellationToken cancellation) => throw new InvalidOperationException("Nothing is resolved.");
}
