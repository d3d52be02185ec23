// The part of PKCS#11 2.40 that a root key needs, called through the module's own table of functions. CK_ULONG is the machine's long here: Linux and
// macOS on 64 bits. Windows packs the structures otherwise and is refused.

using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;

namespace DataVault.Cryptography;

/// <summary>A call of the module that did not return CKR_OK.</summary>
internal sealed class CryptokiException(string call, nuint code) : Exception($"{call} answers 0x{code:x}")
{
    public nuint Code => code;
}

internal static class CryptokiCode
{
    public const nuint Ok = 0x00, SlotIdInvalid = 0x03, GeneralError = 0x05, FunctionFailed = 0x06, DataInvalid = 0x20, DeviceError = 0x30, DeviceRemoved = 0x32,
        AeadDecryptFailed = 0x35, EncryptedDataInvalid = 0x40, EncryptedDataLengthRange = 0x41, KeyHandleInvalid = 0x60, MechanismInvalid = 0x70,
        MechanismParameterInvalid = 0x71, ObjectHandleInvalid = 0x82, PinIncorrect = 0xA0, PinInvalid = 0xA1, PinLengthRange = 0xA2, PinExpired = 0xA3,
        PinLocked = 0xA4, SessionClosed = 0xB0, SessionHandleInvalid = 0xB3, TokenNotPresent = 0xE0, UserAlreadyLoggedIn = 0x100, UserNotLoggedIn = 0x101,
        AlreadyInitialised = 0x191;
}

/// <summary>CK_ATTRIBUTE: of an object, or of what is looked for.</summary>
internal readonly record struct TokenAttribute(nuint Type, byte[] Value)
{
    public const nuint Class = 0x00, Token = 0x01, Private = 0x02, Label = 0x03, KeyType = 0x100, Id = 0x102, Sensitive = 0x103, Encrypt = 0x104, Decrypt = 0x105,
        Wrap = 0x106, Unwrap = 0x107, ValueLength = 0x161, Extractable = 0x162;

    public TokenAttribute(nuint type, bool value)
        : this(type, [value ? (byte)1 : (byte)0])
    {
    }

    public TokenAttribute(nuint type, nuint value)
        : this(type, MemoryMarshal.AsBytes([value]).ToArray())
    {
    }
}

/// <summary>
/// One loaded module. Initialised once for the process and never finalised: another part of the process may use the same module, and the standard knows one
/// state for all of them.
/// </summary>
internal sealed unsafe class Cryptoki
{
    public const nuint SecretKey = 0x04;
    public const nuint Aes = 0x1F;
    public const int TagSize = 16;

    private const nuint AesKeyGeneration = 0x1080;
    private const nuint AesGcm = 0x1087;
    private const nuint OsLocking = 0x02;
    private const nuint SerialSession = 0x04;
    private const nuint ReadWriteSession = 0x02;
    private const nuint User = 1;
    private const int TokenInfoSize = 208;
    private const int LabelSize = 32;

    private static readonly ConcurrentDictionary<string, Cryptoki> Loaded = new(StringComparer.Ordinal);
    private static readonly Lock Loading = new();

    // CK_FUNCTION_LIST: a version, then one pointer per function in the order of the standard.
    private readonly nint* functions;

    private Cryptoki(nint list) => functions = (nint*)(list + sizeof(nuint));

    /// <exception cref="RootKeyException">There is no such module, or it does not start.</exception>
    public static Cryptoki Load(string module)
    {
        lock (Loading)
        {
            return Loaded.GetOrAdd(module, LoadNew);
        }
    }

    public IReadOnlyList<nuint> SlotsWithTokens()
    {
        nuint count = 0;
        Check("C_GetSlotList", ((delegate* unmanaged[Cdecl]<byte, nuint*, nuint*, nuint>)functions[4])(1, null, &count));
        var slots = new nuint[count];
        fixed (nuint* first = slots)
        {
            if (count > 0) Check("C_GetSlotList", ((delegate* unmanaged[Cdecl]<byte, nuint*, nuint*, nuint>)functions[4])(1, first, &count));
        }

        return slots[..(int)count];
    }

    public string TokenLabel(nuint slot)
    {
        var info = stackalloc byte[TokenInfoSize];
        Check("C_GetTokenInfo", ((delegate* unmanaged[Cdecl]<nuint, byte*, nuint>)functions[6])(slot, info));
        return Encoding.UTF8.GetString(info, LabelSize).TrimEnd(' ', '\0');
    }

