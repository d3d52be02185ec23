using System.Security.Cryptography;
using System.Text;

namespace DataVault.Cryptography;

/// <summary>Where a key of a token is.</summary>
/// <param name="Module">Whole path of the PKCS#11 library.</param>
/// <param name="Token">Label of the token.</param>
/// <param name="Key">Label of the key.</param>
public sealed record TokenKey(string Module, string Token, string Key);

/// <summary>
/// A root key that never leaves its token: AES-256, sensitive, not extractable. It encrypts by <c>CKM_AES_GCM</c> with the context as associated data, for
/// <c>C_WrapKey</c> takes no context and not every token has GCM there.
/// <code>12 ‖ length of the IV (1) ‖ IV ‖ ciphertext ‖ tag (16)        associated data: 12 ‖ context</code>
/// </summary>
public sealed class Pkcs11RootKey : IRootKeyProvider
{
    /// <summary>First byte of what it wraps.</summary>
    public const byte Suite = 0x12;

    private const int IvSize = 12;
    private readonly TokenKey where;
    private readonly Cryptoki module;
    private readonly SecretBytes pin;
    private readonly IRandomBytes random;
    private readonly Lock working = new();
    private (nuint Session, nuint Key)? open;
    private bool pinRefused;

    private Pkcs11RootKey(TokenKey where, Cryptoki module, SecretBytes pin, IRandomBytes random) =>
        (this.where, this.module, this.pin, this.random) = (where, module, pin, random);

    public string Name => $"pkcs11/{where.Token}/{where.Key}";

    /// <summary>Finds token and key and signs in.</summary>
    /// <exception cref="RootKeyException">What is missing, or why the key is not good enough.</exception>
    public static Pkcs11RootKey Open(TokenKey where, string pin, IRandomBytes random)
    {
        var provider = new Pkcs11RootKey(where, Cryptoki.Load(where.Module), Utf8(pin), random);
        try
        {
            provider.WithKey((_, _) => true);
            return provider;
        }
        catch
        {
            provider.Dispose();
            throw;
        }
    }

    /// <summary>Makes a key fit for this provider on a token that has none of the name.</summary>
    public static void Generate(TokenKey where, string pin, IRandomBytes random)
    {
        using var provider = new Pkcs11RootKey(where, Cryptoki.Load(where.Module), Utf8(pin), random);
        provider.Speak(() =>
        {
            var session = provider.SignIn(forChanges: true);
            try
            {
                provider.GenerateIn(session);
            }
            finally
            {
                provider.module.CloseSession(session);
            }

            return true;
        });
    }

    public byte[] Wrap(ReadOnlySpan<byte> key, ReadOnlySpan<byte> context)
    {
        using var plaintext = SecretBytes.CopyOf(key);
        var bound = Bound(context);
        return WithKey((session, handle) => WrapIn(session, handle, plaintext, bound));
    }

    public SecretBytes Unwrap(ReadOnlySpan<byte> wrapped, ReadOnlySpan<byte> context)
    {
        if (wrapped.Length < 2 + Cryptoki.TagSize || wrapped[0] != Suite || wrapped[1] == 0 || wrapped.Length < 2 + wrapped[1] + Cryptoki.TagSize)
            throw new CryptographicException("The value was not wrapped by a token.");
        var (iv, ciphertext, bound) = (wrapped.Slice(2, wrapped[1]).ToArray(), wrapped[(2 + wrapped[1])..].ToArray(), Bound(context));
        return WithKey((session, handle) => Decrypt(session, handle, iv, ciphertext, bound));
    }

    public void Dispose()
    {
        lock (working)
        {
            Forget();
            pin.Dispose();
        }
    }

