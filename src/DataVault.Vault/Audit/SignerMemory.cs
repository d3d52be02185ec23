using DataVault.Cryptography;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>The signer refuses; the log goes on, but nobody signs it until an operator has seen to it.</summary>
internal sealed class SignerRefusalException(string message, Exception? cause = null) : Exception(message, cause)
{
    /// <summary>The database has another log than the one that was signed; else it is the signer who cannot sign.</summary>
    public bool IsContradiction { get; init; }
}

/// <summary>The last signed tree, in a file outside the database.</summary>
internal sealed class SignerMemory(VaultOptions options, IRandomBytes random)
{
    private readonly TreeFile file = TreeFile.OfSigner(options);

    public string Path => file.Path;

    /// <summary>Changes when somebody else wrote the memory.</summary>
    public FileStamp Stamp => FileStamp.Of(file.Path);

    /// <summary>For a key that has never signed: begins with nothing, unless there is a memory already.</summary>
    public void Begin()
    {
        if (!File.Exists(file.Path)) file.Write(CompactRange.Empty(), random);
    }

    /// <exception cref="SignerRefusalException">It is gone, damaged, or of another log.</exception>
    public CompactRange Recall()
    {
        try
        {
            return file.Read() ?? throw new SignerRefusalException("the signer's memory is gone from the home folder: restore it, or state what was last signed (signer adopt)");
        }
        catch (VaultStartException e)
        {
            throw new SignerRefusalException("the signer's memory is damaged or of another log: restore it, or state what was last signed (signer adopt)", e);
        }
    }

    /// <summary>Null when there is none that can be read.</summary>
    public CompactRange? TryRecall()
    {
        try
        {
            return file.Read();
        }
        catch (VaultStartException)
        {
            return null;
        }
    }

    /// <summary>INVARIANT: durable when it returns, the name of the file too.</summary>
    public void Remember(CompactRange tree) => file.Write(tree, random);
}

/// <summary>Tells whether a file is still the one that was read.</summary>
internal readonly record struct FileStamp(DateTime WrittenAt, long Length)
{
    public static FileStamp Of(string path) => new FileInfo(path) is { Exists: true } file ? new(file.LastWriteTimeUtc, file.Length) : default;
}
