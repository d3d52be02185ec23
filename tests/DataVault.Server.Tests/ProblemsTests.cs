using System.Security.Cryptography;
using DataVault.Server.Http;

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
}