    public nuint OpenSession(nuint slot, bool forChanges)
    {
        nuint session;
        var flags = SerialSession | (forChanges ? ReadWriteSession : 0);
        Check("C_OpenSession", ((delegate* unmanaged[Cdecl]<nuint, nuint, nint, nint, nuint*, nuint>)functions[12])(slot, flags, 0, 0, &session));
        return session;
    }

    /// <summary>Gives back what the module answers: a session that is gone already is no error.</summary>
    public nuint CloseSession(nuint session) => ((delegate* unmanaged[Cdecl]<nuint, nuint>)functions[13])(session);

    /// <summary>Ends all sessions of this process with the token, and so its sign-in.</summary>
    public nuint CloseAllSessions(nuint slot) => ((delegate* unmanaged[Cdecl]<nuint, nuint>)functions[14])(slot);

    public void Login(nuint session, ReadOnlySpan<byte> pin)
    {
        fixed (byte* bytes = pin)
        {
            var code = ((delegate* unmanaged[Cdecl]<nuint, nuint, byte*, nuint, nuint>)functions[18])(session, User, bytes, (nuint)pin.Length);
            if (code != CryptokiCode.UserAlreadyLoggedIn) Check("C_Login", code);
        }
    }

    public void Logout(nuint session) => Check("C_Logout", ((delegate* unmanaged[Cdecl]<nuint, nuint>)functions[19])(session));

    public IReadOnlyList<nuint> Find(nuint session, params ReadOnlySpan<TokenAttribute> like)
    {
        using var template = new Template(like);
        Check("C_FindObjectsInit", ((delegate* unmanaged[Cdecl]<nuint, nint, nuint, nuint>)functions[26])(session, template.Address, template.Count));
        const int most = 8;
        var found = stackalloc nuint[most];
        nuint count = 0;
        var code = ((delegate* unmanaged[Cdecl]<nuint, nuint*, nuint, nuint*, nuint>)functions[27])(session, found, most, &count);
        Check("C_FindObjectsFinal", ((delegate* unmanaged[Cdecl]<nuint, nuint>)functions[28])(session));
        Check("C_FindObjects", code);
        return new ReadOnlySpan<nuint>(found, (int)count).ToArray();
    }

    /// <summary>An attribute of up to one machine word.</summary>
    public nuint Attribute(nuint session, nuint handle, nuint type)
    {
        var value = new byte[sizeof(nuint)];
        using var template = new Template([new(type, value)]);
        Check("C_GetAttributeValue", ((delegate* unmanaged[Cdecl]<nuint, nuint, nint, nuint, nuint>)functions[24])(session, handle, template.Address, 1));
        return MemoryMarshal.Read<nuint>(value);
    }

    public void GenerateAesKey(nuint session, params ReadOnlySpan<TokenAttribute> attributes)
    {
        using var template = new Template(attributes);
        var mechanism = new Mechanism { Type = AesKeyGeneration };
        nuint handle;
        Check("C_GenerateKey", ((delegate* unmanaged[Cdecl]<nuint, Mechanism*, nint, nuint, nuint*, nuint>)functions[58])(session, &mechanism, template.Address, template.Count, &handle));
    }

    /// <param name="iv">Proposed; a token that makes its own writes it here.</param>
    /// <returns>Ciphertext and tag.</returns>
    public byte[] EncryptGcm(nuint session, nuint key, Span<byte> iv, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> plaintext)
    {
        var output = new byte[plaintext.Length + 4 * TagSize];
        var length = (nuint)output.Length;
        // INVARIANT: parameters and IV stay where they are between the two calls, for the token may read and write them in either.
        fixed (byte* ivAt = iv, associatedAt = associated, input = plaintext, result = output)
        {
            var parameters = new GcmParameters(ivAt, iv.Length, associatedAt, associated.Length);
            var mechanism = new Mechanism { Type = AesGcm, Parameter = (nint)(&parameters), Length = (nuint)sizeof(GcmParameters) };
            Check("C_EncryptInit", ((delegate* unmanaged[Cdecl]<nuint, Mechanism*, nuint, nuint>)functions[29])(session, &mechanism, key));
            Check("C_Encrypt", ((delegate* unmanaged[Cdecl]<nuint, byte*, nuint, byte*, nuint*, nuint>)functions[30])(session, input, (nuint)plaintext.Length, result, &length));
        }

        return output[..(int)length];
    }

