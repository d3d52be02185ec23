using System.Security.Cryptography;
using DataVault.Cryptography;
using Xunit;

namespace DataVault.Pure.Tests.Cryptography;

/// <summary>Against SoftHSM 2, a token that keeps the rules without the hardware.</summary>
public sealed class Pkcs11RootKeyTests
{
    private readonly SystemRandomBytes random = new();

    [Fact]
    public void A_key_of_the_token_unwraps_what_it_wrapped_at_the_next_start_too()
    {
        var where = SoftToken.NewKey(random);
        using var secret = SecretBytes.Random(32, random);
        byte[] wrapped;
        using (var first = Pkcs11RootKey.Open(where, SoftToken.Pin, random)) wrapped = first.Wrap(secret.Span, "context"u8);

        using var second = Pkcs11RootKey.Open(where, SoftToken.Pin, random);
        using var back = second.Unwrap(wrapped, "context"u8);
        Assert.True(back.Span.SequenceEqual(secret.Span));
        Assert.Equal($"pkcs11/{where.Token}/{where.Key}", second.Name);
        Assert.Equal((Pkcs11RootKey.Suite, 12, 2 + 12 + 32 + 16), (wrapped[0], wrapped[1], wrapped.Length));
    }

    [Fact]
    public void Another_context_another_key_or_a_changed_byte_does_not_open()
    {
        using var key = Pkcs11RootKey.Open(SoftToken.NewKey(random), SoftToken.Pin, random);
        using var other = Pkcs11RootKey.Open(SoftToken.NewKey(random), SoftToken.Pin, random);
        var wrapped = key.Wrap("a key of the vault"u8, "context"u8);

        Assert.ThrowsAny<CryptographicException>(() => key.Unwrap(wrapped, "another"u8));
        Assert.ThrowsAny<CryptographicException>(() => other.Unwrap(wrapped, "context"u8));
        for (var i = 0; i < wrapped.Length; i++)
        {
            var changed = wrapped.ToArray();
            changed[i] ^= 1;
            Assert.ThrowsAny<CryptographicException>(() => key.Unwrap(changed, "context"u8));
        }

        Assert.ThrowsAny<CryptographicException>(() => key.Unwrap(wrapped.AsSpan(0, wrapped.Length - 1), "context"u8));
        Assert.ThrowsAny<CryptographicException>(() => key.Unwrap([], "context"u8));
        key.Unwrap(wrapped, "context"u8).Dispose();
    }

    [Fact]
    public void It_signs_in_again_after_the_session_ended()
    {
        var where = SoftToken.NewKey(random, SoftToken.OtherToken);
        using var key = Pkcs11RootKey.Open(where, SoftToken.Pin, random);
        var wrapped = key.Wrap("k"u8, default);
        var module = Cryptoki.Load(where.Module);
        var slot = module.SlotsWithTokens().Single(s => module.TokenLabel(s) == where.Token);

        Assert.Equal(CryptokiCode.Ok, module.CloseAllSessions(slot));
        key.Unwrap(wrapped, default).Dispose();

        var session = module.OpenSession(slot, forChanges: false);
        module.Logout(session);
        key.Unwrap(wrapped, default).Dispose();
        module.Logout(session);
        key.Unwrap(key.Wrap("k"u8, default), default).Dispose();
        module.CloseSession(session);
    }

    [Fact]
    public void Many_threads_share_one_key()
    {
        using var key = Pkcs11RootKey.Open(SoftToken.NewKey(random), SoftToken.Pin, random);
        Parallel.For(0, 64, i =>
        {
            byte[] plaintext = [(byte)i, 1, 2];
            using var back = key.Unwrap(key.Wrap(plaintext, [(byte)i]), [(byte)i]);
            Assert.Equal(plaintext, back.Span.ToArray());
        });
    }

    [Fact]
    public void What_is_missing_is_said()
    {
        var where = SoftToken.NewKey(random);

        Assert.Contains("no AES key", Refusal(where with { Key = "absent" }), StringComparison.Ordinal);
        Assert.Contains("no token", Refusal(where with { Token = "absent" }), StringComparison.Ordinal);
        Assert.Contains("not there", Refusal(where with { Module = "/nowhere/module.so" }), StringComparison.Ordinal);
        Assert.Contains("does not load", Refusal(where with { Module = typeof(Pkcs11RootKeyTests).Assembly.Location }), StringComparison.Ordinal);
        Assert.Contains("already", Assert.Throws<RootKeyException>(() => Pkcs11RootKey.Generate(where, SoftToken.Pin, random)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_wrong_pin_is_said_and_not_shown()
    {
        // A token that no other test signs in to: while somebody is, a module looks at no further PIN.
        var where = new TokenKey(SoftToken.Module, SoftToken.LonelyToken, "any");

        var refusal = Assert.Throws<RootKeyException>(() => Pkcs11RootKey.Open(where, "not-the-pin", random)).Message;
        Assert.Contains("refused the PIN", refusal, StringComparison.Ordinal);
        Assert.DoesNotContain("not-the-pin", refusal, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false, true, "can leave its token")]
    [InlineData(true, true, "can leave its token")]
    public void A_key_that_can_leave_its_token_is_refused(bool sensitive, bool extractable, string reason)
    {
        var where = new TokenKey(SoftToken.Module, SoftToken.Token, $"weak-{sensitive}-{extractable}");
        var module = Cryptoki.Load(where.Module);
        var session = module.OpenSession(module.SlotsWithTokens().Single(s => module.TokenLabel(s) == where.Token), forChanges: true);
        module.Login(session, System.Text.Encoding.UTF8.GetBytes(SoftToken.Pin));
        module.GenerateAesKey(
            session,
            new(TokenAttribute.Class, Cryptoki.SecretKey), new(TokenAttribute.KeyType, Cryptoki.Aes), new(TokenAttribute.ValueLength, 32), new(TokenAttribute.Token, true),
            new(TokenAttribute.Private, true), new(TokenAttribute.Sensitive, sensitive), new(TokenAttribute.Extractable, extractable),
            new(TokenAttribute.Encrypt, true), new(TokenAttribute.Decrypt, true), new(TokenAttribute.Label, System.Text.Encoding.UTF8.GetBytes(where.Key)));
        module.CloseSession(session);

        Assert.Contains(reason, Refusal(where), StringComparison.Ordinal);
    }

    private string Refusal(TokenKey where) => Assert.Throws<RootKeyException>(() => Pkcs11RootKey.Open(where, SoftToken.Pin, random)).Message;
}
