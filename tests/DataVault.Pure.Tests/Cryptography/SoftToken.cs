using System.Diagnostics;
using System.Runtime.InteropServices;
using DataVault.Cryptography;
using Xunit;

namespace DataVault.Pure.Tests.Cryptography;

/// <summary>
/// SoftHSM 2 with tokens of its own in a folder that ends with the process. One for all tests of the process: a module has one state, and reads its
/// tokens when it starts.
/// </summary>
internal static partial class SoftToken
{
    public const string Pin = "1234-for-tests";
    public const string Token = "vault";
    public const string OtherToken = "second";
    public const string LonelyToken = "lonely";

    private static readonly Lazy<(string Module, string Settings)?> Library = new(Prepare);

    /// <summary>The module's path. Skips the test by name where SoftHSM is absent; on a build server that fails.</summary>
    public static string Module => Found.Module;

    /// <summary>The module's configuration file, for <c>SOFTHSM2_CONF</c> of another process.</summary>
    public static string Settings => Found.Settings;

    private static (string Module, string Settings) Found
    {
        get
        {
            var found = Library.Value;
            if (found is null && Environment.GetEnvironmentVariable("CI") == "true") Assert.Fail("softhsm2 is not installed.");
            Assert.SkipWhen(found is null, "softhsm2 is not installed");
            return found!.Value;
        }
    }

    /// <summary>A new key of its own name on a token.</summary>
    public static TokenKey NewKey(IRandomBytes random, string token = Token)
    {
        var where = new TokenKey(Module, token, "root-" + Guid.NewGuid().ToString("N")[..8]);
        Pkcs11RootKey.Generate(where, Pin, random);
        return where;
    }

    private static (string Module, string Settings)? Prepare()
    {
        var module = new[] { "/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so" }
            .FirstOrDefault(File.Exists);
        if (module is null) return null;
        var folder = Directory.CreateTempSubdirectory("dv-softhsm-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        var tokens = Directory.CreateDirectory(Path.Combine(folder, "tokens")).FullName;
        var settings = Path.Combine(folder, "softhsm2.conf");
        File.WriteAllText(settings, $"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n");
        // The module reads the process's own environment, which the runtime's copy does not reach.
        Assert.Equal(0, SetVariable("SOFTHSM2_CONF", settings, 1));
        foreach (var token in new[] { Token, OtherToken, LonelyToken }) Initialise(settings, token);
        return (module, settings);
    }

    private static void Initialise(string settings, string token)
    {
        var start = new ProcessStartInfo("softhsm2-util", ["--init-token", "--free", "--label", token, "--so-pin", "so-" + Pin, "--pin", Pin]) { RedirectStandardOutput = true };
        start.Environment["SOFTHSM2_CONF"] = settings;
        using var process = Process.Start(start)!;
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetVariable(string name, string value, int overwrite);
}
