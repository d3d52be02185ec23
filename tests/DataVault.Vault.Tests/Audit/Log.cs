using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault.Tests.Audit;

/// <summary>Shorthand for tests of the log.</summary>
internal static class Log
{
    public static readonly Recipient Desk = new(RecipientKind.Application, "support-desk", "Support desk", ["customer-support"], ["customer-support"]);

    public static LogEntry Entry(RunningVault vault, int number = 1, ReadOnlyMemory<byte> tag = default) =>
        vault.Get<AuditLog>().Entry(EntryType.FieldRead, Desk, tag, "customer-support", EntryResult.Ok, [number]);

    public static Task<long> AppendAsync(RunningVault vault, int number = 1) => vault.Get<AuditLog>().AppendAsync(Entry(vault, number));

    public static async Task<List<LogEntry>> ReadAllAsync(RunningVault vault)
    {
        var entries = new List<LogEntry>();
        await foreach (var (index, entry) in vault.Get<LogStore>().EntriesAsync(0, long.MaxValue))
        {
            if (index != entries.Count) throw new InvalidOperationException($"the log has a gap before {index}");
            entries.Add(LogEntry.Decode(entry));
        }

        return entries;
    }

    /// <summary>Verifies the signed log from its tiles alone, as an outsider would.</summary>
    public static async Task<VerificationReport> VerifyAsync(RunningVault vault)
    {
        var reader = vault.Get<AuditReader>();
        await reader.SignAsync();
        return await new LogVerifier(NoteVerifier.Parse(reader.VerifierKey)).VerifyAsync(new ReaderSource(reader));
    }

    public static ILogSource SourceOf(AuditReader reader) => new ReaderSource(reader);

    private sealed class ReaderSource(AuditReader reader) : ILogSource
    {
        public Task<string?> CheckpointAsync(CancellationToken cancellationToken) => reader.CheckpointAsync(cancellationToken);

        public Task<byte[]?> TileAsync(int level, long n, int width, CancellationToken cancellationToken) => reader.TileAsync(level, n, width, cancellationToken);

        public Task<byte[]?> EntryBundleAsync(long n, int width, CancellationToken cancellationToken) => reader.EntryBundleAsync(n, width, cancellationToken);
    }
}
