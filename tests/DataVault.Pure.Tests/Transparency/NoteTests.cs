using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Pure.Tests.Transparency;

public sealed class NoteTests
{
    private const string Text = "vault.example/log\n3\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n";

    // A key and a note that golang.org/x/mod/sumdb/note publishes in its documentation.
    private const string GoKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    private const string GoNote =
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
        + "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    private static readonly ECDsa Key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    [Fact]
    public void A_signed_note_verifies_with_the_signers_key_and_no_other()
    {
        var signer = new NoteSigner("vault.example/log", Key);
        Assert.True(SignedNote.TryParse(signer.Sign(Text).ToString(), out var note));
        Assert.Equal(Text, note!.Text);
        Assert.Equal(NoteCheck.Valid, NoteVerifier.Parse(signer.VerifierKey).Check(note));

        using var otherKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Assert.Equal(NoteCheck.NotSigned, NoteVerifier.Parse(new NoteSigner("vault.example/log", otherKey).VerifierKey).Check(note));
        Assert.Equal(NoteCheck.NotSigned, NoteVerifier.Parse(new NoteSigner("other.example/log", Key).VerifierKey).Check(note));
    }

    [Fact]
    public void Any_change_of_the_text_or_the_signature_is_noticed()
    {
        var signer = new NoteSigner("vault.example/log", Key);
        var verifier = NoteVerifier.Parse(signer.VerifierKey);
        var note = signer.Sign(Text).ToString();
        for (var i = 0; i < note.Length; i++)
        {
            var changed = string.Concat(note.AsSpan(0, i), note[i] == 'A' ? "B" : "A", note.AsSpan(i + 1));
            Assert.False(SignedNote.TryParse(changed, out var parsed) && verifier.Verify(parsed!), $"character {i}");
        }
    }

    [Fact]
    public void A_second_false_signature_of_a_known_key_condemns_the_note()
    {
        var signer = new NoteSigner("vault.example/log", Key);
        var note = signer.Sign(Text);
        var other = signer.Sign(Text + "x\n").Signatures[0];
        Assert.Equal(NoteCheck.Invalid, NoteVerifier.Parse(signer.VerifierKey).Check(note.With(other)));
        Assert.Equal(NoteCheck.Valid, NoteVerifier.Parse(signer.VerifierKey).Check(note.With(other with { KeyId = 1 })));
    }

    [Fact]
    public void A_signature_that_is_not_in_strict_der_is_refused()
    {
        Assert.True(EcdsaNoteVerifier.IsStrictDer(Convert.FromHexString("3006020101020101")));
        string[] loose =
        [
            "", "30", "3006020101020101" + "00", "308106020101020101", "300702020001020101", "3006020181020101", "30050201010200", "300602010102010100",
            "3005020101" + "0201", "3006040101020101", "3106020101020101", "3009020101020101020101", "3006020100020101", "3003020101",
        ];
        Assert.All(loose, der => Assert.False(EcdsaNoteVerifier.IsStrictDer(Convert.FromHexString(der)), der));
    }

    [Fact]
    public void A_real_signature_with_a_needless_zero_is_refused()
    {
        var signer = new NoteSigner("vault.example/log", Key);
        var note = signer.Sign(Text);
        var der = note.Signatures[0].Signature.ToArray();
        byte[] padded = [0x30, (byte)(der[1] + 1), 0x02, (byte)(der[3] + 1), 0x00, .. der[4..]];
        var forged = new SignedNote(Text, [note.Signatures[0] with { Signature = padded }]);
        Assert.Equal(NoteCheck.Invalid, NoteVerifier.Parse(signer.VerifierKey).Check(forged));
    }

