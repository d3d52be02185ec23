using System.Security.Cryptography;
using DataVault.Server.Http;
using Npgsql;

namespace DataVault.Server.Tests;

public sealed class ProblemsTests
{
    [Fact]
    public void Stored_bytes_that_do_not_open_are_unavailable_and_not_a_failure_of_the_server()
    {
        Assert.Equal(503, Problems.Catalogue[Problems.SlugOf(new AuthenticationTagMismatchException())].Status);
        Assert.Equal(503, Problems.Catalogue[Problems.SlugOf(new CryptographicException())].Status);
        Assert.Equal(500, Problems.Catalogue[Problems.SlugOf(new InvalidOperationException())].Status);
    }

    [Fact]
    public void A_database_that_goes_away_is_that_and_no_failure_of_the_server_whoever_says_it()
    {
        Assert.Equal("unavailable", Problems.SlugOf(new NpgsqlException("gone")));
        Assert.Equal("unavailable", Problems.SlugOf(new InvalidOperationException("likely transient", new NpgsqlException("gone"))));
        Assert.Equal("unavailable", Problems.SlugOf(new InvalidOperationException("likely transient", new TimeoutException())));
        Assert.Equal("internal", Problems.SlugOf(new InvalidOperationException("ours", new FormatException())));
    }
}
