using DataVault.Transparency;
using Xunit;

namespace DataVault.Pure.Tests.Transparency;

/// <summary>A copy that an auditor keeps is brought up to date by the log that it is of, and by no other.</summary>
public sealed class LogCopyTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("copy-");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public async Task Copying_again_brings_what_is_new_and_only_that()
    {
        var entries = MemoryLog.Entries(700);
        Assert.Equal(300, await LogCopy.SaveAsync(MemoryLog.Of(entries[..300]), folder.FullName));
        Assert.Equal(300, await LogCopy.SaveAsync(MemoryLog.Of(entries[..300]), folder.FullName));
        Assert.Equal(700, await LogCopy.SaveAsync(MemoryLog.Of(entries), folder.FullName));
        Assert.True((await new LogVerifier(MemoryLog.Verifier).VerifyAsync(new TileDirectory(folder.FullName))).Ok);
    }

    [Theory]
    [InlineData(299, 1)]
    [InlineData(300, 2)]
    [InlineData(301, 2)]
    [InlineData(700, 2)]
    public async Task A_log_that_does_not_continue_the_copy_takes_nothing_from_it_and_leaves_its_own_evidence(int size, int seed)
    {
        var held = MemoryLog.Of(MemoryLog.Entries(300));
        await LogCopy.SaveAsync(held, folder.FullName);
        var before = Files();
        var other = MemoryLog.Of(MemoryLog.Entries(size, seed));
        await Assert.ThrowsAsync<IOException>(() => LogCopy.SaveAsync(other, folder.FullName));
        Assert.Equal(other.Note, await File.ReadAllTextAsync(Path.Combine(folder.FullName, "checkpoint.contradicting")));
        File.Delete(Path.Combine(folder.FullName, "checkpoint.contradicting"));
        Assert.Equal(before, Files());
        Assert.True((await new LogVerifier(MemoryLog.Verifier).VerifyAsync(new TileDirectory(folder.FullName))).Ok);
    }

    private Dictionary<string, string> Files() =>
        Directory.EnumerateFiles(folder.FullName, "*", SearchOption.AllDirectories).ToDictionary(path => path, path => Convert.ToBase64String(File.ReadAllBytes(path)));
}