    [Fact]
    public void An_ed25519_note_verifies_and_a_changed_one_does_not()
    {
        var verifier = NoteVerifier.Parse(GoKey);
        Assert.True(SignedNote.TryParse(GoNote, out var note));
        var check = verifier.Check(note!);
        Assert.SkipWhen(check == NoteCheck.NotAvailable, "no libcrypto 3 on this machine");
        Assert.Equal(NoteCheck.Valid, check);
        Assert.Equal(NoteCheck.Invalid, verifier.Check(new SignedNote(note!.Text + "\n", note.Signatures)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("name")]
    [InlineData("name+00000000")]
    [InlineData("PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")]
    [InlineData("PeterNeuman+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")]
    [InlineData("Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")]
    [InlineData("PeterNeumann+c74f20a3+AxpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")]
    [InlineData("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10")]
    [InlineData("rekor.sigstore.dev+c0d23d6a+AjBZMBMG")]
    public void What_is_not_a_verifier_key_is_refused(string line)
    {
        Assert.False(NoteVerifier.TryParse(line, out _));
        Assert.Throws<FormatException>(() => NoteVerifier.Parse(line));
    }

    [Theory]
    [InlineData("")]
    [InlineData("text\n")]
    [InlineData("text\n\n")]
    [InlineData("text\n\n— name AAAAAAA=")]
    [InlineData("text\n\n- name AAAAAAA=\n")]
    [InlineData("text\n\n— name AAAAAAA=\nmore\n")]
    [InlineData("text\n\n— name AAAAAA==\n")]
    [InlineData("text\n\n— name AAAAAAB=\n")]
    [InlineData("text\n\n— na+me AAAAAAA=\n")]
    [InlineData("text\n\n—  AAAAAAA=\n")]
    [InlineData("te\rxt\n\n— name AAAAAAA=\n")]
    public void What_is_not_a_note_is_refused(string note) => Assert.False(SignedNote.TryParse(note, out _));

    [Fact]
    public void A_text_that_is_not_unicode_is_refused() => Assert.False(SignedNote.TryParse("te\ud800xt\n\n— name AAAAAAA=\n", out _));

    [Fact]
    public void The_text_of_a_note_ends_at_the_last_blank_line()
    {
        Assert.True(SignedNote.TryParse("a\n\nb 😀\n\n— name AAAAAAA=\n— other AAAAAAA=\n", out var note));
        Assert.Equal("a\n\nb 😀\n", note!.Text);
        Assert.Equal(["name", "other"], note.Signatures.Select(signature => signature.Name));
        Assert.Equal("a\n\nb 😀\n\n— name AAAAAAA=\n— other AAAAAAA=\n", note.ToString());
    }

    [Fact]
    public void A_checkpoint_survives_its_text()
    {
        Assert.True(Checkpoint.TryParse(Text, out var checkpoint));
        Assert.Equal(3, checkpoint!.Size);
        Assert.Equal(Text, checkpoint.ToText());
        Assert.Equal(checkpoint, new Checkpoint("vault.example/log", 3, checkpoint.Root.ToArray()));
    }

    [Theory]
    [InlineData("vault.example/log\n03\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n")]
    [InlineData("vault.example/log\n-3\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n")]
    [InlineData("vault.example/log\n99999999999999999999\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n")]
    [InlineData("vault.example/log\n3\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyh=\n")]
    [InlineData("vault.example/log\n3\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=")]
    [InlineData("vault.example/log\n3\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\nextension\n")]
    [InlineData("vault.example/log\n3\nAAAA\n")]
    [InlineData("\n3\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n")]
    public void What_is_not_a_checkpoint_is_refused(string text) => Assert.False(Checkpoint.TryParse(text, out _));

    [Fact]
    public void Published_notes_of_other_logs_are_judged_as_expected()
    {
        var file = Path.Combine(PublishedVectors.Folder("notes"), "ecdsa-notes.json");
        using var document = JsonDocument.Parse(File.ReadAllText(file));
        Assert.Equal(3, document.RootElement.GetArrayLength());
        foreach (var test in document.RootElement.EnumerateArray())
        {
            var verifier = NoteVerifier.Parse(test.GetProperty("key").GetString()!);
            var valid = SignedNote.TryParse(test.GetProperty("note").GetString()!, out var note) && verifier.Verify(note!);
            Assert.Equal(test.GetProperty("valid").GetBoolean(), valid);
        }
    }
}
