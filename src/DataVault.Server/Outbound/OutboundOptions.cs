using DataVault.Server.Database;
using DataVault.Transparency;

namespace DataVault.Server.Outbound;

/// <summary>Whom the log is shown to (section <c>Audit</c>): from the configuration only, so that no account of the vault can send the log elsewhere.</summary>
internal sealed class OutboundOptions
{
    public IReadOnlyList<WitnessOptions> Witnesses { get; init; } = [];

    /// <summary>Cosignatures that a served checkpoint should have.</summary>
    public int Quorum { get; init; }

    public TimestampOptions? Timestamp { get; init; }

    public ExportOptions? Export { get; init; }

    /// <exception cref="StartupException">One line naming what is not right.</exception>
    public static OutboundOptions From(IConfiguration configuration)
    {
        var options = configuration.GetSection("Audit").Get<OutboundOptions>() ?? new OutboundOptions();
        foreach (var witness in options.Witnesses) witness.RefuseWrong();
        if (options.Witnesses.DistinctBy(w => w.Key).Count() != options.Witnesses.Count)
            throw new StartupException("Audit__Witnesses names the same witness twice.");
        if (options.Quorum < 0 || options.Quorum > options.Witnesses.Count)
            throw new StartupException("Audit__Quorum is more than there are Audit__Witnesses.");
        options.Timestamp?.RefuseWrong();
        options.Export?.RefuseWrong();
        return options;
    }

    internal static Uri Address(string setting, string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https"
            ? address
            : throw new StartupException($"{setting} is not an http:// or https:// address.");
}

/// <summary>A witness: its verifier key and the prefix of its <c>/add-checkpoint</c>.</summary>
internal sealed class WitnessOptions
{
    public string Key { get; init; } = "";

    public string Address { get; init; } = "";

    public void RefuseWrong()
    {
        if (!NoteVerifier.TryParse(Key, out _))
            throw new StartupException("Audit__Witnesses__N__Key is not a witness's verifier key (name+hash+base64).");
        OutboundOptions.Address("Audit__Witnesses__N__Address", Address);
    }
}

/// <summary>A timestamp authority (RFC 3161).</summary>
internal sealed class TimestampOptions
{
    public string Address { get; init; } = "";

    /// <summary>PEM file of the roots that its certificate must lead to.</summary>
    public string Roots { get; init; } = "";

    public TimeSpan Interval { get; init; } = TimeSpan.FromHours(1);

    public void RefuseWrong()
    {
        OutboundOptions.Address("Audit__Timestamp__Address", Address);
        if (!File.Exists(Roots))
            throw new StartupException("Audit__Timestamp__Roots names no PEM file of root certificates.");
        if (Interval < TimeSpan.FromSeconds(1))
            throw new StartupException("Audit__Timestamp__Interval is too short.");
    }
}

/// <summary>Where a SIEM gets the entries, in OCSF.</summary>
internal sealed class ExportOptions
{
    public FileExportOptions? File { get; init; }

    public HttpExportOptions? Http { get; init; }

    public void RefuseWrong()
    {
        if (File is { Path.Length: 0 } or { MaxBytes: < 4096 })
            throw new StartupException("Audit__Export__File needs a Path, and MaxBytes of at least 4096.");
        Http?.RefuseWrong();
    }
}

/// <summary>JSON Lines in a file that is renamed when it is full.</summary>
internal sealed class FileExportOptions
{
    public string Path { get; init; } = "";

    public long MaxBytes { get; init; } = 64L * 1024 * 1024;
}

/// <summary>JSON Lines posted to an address.</summary>
internal sealed class HttpExportOptions
{
    public string Address { get; init; } = "";

    /// <summary>File with a bearer token; read again for every post.</summary>
    public string? TokenFile { get; init; }

    /// <summary>Most entries in a post.</summary>
    public int Batch { get; init; } = 500;

    public void RefuseWrong()
    {
        OutboundOptions.Address("Audit__Export__Http__Address", Address);
        if (Batch is < 1 or > 10_000)
            throw new StartupException("Audit__Export__Http__Batch is between 1 and 10000.");
        if (TokenFile is not null && !System.IO.File.Exists(TokenFile))
            throw new StartupException("Audit__Export__Http__TokenFile names no file.");
    }
}
