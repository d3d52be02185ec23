using System.Text;
using System.Xml.Linq;
using DataVault.Issuer.Storage;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.AspNetCore.DataProtection.XmlEncryption;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace DataVault.Issuer.Keys;

/// <summary>DataProtection's key ring in PostgreSQL, so that every process shares it, sealed under the vault's root (without an encryptor it would lie in clear).</summary>
internal sealed class KeyRingOptions(IssuerDatabase database, IssuerSecrets secrets) : IConfigureOptions<KeyManagementOptions>
{
    public void Configure(KeyManagementOptions options)
    {
        options.XmlRepository = new KeyRingRepository(database);
        options.XmlEncryptor = new KeyRingEncryptor(secrets);
    }
}

internal sealed class KeyRingRepository(IssuerDatabase database) : IXmlRepository
{
    public IReadOnlyCollection<XElement> GetAllElements() =>
        database.List("SELECT xml FROM issuer.data_protection_key", r => XElement.Parse(r.GetString(0)));

    public void StoreElement(XElement element, string friendlyName) =>
        database.List(
            "INSERT INTO issuer.data_protection_key (name, xml) VALUES ($1, $2)",
            r => 0,
            friendlyName,
            element.ToString(SaveOptions.DisableFormatting));
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
