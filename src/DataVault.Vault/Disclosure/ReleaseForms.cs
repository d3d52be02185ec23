using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using DataVault.Policy;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>
/// Puts an opened value into the form that was decided. Returns copies, nobody else's: what it returns may outlive the opened record, and is erased.
/// INVARIANT: a form that cannot be made of a value shows nothing; there is no falling back to a wider one.
/// </summary>
internal sealed class ReleaseForms(KeyRegistry keys, VaultClock clock)
{
    // Blind indexes are numbered by field; tokens must never equal one of them.
    private const int TokenIndexes = 1_000_000;

    public byte[]? Apply(OpenedField opened, string purpose) => opened.Permit.Form switch
    {
        Form.Plain => opened.Utf8Json.ToArray(),
        Form.Masked => Masked(opened),
        Form.Generalised => Generalised(opened),
        Form.Token => Token(opened, purpose),
        _ => null,
    };

    private static byte[]? Masked(OpenedField opened)
    {
        using var value = JsonDocument.Parse(opened.Utf8Json);
        return Masker.Mask(opened.Field.Mask, value.RootElement) is { } masked ? Write(masked) : null;
    }

    private byte[]? Generalised(OpenedField opened)
    {
        using var value = JsonDocument.Parse(opened.Utf8Json);
        return Generaliser.Generalise(opened.Field.Generalisation, value.RootElement, clock.Today) is { } group ? Write(JsonValue.Create(group)) : null;
    }

    /// <summary>Equal values of one field give equal tokens within one purpose, and nothing else does.</summary>
    private byte[] Token(OpenedField opened, string purpose)
    {
        var label = Encoding.UTF8.GetBytes($"{purpose}\0{opened.Field.Id}\0");
        byte[] message = [.. label, .. opened.Utf8Json.Span];
        var term = new byte[16];
        keys.Index(TokenIndexes).Term(message, term);
        CryptographicOperations.ZeroMemory(message);
        return Write(JsonValue.Create("tok_" + Convert.ToHexStringLower(term)));
    }

    private static byte[] Write(JsonNode node)
    {
        var buffer = new ArrayBufferWriter<byte>(64);
        using (var writer = new Utf8JsonWriter(buffer, FieldValues.Canonical)) node.WriteTo(writer);
        return buffer.WrittenSpan.ToArray();
    }
}
