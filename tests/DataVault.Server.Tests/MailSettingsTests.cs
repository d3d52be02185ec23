using DataVault.Issuer;
using DataVault.Server.Database;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;

namespace DataVault.Server.Tests;

/// <summary>How e-mail leaves the vault, by what its operator said.</summary>
public sealed class MailSettingsTests
{
    [Fact]
    public void Development_keeps_messages_in_a_folder_of_the_home_until_a_server_is_named()
    {
        var home = Path.Combine(Path.GetTempPath(), "the-home");
        Assert.Equal(Path.Combine(home, "mail"), Assert.IsType<MailFolder>(Read("Development", "--Vault:Home", home)).Path);

        var server = Assert.IsType<MailServer>(Read("Development", "--Mail:Host", "smtp.example", "--Mail:From", "vault@vault.example", "--Mail:User", "vault", "--Mail:Password", "secret"));
        Assert.Equal(("smtp.example", 587, "vault@vault.example", "vault", "secret"), (server.Host, server.Port, server.From, server.User, server.Password));
    }

    [Fact]
    public void Elsewhere_nothing_is_sent_until_a_server_is_named_with_an_address_to_send_from()
    {
        Assert.Null(Read("Production"));
        Assert.Throws<StartupException>(() => Read("Production", "--Mail:Host", "smtp.example"));
        Assert.Throws<StartupException>(() => Read("Production", "--Mail:Host", "smtp.example", "--Mail:From", "not an address"));
    }

    private static MailRoute? Read(string environment, params string[] arguments)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { EnvironmentName = environment });
        builder.Configuration.AddCommandLine(arguments);
        return new ServerSettings(builder.Configuration, builder.Environment).Mail;
    }
}