    /// <returns>The length of the plaintext.</returns>
    public int DecryptGcm(nuint session, nuint key, ReadOnlySpan<byte> iv, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> ciphertext, Span<byte> plaintext)
    {
        var length = (nuint)plaintext.Length;
        fixed (byte* ivAt = iv, associatedAt = associated, input = ciphertext, result = plaintext)
        {
            var parameters = new GcmParameters(ivAt, iv.Length, associatedAt, associated.Length);
            var mechanism = new Mechanism { Type = AesGcm, Parameter = (nint)(&parameters), Length = (nuint)sizeof(GcmParameters) };
            Check("C_DecryptInit", ((delegate* unmanaged[Cdecl]<nuint, Mechanism*, nuint, nuint>)functions[33])(session, &mechanism, key));
            Check("C_Decrypt", ((delegate* unmanaged[Cdecl]<nuint, byte*, nuint, byte*, nuint*, nuint>)functions[34])(session, input, (nuint)ciphertext.Length, result, &length));
        }

        return (int)length;
    }

    private static Cryptoki LoadNew(string module)
    {
        if (OperatingSystem.IsWindows()) throw new RootKeyException("PKCS#11 modules are supported on Linux and macOS.");
        if (!Path.IsPathFullyQualified(module) || !File.Exists(module)) throw new RootKeyException("The PKCS#11 module is not there: give the whole path of the library.");
        if (!NativeLibrary.TryLoad(module, out var library) || !NativeLibrary.TryGetExport(library, "C_GetFunctionList", out var getList))
            throw new RootKeyException("The PKCS#11 module does not load: it is no such library, or one that it needs is missing.");
        nint list;
        var code = ((delegate* unmanaged[Cdecl]<nint*, nuint>)getList)(&list);
        if (code != CryptokiCode.Ok) throw new RootKeyException($"The PKCS#11 module does not start (C_GetFunctionList answers 0x{code:x}).");
        var loaded = new Cryptoki(list);
        var arguments = stackalloc nuint[6];
        new Span<nuint>(arguments, 6).Clear();
        arguments[4] = OsLocking;
        code = ((delegate* unmanaged[Cdecl]<nuint*, nuint>)loaded.functions[0])(arguments);
        if (code is CryptokiCode.Ok or CryptokiCode.AlreadyInitialised) return loaded;
        throw new RootKeyException($"The PKCS#11 module does not start (C_Initialize answers 0x{code:x}): see the module's own configuration.");
    }

    private static void Check(string call, nuint code)
    {
        if (code != CryptokiCode.Ok) throw new CryptokiException(call, code);
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Mechanism
    {
        public nuint Type;
        public nint Parameter;
        public nuint Length;
    }

    /// <summary>CK_GCM_PARAMS with the member ulIvBits, as 2.40 with its errata has it.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct GcmParameters(byte* iv, int ivLength, byte* associated, int associatedLength)
    {
        private readonly byte* iv = iv;
        private readonly nuint ivLength = (nuint)ivLength;
        private readonly nuint ivBits = (nuint)ivLength * 8;
        private readonly byte* associated = associated;
        private readonly nuint associatedLength = (nuint)associatedLength;
        private readonly nuint tagBits = TagSize * 8;
    }

    /// <summary>An array of CK_ATTRIBUTE whose values stay where they are until it is disposed.</summary>
    private readonly ref struct Template : IDisposable
    {
        private readonly GCHandle[] pins;
        private readonly nuint[] cells;

        public Template(ReadOnlySpan<TokenAttribute> attributes)
        {
            pins = new GCHandle[attributes.Length + 1];
            cells = new nuint[attributes.Length * 3];
            for (var i = 0; i < attributes.Length; i++)
            {
                pins[i] = GCHandle.Alloc(attributes[i].Value, GCHandleType.Pinned);
                cells[3 * i] = attributes[i].Type;
                cells[3 * i + 1] = (nuint)pins[i].AddrOfPinnedObject();
                cells[3 * i + 2] = (nuint)attributes[i].Value.Length;
            }

            pins[^1] = GCHandle.Alloc(cells, GCHandleType.Pinned);
        }

        public nint Address => pins[^1].AddrOfPinnedObject();

        public nuint Count => (nuint)cells.Length / 3;

        public void Dispose()
        {
            foreach (var pin in pins) pin.Free();
        }
    }
}
