using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>What an authority asked for.</summary>
public sealed record EvidenceOrder
{
    public const int MostEntries = 200;

    /// <summary>Days of the log that the record of processing is compared with.</summary>
    public int Days { get; init; } = 90;

    /// <summary>With <see cref="Purpose"/>, the proof of this person's consent.</summary>
    public SubjectId? Subject { get; init; }

    /// <summary>Figures of the consents for it; with <see cref="Subject"/>, that person's proof.</summary>
    public string? Purpose { get; init; }

    /// <summary>Further entries of the log to prove.</summary>
    public IReadOnlyList<long> Entries { get; init; } = [];
}

/// <summary>
/// Packs of evidence for an authority: record of processing, measures, register of requests, register of breaches, consents, and proofs of the entries that they name,
/// as a signed bag that anybody checks without the vault. INVARIANT: what waits to be sent lies sealed under a key that is nowhere but in this process, and is gone with the stream.
/// </summary>
public sealed class EvidencePacks
{
    public const string Kind = "evidence";
    private const string Room = "evidence";

    private static readonly JsonSerializerOptions Readable = new(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly EvidenceSources sources;
    private readonly SignedProofs proofs;
    private readonly AuditLog log;
    private readonly VaultOptions options;
    private readonly Decider decider;
    private readonly OversightDoor door;

    internal EvidencePacks(EvidenceSources sources, SignedProofs proofs, AuditLog log, VaultOptions options, Decider decider)
    {
        (this.sources, this.proofs, this.log, this.options, this.decider) = (sources, proofs, log, options, decider);
        door = new OversightDoor(log, decider, Capabilities.EvidenceExport, Room);
    }

    /// <summary>Makes a pack. The caller disposes the stream, and with it what lay on the disk.</summary>
    /// <param name="recipient">A person of the staff.</param>
    /// <param name="order">What is asked for.</param>
    /// <param name="withdrawAt">Where consents are withdrawn, for receipts.</param>
    /// <param name="requestId">Of the call, and of the pack.</param>
    /// <param name="ct">Ends the work.</param>
    /// <exception cref="VaultException">forbidden; invalid-request; not-found: an entry or a person is not there; unknown-purpose.</exception>
    public async Task<Stream> MakeAsync(Recipient recipient, EvidenceOrder order, Uri withdrawAt, Guid requestId, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        ArgumentNullException.ThrowIfNull(order);
        await door.AuthoriseAsync(recipient, requestId, ct);
        if (order.Entries.Count > EvidenceOrder.MostEntries) throw VaultException.BadRequest($"At most {EvidenceOrder.MostEntries} entries are proved in one pack.");
        if (order is { Subject: not null, Purpose: null }) throw VaultException.BadRequest("Name the purpose of the consent with the person.");
        var parts = await sources.CollectAsync(recipient, order, withdrawAt, requestId, ct);
        // The log knows of the pack before anybody has it.
        var entry = log.Entry(EntryType.EvidencePack, recipient, parts.Tag, order.Purpose ?? "", EntryResult.Ok, [], requestId) with { Rules = [$"pack:{requestId:D}"] };
        var proof = await proofs.OfAsync(await log.AppendAsync(entry, null, ct), ct);
        return await SealedAsync(stream => Write(stream, parts, proof, requestId), requestId);
    }

    private void Write(Stream target, EvidenceParts parts, TlogProof proof, Guid id)
    {
        var now = decider.Clock.Now;
        using var bag = new BagWriter(target, string.Create(CultureInfo.InvariantCulture, $"evidence-{now:yyyy-MM-dd}-{id:N}"), now);
        bag.WriteText("data/README.txt", EvidenceParts.Readme);
        foreach (var (name, document) in parts.Documents) bag.WriteText($"data/{name}.json", JsonSerializer.Serialize(document, Readable) + "\n");
        using (var file = bag.Open("data/requests.csv"))
        using (var csv = new SafeCsv(file, EvidenceParts.RequestColumns))
            foreach (var row in parts.Requests) csv.Row(row.Cells);
        foreach (var (name, text) in parts.Receipts) bag.WriteText($"data/consent/{name}.json", text);
        foreach (var one in parts.Proofs) bag.WriteText(string.Create(CultureInfo.InvariantCulture, $"data/log/{one.Index}.tlog-proof"), one.ToString());
        bag.WriteText("data/log/checkpoint.txt", parts.Checkpoint);
        bag.WriteText("data/policy-version.txt", parts.PolicyVersion + "\n");
        var controller = decider.Policy.Purposes.Controller;
        bag.Seal(new BagSeal(Kind, id, proof, proofs.Signer, now), controller is null ? [] : [new("Source-Organization", controller.Name), new("Contact-Email", controller.Contact)]);
    }

    private async Task<Stream> SealedAsync(Action<Stream> write, Guid id)
    {
        var folder = Path.Combine(options.Home, "evidence");
        DurableFile.EnsureFolder(folder);
        // Of a process that died: nobody has their keys.
        foreach (var left in Directory.EnumerateFiles(folder).Where(path => decider.Clock.Now - File.GetLastWriteTimeUtc(path) > TimeSpan.FromDays(1)).ToList()) File.Delete(left);
        var path = Path.Combine(folder, $"{id:N}.pack");
        var key = SecretBytes.Random(KeyDerivation.KeySize, decider.Clock.Random);
        try
        {
            await using (var stream = PackageFile.Create(path, SecretBytes.CopyOf(key.Span), id, decider.Clock.Random)) write(stream);
            return PackageFile.OpenOnce(path, key, id);
        }
        catch
        {
            key.Dispose();
            File.Delete(path);
            throw;
        }
    }
}
