using System.Collections.Concurrent;
using System.Text;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Vault.Indexes;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>What is kept of one identifier of somebody who was erased.</summary>
/// <param name="Group">Random; the same for all identifiers of one erasure. It leads to nothing else.</param>
/// <param name="Number">Which of them.</param>
/// <param name="Epoch">Of the key.</param>
/// <param name="Token">The keyed slow hash.</param>
/// <param name="Expires">The first day on which it is kept no longer.</param>
internal sealed record SuppressionMark(Guid Group, int Number, int Epoch, byte[] Token, DateOnly Expires);

/// <summary>
/// The keys of the suppression list (ADR 46). A token is <c>HMAC(epoch key, slow hash(salt, kind, identifier))</c>: the key, one a year, is random and stands in the keys database like that of
/// a blind index, so whoever has the vault database alone tests no guess; the slow hash makes each guess dear for whoever has both; and when the last mark of an epoch is
/// gone, so is its key, and old copies of the marks are noise.
/// </summary>
internal sealed class SuppressionKeys(IndexKeys keys, IServiceKeys service, VaultClock clock) : IDisposable
{
    /// <summary>As which index the list's keys are kept; no index of a catalogue has the number.</summary>
    public const int List = -1;

    private static readonly TimeSpan EpochLength = TimeSpan.FromDays(365);

    // Another process may be about to keep a mark under the epoch before; no transaction lasts that long.
    private static readonly TimeSpan Grace = TimeSpan.FromDays(1);

    private readonly ConcurrentDictionary<int, BlindIndexEpoch> open = new();
    private readonly Lazy<SecretBytes> salt = new(() => service.Derive("suppression/salt"));
    private readonly Lazy<SecretBytes> seal = new(() => service.Derive("suppression/seal"));

    /// <summary>The dear part, the same in every epoch.</summary>
    /// <param name="field">Says of which kind the identifier is.</param>
    /// <param name="identifier">As it is stored.</param>
    public byte[] Harden(FieldDefinition field, string identifier) => SlowHash.Of(SuppressionRules.KindOf(field), TextRules.Folded(identifier), salt.Value.Span);

    /// <summary>Null when its key does not open, or is not there: its marks answer for nobody.</summary>
    public async ValueTask<BlindIndexEpoch?> EpochAsync(int epoch, CancellationToken ct)
    {
        if (open.TryGetValue(epoch, out var known)) return known;
        if (await keys.OpenAsync(List, new IndexShape(epoch, BlindIndexKey.TermSize * 8, 1), ct) is not { } opened) return null;
        if (open.TryAdd(epoch, opened)) return opened;
        opened.Dispose();
        return open[epoch];
    }

    /// <summary>The epoch that new marks are made in.</summary>
    public async Task<(int Epoch, BlindIndexEpoch Key)> CurrentAsync(CancellationToken ct)
    {
        if (await keys.NewestAsync(List, ct) is { } newest && newest.CreatedAt > clock.Now - EpochLength && await EpochAsync(newest.Epoch, ct) is { } key) return (newest.Epoch, key);
        var made = await keys.CreateAsync(List, ct);
        return (made, await EpochAsync(made, ct) ?? throw VaultException.Unavailable());
    }

    /// <summary>Destroys the keys of epochs that have no marks any more, but for the newest.</summary>
    /// <param name="used">Epochs of marks that are kept.</param>
    /// <param name="ct">Ends the wait.</param>
    public async Task ForgetUnusedAsync(IReadOnlyCollection<int> used, CancellationToken ct)
    {
        if (await keys.NewestAsync(List, ct) is not { } newest || newest.CreatedAt > clock.Now - Grace) return;
        await keys.DestroyAllButAsync(List, [.. used, newest.Epoch], ct);
        foreach (var gone in open.Keys.Where(epoch => epoch != newest.Epoch && !used.Contains(epoch)).ToList()) open.TryRemove(gone, out _);
    }

    /// <summary>By what the vault knows its marks again.</summary>
    public byte[] SealOf(SuppressionMark mark) => RowSeal.Of(seal.Value, writer =>
    {
        writer.Write((byte)'m');
        writer.Add(mark.Group);
        writer.Write(mark.Number);
        writer.Write(mark.Epoch);
        writer.Write(mark.Token);
        writer.Write(mark.Expires.DayNumber);
    });

    /// <summary>By what it knows that the marks of a group have ended.</summary>
    public byte[] SealOfEnd(Guid group) => RowSeal.Of(seal.Value, writer =>
    {
        writer.Write((byte)'e');
        writer.Add(group);
    });

    public void Dispose()
    {
        foreach (var epoch in open.Values) epoch.Dispose();
        if (salt.IsValueCreated) salt.Value.Dispose();
        if (seal.IsValueCreated) seal.Value.Dispose();
    }
}
