using System.Text;
using System.Xml.Linq;
using DataVault.Issuer.Storage;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.AspNetCore.DataProtection.XmlEncryption;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace DataVault.Issuer.Keys;

/// <summary>DataProtection's key ring in PostgreSQL, so that every process shares it, sealed under the vault's root (without an encryptor it would lie in clear), and with a seal over each row: its XML names types to be made.</summary>
internal sealed class KeyRingOptions(IssuerDatabase database, IssuerSecrets secrets) : IConfigureOptions<KeyManagementOptions>
{
    public void Configure(KeyManagementOptions options)
    {
        options.XmlRepository = new KeyRingRepository(database, secrets.Rows);
        options.XmlEncryptor = new KeyRingEncryptor(secrets);
    }
}

internal sealed class KeyRingRepository(IssuerDatabase database, RowSeals seals) : IXmlRepository
{
    public IReadOnlyCollection<XElement> GetAllElements() =>
    [
        .. database.List("SELECT xml, seal FROM issuer.data_protection_key", r => (Xml: r.GetString(0), Seal: r.OptionalReference<byte[]>(1)))
            .Where(row => seals.Hold("data_protection_key", row.Seal, seals.OfKeyRing(row.Xml))).Select(row => XElement.Parse(row.Xml)),
    ];

    public void StoreElement(XElement element, string friendlyName)
    {
        var xml = element.ToString(SaveOptions.DisableFormatting);
        database.List("INSERT INTO issuer.data_protection_key (name, xml, seal) VALUES ($1, $2, $3)", r => 0, friendlyName, xml, seals.OfKeyRing(xml));
    }
}

internal sealed class KeyRingEncryptor(IssuerSecrets secrets) : IXmlEncryptor
{
    public const string Context = "key-ring";

    public EncryptedXmlInfo Encrypt(XElement plaintextElement)
    {
        var plaintext = Encoding.UTF8.GetBytes(plaintextElement.ToString(SaveOptions.DisableFormatting));
        var sealedKey = new XElement("sealedKey", Convert.ToBase64String(secrets.Seal(Context, plaintext)));
        return new EncryptedXmlInfo(sealedKey, typeof(KeyRingDecryptor));
    }
}

/// <summary>Made by DataProtection by name from the stored XML, hence the constructor.</summary>
internal sealed class KeyRingDecryptor(IServiceProvider services) : IXmlDecryptor
{
    public XElement Decrypt(XElement encryptedElement)
    {
        var secrets = services.GetRequiredService<IssuerSecrets>();
        using var plaintext = secrets.Open(KeyRingEncryptor.Context, Convert.FromBase64String(encryptedElement.Value));
        return XElement.Parse(Encoding.UTF8.GetString(plaintext.Span));
    }
}
