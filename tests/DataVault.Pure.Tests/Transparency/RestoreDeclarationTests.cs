using System.Security.Cryptography;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Pure.Tests.Transparency;

public sealed class RestoreDeclarationTests : IDisposable
{
    private const string Origin = "vault.test/log";

    private readonly ECDsa first = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly ECDsa second = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public void Dispose()
    {
        first.Dispose();
        second.Dispose();
    }

    [Fact]
    public void A_signed_declaration_is_known_at_its_place_and_nowhere_else_and_as_it_is_and_not_otherwise()
    {
        var signer = new NoteSigner(Origin, first);
        var key = NoteVerifier.Parse(signer.VerifierKey);
        var entry = RestoreDeclaration.Sign(Declaration(10, RestoreDeclaration.OrderedRule), 40, signer);
        Assert.Equal(RestoreWord.Ordered, RestoreDeclaration.Check(LogEntry.Decode(entry.Encode()), 40, key));
        Assert.Equal(RestoreWord.Forged, RestoreDeclaration.Check(entry, 41, key));
        Assert.Equal(RestoreWord.Forged, RestoreDeclaration.Check(entry with { Reference = 9 }, 40, key));
        Assert.Equal(RestoreWord.Forged, RestoreDeclaration.Check(entry with { Rules = [RestoreDeclaration.FoundRule, .. entry.Rules.Skip(1)] }, 40, key));
        Assert.Equal(RestoreWord.Forged, RestoreDeclaration.Check(entry with { Rules = [.. entry.Rules.SkipLast(1)] }, 40, key));
        Assert.Equal(RestoreWord.Forged, RestoreDeclaration.Check(entry, 40, NoteVerifier.Parse(new NoteSigner(Origin, second).VerifierKey)));
        Assert.Equal(RestoreWord.Unsigned, RestoreDeclaration.Check(Declaration(10, RestoreDeclaration.OrderedRule), 40, key));
    }

    [Fact]
    public void While_a_log_changes_its_key_both_sign_and_either_is_enough()
    {
        var (old, young) = (new NoteSigner(Origin, first), new NoteSigner(Origin, second));
        var entry = RestoreDeclaration.Sign(Declaration(10, RestoreDeclaration.FoundRule), 40, young.Beside(old));
        foreach (var key in new[] { old, young }) Assert.Equal(RestoreWord.Found, RestoreDeclaration.Check(entry, 40, NoteVerifier.Parse(key.VerifierKey)));
        Assert.Equal(RestoreWord.Found, RestoreDeclaration.Check(entry, 40, LogKeys.Of([new LogKey(old.VerifierKey, 0), new LogKey(young.VerifierKey, 30)])));
    }

    [Fact]
    public void A_restore_that_was_found_explains_nothing_until_it_is_accepted_and_then_what_it_names()
    {
        var signer = new NoteSigner(Origin, first);
        var restores = new DeclaredRestores(NoteVerifier.Parse(signer.VerifierKey));
        restores.Read(40, RestoreDeclaration.Sign(Declaration(10, RestoreDeclaration.FoundRule), 40, signer));
        Assert.False(restores.Explain(20));
        Assert.Equal(40, restores.WouldExplain(20)!.Index);
        restores.Read(50, Acceptance(40));
        Assert.False(restores.Explain(20), "an acceptance without a signature is nobody's word");
        restores.Read(51, RestoreDeclaration.Sign(Acceptance(40), 51, signer));
        Assert.True(restores.Explain(10) && restores.Explain(39) && restores.IsBefore(5));
        Assert.False(restores.Explain(9) || restores.Explain(40) || restores.Explain(45));
        Assert.Equal(51, Assert.Single(restores.All).AcceptedAt);
    }

    private static LogEntry Declaration(long from, string rule) => new() { Type = EntryType.RestoreDeclared, Time = 1_790_000_000_000, Reference = from, Rules = [rule] };

    private static LogEntry Acceptance(long declaration) => new() { Type = EntryType.RestoreDeclared, Time = 1_790_000_000_000, RecordVersion = declaration, Rules = [RestoreDeclaration.AcceptedRule] };
}