    private byte[] WrapIn(nuint session, nuint handle, SecretBytes plaintext, byte[] bound)
    {
        var iv = RandomIv();
        byte[] ciphertext;
        try
        {
            ciphertext = module.EncryptGcm(session, handle, iv, bound, plaintext.Span);
        }
        catch (CryptokiException e) when (e.Code == CryptokiCode.MechanismParameterInvalid)
        {
            // Some tokens make the IV themselves and take only an empty place for it.
            Array.Clear(iv);
            ciphertext = module.EncryptGcm(session, handle, iv, bound, plaintext.Span);
            if (!iv.AsSpan().ContainsAnyExcept((byte)0)) throw new RootKeyException("The token neither takes an IV nor makes one.");
        }

        // INVARIANT: nothing is handed out that does not come back: a token that keeps the IV to itself is noticed here, not at the next start.
        using var back = Decrypt(session, handle, iv, ciphertext, bound);
        if (!CryptographicOperations.FixedTimeEquals(back.Span, plaintext.Span)) throw new RootKeyException("The token does not give back what it encrypted.");
        return [Suite, (byte)iv.Length, .. iv, .. ciphertext];
    }

    private SecretBytes Decrypt(nuint session, nuint handle, byte[] iv, byte[] ciphertext, byte[] bound)
    {
        using var plaintext = new SecretBytes(ciphertext.Length);
        try
        {
            return SecretBytes.CopyOf(plaintext.Span[..module.DecryptGcm(session, handle, iv, bound, ciphertext, plaintext.Span)]);
        }
        catch (CryptokiException e) when (e.Code is CryptokiCode.EncryptedDataInvalid or CryptokiCode.EncryptedDataLengthRange
            or CryptokiCode.DataInvalid or CryptokiCode.AeadDecryptFailed)
        {
            throw new CryptographicException("The value does not open.");
        }
        catch (CryptokiException e) when (e.Code == CryptokiCode.GeneralError)
        {
            // Some modules have no better word for a wrong tag. A token that still encrypts is well, and then it is the value.
            module.EncryptGcm(session, handle, RandomIv(), bound, [0]);
            throw new CryptographicException("The value does not open.");
        }
    }

    // What was true of a session may have ended: the token was taken out and put back, or another part of the process signed out. Once more, from the start.
    private T WithKey<T>(Func<nuint, nuint, T> work)
    {
        lock (working)
        {
            return Speak(() =>
            {
                try
                {
                    var (session, key) = open ??= OpenKey();
                    return work(session, key);
                }
                catch (CryptokiException e) when (IsLost(e.Code))
                {
                    Forget();
                    var (session, key) = (open = OpenKey()).Value;
                    return work(session, key);
                }
            });
        }
    }

    private (nuint Session, nuint Key) OpenKey()
    {
        var session = SignIn(forChanges: false);
        try
        {
            return (session, FindKey(session));
        }
        catch
        {
            module.CloseSession(session);
            throw;
        }
    }

    private nuint SignIn(bool forChanges)
    {
        // INVARIANT: a PIN that was refused is not tried again: tokens lock after a few tries.
        if (pinRefused) throw new RootKeyException($"The token {where.Token} refused the PIN.");
        var session = module.OpenSession(FindSlot(), forChanges);
        try
        {
            module.Login(session, pin.Span);
            return session;
        }
        catch (CryptokiException e)
        {
            module.CloseSession(session);
            if (!IsPin(e.Code)) throw;
            pinRefused = true;
            throw new RootKeyException(e.Code is CryptokiCode.PinLocked or CryptokiCode.PinExpired
                ? $"The PIN of the token {where.Token} is locked or expired: its administrator must set it anew."
                : $"The token {where.Token} refused the PIN.");
        }
    }

    private nuint FindSlot() => module.SlotsWithTokens().Where(slot => module.TokenLabel(slot) == where.Token).ToList() switch
    {
        [var slot] => slot,
        [] => throw new RootKeyException($"There is no token called {where.Token}: is it plugged in, and does the module's configuration name it?"),
        _ => throw new RootKeyException($"There are several tokens called {where.Token}."),
    };

