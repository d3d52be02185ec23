using System.Net;
using DataVault.Server.Http;
using DataVault.Testing;

namespace DataVault.Server.Tests.Identity;

/// <summary>Who fails too often from one place waits, longer each time; others do not, and memory is bounded.</summary>
public sealed class SignInBrakeTests
{
    private static readonly string s_here = SignInBrake.NetworkOf(IPAddress.Parse("198.51.100.7"));
    private readonly ManualClock _clock = new(new DateTimeOffset(2030, 1, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly SignInBrake _brake;

    public SignInBrakeTests() => _brake = new SignInBrake(new LimitOptions { FailedSignIns = 10, FailedSignInsOverall = 100 }, _clock);

    [Fact]
    public void A_network_that_has_used_up_its_room_waits_whatever_accounts_it_tries_and_its_neighbours_with_it()
    {
        for (var i = 0; i < 9; i++) Assert.False(_brake.Failed(SignInBrake.NetworkOf(IPAddress.Parse($"198.51.100.{i}"))));
        Assert.Null(_brake.WaitOf(s_here));

        Assert.True(_brake.Failed(s_here));

        Assert.Equal(SignInBrake.FirstWait, _brake.WaitOf(s_here));
        Assert.NotNull(_brake.WaitOf(SignInBrake.NetworkOf(IPAddress.Parse("::ffff:198.51.100.200"))));
        Assert.Null(_brake.WaitOf(SignInBrake.NetworkOf(IPAddress.Parse("198.51.101.7"))));
    }

    [Fact]
    public void Each_wait_is_twice_the_one_before_up_to_a_quarter_of_an_hour_and_ten_quiet_minutes_forgive()
    {
        Fail(s_here, 10);
        for (var wait = SignInBrake.FirstWait; wait < SignInBrake.LongestWait; wait *= 2)
        {
            Assert.Equal(wait, _brake.WaitOf(s_here));
            _clock.Advance(wait);
            Assert.Null(_brake.WaitOf(s_here));
            Fail(s_here, 2);
        }
        Assert.Equal(SignInBrake.LongestWait, _brake.WaitOf(s_here));
        _clock.Advance(SignInBrake.LongestWait + SignInBrake.Window + TimeSpan.FromSeconds(1));
        Fail(s_here, 9);

        Assert.Null(_brake.WaitOf(s_here));
    }

    [Fact]
    public void While_sign_ins_fail_everywhere_a_network_that_fails_has_a_tenth_of_the_room()
    {
        for (var i = 0; i < 101; i++) _brake.Failed(SignInBrake.NetworkOf(IPAddress.Parse($"203.0.{i}.1")));

        Assert.True(_brake.Failed(s_here));
        Assert.Null(_brake.WaitOf(SignInBrake.NetworkOf(IPAddress.Parse("192.0.2.1"))));
    }

    [Fact]
    public void However_many_networks_fail_a_bounded_number_is_remembered()
    {
        for (var i = 0; i < 50_000; i++) _brake.Failed(SignInBrake.NetworkOf(new IPAddress([10, (byte)(i >> 16), (byte)(i >> 8), 0])));
        for (var i = 0; i < 50_000; i++) _brake.Failed(SignInBrake.NetworkOf(new IPAddress([0x20, 1, 0xd, 0xb8, (byte)(i >> 8), (byte)i, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])));

        Assert.InRange(_brake.Remembered, 1, 20_000);
    }

    private void Fail(string from, int times)
    {
        for (var i = 0; i < times; i++) _brake.Failed(from);
    }
}
