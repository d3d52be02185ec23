using System.Security.Cryptography;
using DataVault.Cryptography;
using DataVault.Testing;
using DataVault.Vault.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Keys;

public sealed class AwsKmsRootKeyTests : IAsyncLifetime
{
    private static readonly Guid VaultId = new("018f3c1e-7b2a-7c3d-8e4f-5a6b7c8d9e0f");
    private KmsStandIn service = null!;

    public async ValueTask InitializeAsync() => service = await KmsStandIn.StartAsync();

    public ValueTask DisposeAsync() => service.DisposeAsync();

    [Fact]
    public void A_key_of_the_service_unwraps_what_it_wrapped_at_the_next_start_too()
    {
        byte[] wrapped;
        using (var first = AwsKmsRootKey.Open(service.Key("root"))) wrapped = first.Wrap("a key of the vault"u8, Context());

        using var second = AwsKmsRootKey.Open(service.Key("root"));
        using var back = second.Unwrap(wrapped, Context());

        Assert.True(back.Span.SequenceEqual("a key of the vault"u8));
        Assert.Equal(AwsKmsRootKey.Suite, wrapped[0]);
        Assert.Equal("aws-kms/" + KmsStandIn.ArnOf("root"), second.Name);
    }

    [Fact]
    public void The_service_is_told_what_the_key_is_for()
    {
        using var key = AwsKmsRootKey.Open(service.Key("root"));
        key.Unwrap(key.Wrap("k"u8, Context()), Context()).Dispose();

        Assert.Equal(["DescribeKey", "Encrypt", "Decrypt"], service.Calls.Select(call => call.Operation));
        Assert.All(service.Calls.Skip(1), call => Assert.Equal(
            """{"datavault:use":"vault-key","datavault:1":"018f3c1e7b2a7c3d8e4f5a6b7c8d9e0f"}""", call.Body["EncryptionContext"]!.ToJsonString()));
        Assert.All(service.Calls.Skip(1), call => Assert.Equal(KmsStandIn.ArnOf("root"), (string)call.Body["KeyId"]!));
    }

    [Fact]
    public void Another_context_another_key_or_a_changed_byte_does_not_open()
    {
        using var key = AwsKmsRootKey.Open(service.Key("root"));
        using var other = AwsKmsRootKey.Open(service.Key("another"));
        var wrapped = key.Wrap("k"u8, Context());

        Assert.ThrowsAny<CryptographicException>(() => key.Unwrap(wrapped, new AssociatedData(stackalloc byte[AssociatedData.Limit], "vault-key").Add(Guid.Empty).Bytes));
        Assert.ThrowsAny<CryptographicException>(() => other.Unwrap(wrapped, Context()));
        foreach (var place in new[] { 0, 1, wrapped.Length - 1 })
        {
            var changed = wrapped.ToArray();
            changed[place] ^= 1;
            Assert.ThrowsAny<CryptographicException>(() => key.Unwrap(changed, Context()));
        }
    }

    [Fact]
    public void Throttling_is_waited_out_and_not_for_ever()
    {
        using var key = AwsKmsRootKey.Open(service.Key("root"));
        service.Throttle(2);
        var wrapped = key.Wrap("k"u8, Context());
        key.Unwrap(wrapped, Context()).Dispose();

        service.Throttle(100);
        Assert.Contains("ThrottlingException", Assert.Throws<RootKeyException>(() => key.Wrap("k"u8, Context())).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("DescribeKey")]
    [InlineData("Encrypt")]
    [InlineData("Decrypt")]
    public void A_missing_permission_is_named(string operation)
    {
        service.Denied.Add(operation);
        var refusal = Assert.Throws<RootKeyException>(() =>
        {
            using var key = AwsKmsRootKey.Open(service.Key("root"));
            key.Unwrap(key.Wrap("k"u8, Context()), Context()).Dispose();
        });
        Assert.Contains($"lack kms:{operation}", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_that_is_disabled_later_is_said()
    {
        using var key = AwsKmsRootKey.Open(service.Key("root"));
        var wrapped = key.Wrap("k"u8, Context());
        foreach (var state in new[] { "Disabled", "PendingDeletion" })
        {
            service.State = state;
            Assert.Contains("disabled", Assert.Throws<RootKeyException>(() => key.Unwrap(wrapped, Context())).Message, StringComparison.Ordinal);
            Assert.Contains(state, Refusal(service.Key("root")), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task What_is_wrong_at_the_start_is_said()
    {
        var good = service.Key("root");
        Assert.Contains("no such key", Refusal(With(good, "absent", good.SecretAccessKey!, good.Endpoint!)), StringComparison.Ordinal);
        Assert.Contains("does not accept the credentials", Refusal(With(good, "root", "another secret", good.Endpoint!)), StringComparison.Ordinal);
        Assert.Contains("does not answer", Refusal(With(good, "root", good.SecretAccessKey!, new Uri("http://127.0.0.1:9"))), StringComparison.Ordinal);
        service.Spec = "RSA_4096";
        Assert.Contains("must be symmetric", Refusal(good), StringComparison.Ordinal);
        await service.DisposeAsync();
        Assert.DoesNotContain(good.SecretAccessKey!, Refusal(good), StringComparison.Ordinal);
    }

    [Fact]
    public void A_service_that_never_answers_is_given_up()
    {
        service.Hangs = true;
        var source = service.Key("root");
        var impatient = new RootKeySource.AwsKms
        {
            KeyId = "root", Region = source.Region, Endpoint = source.Endpoint, AccessKeyId = source.AccessKeyId, SecretAccessKey = source.SecretAccessKey,
            Timeout = TimeSpan.FromMilliseconds(200), Retries = 1,
        };
        Assert.Contains("does not answer", Refusal(impatient), StringComparison.Ordinal);
    }

    private static ReadOnlySpan<byte> Context() => new AssociatedData(new byte[AssociatedData.Limit], "vault-key").Add(VaultId).Bytes;

    private static string Refusal(RootKeySource.AwsKms source) => Assert.Throws<RootKeyException>(() => AwsKmsRootKey.Open(source)).Message;

    private static RootKeySource.AwsKms With(RootKeySource.AwsKms source, string keyId, string secret, Uri endpoint) => new()
    {
        KeyId = keyId, Region = source.Region, Endpoint = endpoint, AccessKeyId = source.AccessKeyId, SecretAccessKey = secret, Timeout = source.Timeout, Retries = 1,
    };
}
