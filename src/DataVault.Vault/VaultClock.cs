using DataVault.Cryptography;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>The injected clock, and the identifiers that are made from it.</summary>
internal sealed class VaultClock(TimeProvider clock, IRandomBytes random)
{
    public TimeProvider Provider => clock;

    public IRandomBytes Random => random;

    public DateTimeOffset Now => clock.GetUtcNow();

    public DateOnly Today => DateOnly.FromDateTime(Now.UtcDateTime);

    public Guid NewId() => Uuid.Version7(clock, random);

    public SubjectId NewSubject() => new(NewId());
}
