using System.Text;
using DataVault.Cryptography;
using Xunit;

namespace DataVault.Pure.Tests.Cryptography;

/// <summary>Codes of authenticator apps, by the vectors that the RFCs publish.</summary>
public sealed class TimeCodesTests
{
    private static readonly byte[] Secret = Encoding.ASCII.GetBytes("12345678901234567890");

    [Theory]
    [InlineData(59, "94287082")]
    [InlineData(1111111109, "07081804")]
    [InlineData(1111111111, "14050471")]
    [InlineData(1234567890, "89005924")]
    [InlineData(2000000000, "69279037")]
    [InlineData(20000000000, "65353130")]
    public void The_vectors_of_rfc_6238_appendix_b_hold(long seconds, string code) =>
        Assert.Equal(code, TimeCodes.Code(Secret, TimeCodes.StepOf(DateTimeOffset.FromUnixTimeSeconds(seconds)), digits: 8));

    [Theory]
    [InlineData(0, "755224")]
    [InlineData(1, "287082")]
    [InlineData(2, "359152")]
    [InlineData(3, "969429")]
    [InlineData(4, "338314")]
    [InlineData(5, "254676")]
    [InlineData(6, "287922")]
    [InlineData(7, "162583")]
    [InlineData(8, "399871")]
    [InlineData(9, "520489")]
    public void The_vectors_of_rfc_4226_appendix_d_hold(long counter, string code) => Assert.Equal(code, TimeCodes.Code(Secret, counter));

    [Theory]
    [InlineData(-2, false)]
    [InlineData(-1, true)]
    [InlineData(0, true)]
    [InlineData(1, true)]
    [InlineData(2, false)]
    public void A_code_is_taken_one_step_around_now(int steps, bool taken)
    {
        var now = DateTimeOffset.FromUnixTimeSeconds(1_900_000_000);
        var step = TimeCodes.StepOf(now) + steps;

        Assert.Equal(taken ? step : null, TimeCodes.Match(Secret, TimeCodes.Code(Secret, step), now, after: 0));
    }

    [Fact]
    public void A_code_that_was_used_and_those_before_it_are_not_taken_again()
    {
        var now = DateTimeOffset.FromUnixTimeSeconds(1_900_000_000);
        var step = TimeCodes.StepOf(now);

        Assert.Null(TimeCodes.Match(Secret, TimeCodes.Code(Secret, step), now, after: step));
        Assert.Null(TimeCodes.Match(Secret, TimeCodes.Code(Secret, step - 1), now, after: step));
        Assert.Equal(step + 1, TimeCodes.Match(Secret, TimeCodes.Code(Secret, step + 1), now, after: step));
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("f", "MY")]
    [InlineData("fo", "MZXQ")]
    [InlineData("foo", "MZXW6")]
    [InlineData("foob", "MZXW6YQ")]
    [InlineData("fooba", "MZXW6YTB")]
    [InlineData("foobar", "MZXW6YTBOI")]
    public void Base32_is_rfc_4648s_without_padding(string text, string encoded)
    {
        Assert.Equal(encoded, Base32.Encode(Encoding.ASCII.GetBytes(text)));
        Assert.Equal(text, Encoding.ASCII.GetString(Base32.Decode(encoded)!));
    }

    [Fact]
    public void Base32_is_read_as_people_type_it()
    {
        Assert.Equal("foobar", Encoding.ASCII.GetString(Base32.Decode("mzxw 6ytb-oi")!));
        Assert.Null(Base32.Decode("MZXW1"));
    }
}
