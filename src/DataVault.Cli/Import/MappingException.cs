namespace DataVault.Cli.Import;

/// <summary>A mapping file that cannot be used: where and why.</summary>
internal sealed class MappingException(string file, long line, string message) : Exception($"{file}:{line}: {message}");