    private nuint FindKey(nuint session)
    {
        var key = Keys(session) switch
        {
            [var only] => only,
            [] => throw new RootKeyException($"The token {where.Token} has no AES key called {where.Key}."),
            _ => throw new RootKeyException($"The token {where.Token} has several AES keys called {where.Key}."),
        };
        if (!Has(TokenAttribute.Sensitive, 1) || !Has(TokenAttribute.Extractable, 0))
            throw new RootKeyException($"The key {where.Key} can leave its token: a root key is sensitive and not extractable.");
        if (!Has(TokenAttribute.ValueLength, KeyDerivation.KeySize) || !Has(TokenAttribute.Encrypt, 1) || !Has(TokenAttribute.Decrypt, 1))
            throw new RootKeyException($"The key {where.Key} must be of 256 bits and may encrypt and decrypt.");
        return key;

        bool Has(nuint attribute, nuint value) => module.Attribute(session, key, attribute) == value;
    }

    private IReadOnlyList<nuint> Keys(nuint session) => module.Find(
        session, new(TokenAttribute.Class, Cryptoki.SecretKey), new(TokenAttribute.KeyType, Cryptoki.Aes), new(TokenAttribute.Token, true), Label());

    private void GenerateIn(nuint session)
    {
        if (Keys(session).Count > 0) throw new RootKeyException($"The token {where.Token} has a key called {where.Key} already.");
        var id = new byte[8];
        random.Fill(id);
        module.GenerateAesKey(
            session,
            new(TokenAttribute.Class, Cryptoki.SecretKey), new(TokenAttribute.KeyType, Cryptoki.Aes), new(TokenAttribute.ValueLength, KeyDerivation.KeySize),
            new(TokenAttribute.Token, true), new(TokenAttribute.Private, true), new(TokenAttribute.Sensitive, true), new(TokenAttribute.Extractable, false),
            new(TokenAttribute.Encrypt, true), new(TokenAttribute.Decrypt, true), new(TokenAttribute.Wrap, false), new(TokenAttribute.Unwrap, false),
            Label(), new(TokenAttribute.Id, id));
    }

    private byte[] RandomIv()
    {
        var iv = new byte[IvSize];
        random.Fill(iv);
        return iv;
    }

    private TokenAttribute Label() => new(TokenAttribute.Label, Encoding.UTF8.GetBytes(where.Key));

    private void Forget()
    {
        if (open is { } was) module.CloseSession(was.Session);
        open = null;
    }

    private T Speak<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (CryptokiException e)
        {
            throw new RootKeyException(e.Code switch
            {
                CryptokiCode.MechanismInvalid => $"The token {where.Token} does not offer CKM_AES_GCM.",
                CryptokiCode.TokenNotPresent or CryptokiCode.DeviceRemoved or CryptokiCode.SlotIdInvalid => $"The token {where.Token} is not there.",
                _ => $"The token {where.Token} does not do its work ({e.Message}).",
            });
        }
    }

    private static bool IsLost(nuint code) => code is CryptokiCode.SessionClosed or CryptokiCode.SessionHandleInvalid or CryptokiCode.UserNotLoggedIn
        or CryptokiCode.KeyHandleInvalid or CryptokiCode.ObjectHandleInvalid or CryptokiCode.DeviceRemoved or CryptokiCode.TokenNotPresent
        or CryptokiCode.DeviceError or CryptokiCode.SlotIdInvalid;

    private static bool IsPin(nuint code) => code is CryptokiCode.PinIncorrect or CryptokiCode.PinInvalid or CryptokiCode.PinLengthRange
        or CryptokiCode.PinLocked or CryptokiCode.PinExpired;

    private static byte[] Bound(ReadOnlySpan<byte> context) => [Suite, .. context];

    private static SecretBytes Utf8(string pin)
    {
        var secret = new SecretBytes(Encoding.UTF8.GetByteCount(pin));
        Encoding.UTF8.GetBytes(pin, secret.Span);
        return secret;
    }
}
