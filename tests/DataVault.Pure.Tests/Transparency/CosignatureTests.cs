using System.Security.Cryptography;
using System.Text;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Pure.Tests.Transparency;

public sealed class CosignatureTests
{
    // A checkpoint that a public log published, cosigned by four public witnesses whose programs are not ours.
    private const string Published =
        """
        arche2025h1.staging.ct.transparency.dev
        1432088532
        U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

        — arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
        — arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
        — transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
        — witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
        — remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
        — witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==

        """;

    private const string PublishedLog = "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f";
    private const string Smartit = "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO";
    private const string Remora = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2";
    private const string Stagemole = "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv";

    [Theory]
    [InlineData(PublishedLog)]
    [InlineData(Smartit)]
    [InlineData(Remora)]
    [InlineData(Stagemole)]
    public void A_published_checkpoint_bears_the_signatures_of_its_log_and_witnesses(string verifierKey)
    {
        var note = Parse(Published);
        Assert.Equal(NoteCheck.Valid, NoteVerifier.Parse(verifierKey).Check(note));
        Assert.NotEqual(NoteCheck.Valid, NoteVerifier.Parse(verifierKey).Check(Parse(Published.Replace("1432088532", "1432088533", StringComparison.Ordinal))));
    }

    [Fact]
    public void The_time_of_a_cosignature_is_signed_with_it()
    {
        var note = Parse(Published);
        var line = note.Signatures.Single(signature => signature.Name == "remora.n621.de");
        Assert.Equal(1_779_573_024, Cosignature.TimeOf(line)!.Value.ToUnixTimeSeconds());
        var later = line.Signature.ToArray();
        later[7]++;
        var forged = Parse(note.Text + "\n" + (line with { Signature = later }).ToLine());
        Assert.Equal(NoteCheck.Invalid, NoteVerifier.Parse(Remora).Check(forged));
    }

    [Fact]
    public void A_published_checkpoint_meets_a_policy_that_asks_for_two_of_its_three_witnesses()
    {
        var policy = $"log {PublishedLog}\nwitness a {Smartit}\nwitness b {Remora} https://remora.n621.de\nwitness c {Stagemole}\ngroup two 2 a b c\nquorum two\n";
        Assert.True(NoteVerifier.TryParseFile(policy, out var verifier));
        Assert.True(verifier!.Verify(Parse(Published)));
        var alone = string.Join('\n', Published.Split('\n').Where(line => !line.Contains("stagemole", StringComparison.Ordinal) && !line.Contains("smartit", StringComparison.Ordinal)));
        Assert.Equal(NoteCheck.NotSigned, verifier.Check(Parse(alone)));
        Assert.True(NoteVerifier.TryParseFile(policy.Replace("group two 2", "group two any", StringComparison.Ordinal), out var any));
        Assert.True(any!.Verify(Parse(alone)));
    }

    [Fact]
    public void What_a_witness_signs_is_what_the_specification_writes()
    {
        // RFC 8032 §7.1, TEST 1.
        var seed = Convert.FromHexString("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        using var key = new CosignatureKey("witness.example/w1", seed);
        var publicKey = Convert.FromHexString("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        var id = SHA256.HashData([.. Encoding.ASCII.GetBytes("witness.example/w1\n"), 0x04, .. publicKey])[..4];
        Assert.Equal($"witness.example/w1+{Convert.ToHexStringLower(id)}+{Convert.ToBase64String([0x04, .. publicKey])}", key.VerifierKey);

        var tree = new Checkpoint("vault.example/log", 3, SHA256.HashData([]));
        var signature = key.Cosign(tree, DateTimeOffset.FromUnixTimeSeconds(1_679_315_147));
        Assert.Equal("00000000641850cb", Convert.ToHexStringLower(signature.Signature.Span[..8]));
        var message = Encoding.ASCII.GetBytes("cosignature/v1\ntime 1679315147\nvault.example/log\n3\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
        Assert.Equal(NoteCheck.Valid, Ed25519.Check(publicKey, message, signature.Signature.Span[8..]));
        // Ed25519 signatures are deterministic: the empty message of the same test.
        Assert.StartsWith("e5564300c360ac72", Convert.ToHexStringLower(Ed25519.Sign(seed, [])), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("quorum w\n")]
    [InlineData("witness w KEY\n")]
    [InlineData("witness w KEY\nquorum w\nquorum w\n")]
    [InlineData("witness w KEY\nwitness w KEY\nquorum w\n")]
    [InlineData("witness none KEY\nquorum none\n")]
    [InlineData("witness w KEY\ngroup g 2 w\nquorum g\n")]
    [InlineData("witness w KEY\ngroup g 0 w\nquorum g\n")]
    [InlineData("witness w KEY\ngroup g any w w\nquorum g\n")]
    [InlineData("witness w KEY\ngroup g any w\ngroup h any w g\nquorum h\n")]
    [InlineData("group g any w\nwitness w KEY\nquorum g\n")]
    [InlineData("log KEY\nquorum none\n")]
    [InlineData("witness w KEY\nquorum w\rnone\n")]
    [InlineData("wittness w KEY\nquorum none\n")]
    public void A_policy_that_is_not_plain_is_refused(string text)
    {
        Assert.False(TrustPolicy.TryParse(text.Replace("KEY", Remora, StringComparison.Ordinal), out var policy, out var problem));
        Assert.Null(policy);
        Assert.NotNull(problem);
    }

    [Fact]
    public void Groups_within_groups_count_as_one_each()
    {
        var text = $"# comment\n\twitness a {Smartit}\nwitness b {Remora}\nwitness c {Stagemole}\ngroup x all a b\ngroup y any x c\nquorum y\n";
        Assert.True(TrustPolicy.TryParse(text, out var policy, out _));
        Assert.True(policy!.IsQuorum(name => name == "c"));
        Assert.True(policy.IsQuorum(name => name is "a" or "b"));
        Assert.False(policy.IsQuorum(name => name == "a"));
    }

    private static SignedNote Parse(string text) => SignedNote.TryParse(text, out var note) ? note! : throw new FormatException("not a note");
}
