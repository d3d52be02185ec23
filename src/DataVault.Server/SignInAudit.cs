using DataVault.Issuer;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault;

namespace DataVault.Server;

/// <summary>Writes what happens at the issuer's door into the transparency log; the issuer answers only after the entry is durable.</summary>
internal sealed class SignInAudit(AuditTrail trail) : ISignInAudit
{
    public Task RecordAsync(SignInEvent signIn, CancellationToken cancellationToken)
    {
        var subject = signIn.Subject is { } customer ? new SubjectId(customer) : (SubjectId?)null;
        var actor = new Recipient(KindOf(signIn.Realm), signIn.ActorId, signIn.ActorName, [], [], subject);
        var detail = signIn.Reason is null ? signIn.Kind : $"{signIn.Kind}: {signIn.Reason}";
        return trail.RecordAsync(TypeOf(signIn), actor, "", signIn.Success ? EntryResult.Ok : EntryResult.Denied, subject, detail, cancellationToken);
    }

    private static RecipientKind KindOf(Realm realm) => realm switch
    {
        Realm.Staff => RecipientKind.Staff,
        Realm.Customer => RecipientKind.Customer,
        _ => RecipientKind.Application,
    };

    private static EntryType TypeOf(SignInEvent signIn) => signIn.Kind switch
    {
        SignInKinds.AccountChange or SignInKinds.PasswordChange => EntryType.AccountChange,
        SignInKinds.ClientChange => EntryType.ClientChange,
        _ when !signIn.Success => EntryType.SignInFailed,
        SignInKinds.TokenIssued => EntryType.TokenIssued,
        _ => EntryType.SignIn,
    };
}
