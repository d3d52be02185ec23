using DataVault.Issuer;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Transparency;
using DataVault.Vault;

namespace DataVault.Server;

/// <summary>Writes what happens at the issuer's door into the transparency log; the issuer answers only after the entry is durable.</summary>
internal sealed class SignInAudit(AuditTrail trail, SignInBrake brake, IHttpContextAccessor http) : ISignInAudit
{
    public async Task RecordAsync(SignInEvent signIn, CancellationToken cancellationToken)
    {
        if (signIn.Success || http.HttpContext is not { } call)
        {
            await WriteAsync(signIn, cancellationToken);
            return;
        }

        var place = SignInBrake.PlaceOf(call, signIn.Realm);
        // One entry for each wait: a secret that is wrong during it is answered so, and neither counted nor written down.
        if (signIn.Kind == SignInKinds.ClientSecret && brake.WaitOf(place) is { } wait) throw new TooManyFailures(wait);
        await WriteAsync(signIn, cancellationToken);
        if (brake.Failed(place))
            await WriteAsync(new SignInEvent(false, "network", "unknown", Realm.Application, "unknown", Reason: "too-many-failures"), cancellationToken);
    }

    private Task<long> WriteAsync(SignInEvent signIn, CancellationToken cancellationToken)
    {
        var subject = signIn.Subject is { } customer ? new SubjectId(customer) : (SubjectId?)null;
        var actor = new Recipient(KindOf(signIn.Realm), signIn.ActorId, signIn.ActorName, [], [], subject);
        var detail = signIn.Reason is null ? signIn.Kind : $"{signIn.Kind}: {signIn.Reason}";
        return trail.RecordAsync(TypeOf(signIn), actor, "", signIn.Success ? EntryResult.Ok : EntryResult.Denied, subject, detail, cancellationToken);
    }

    public Task<long> IntendAsync(IssuerChange change, CancellationToken cancellationToken) => trail.IntendAsync(Act(change), cancellationToken);

    public Task ConfirmAsync(MadeChange made, CancellationToken cancellationToken) =>
        trail.ConfirmAsync(Act(made.Change), made.Id, made.Intent, cancellationToken);

    private static AdministrativeAct Act(IssuerChange change) => new(
        change.Object.Realm == Realm.Application ? EntryType.ClientChange : EntryType.AccountChange,
        PartyOf(change.Actor),
        PartyOf(change.Object),
        change.What,
        change.Subject is { } customer ? new SubjectId(customer) : null);

    internal static Recipient PartyOf(IssuerParty party) =>
        party.Realm is { } realm ? new Recipient(KindOf(realm), party.Id, party.Name, [], []) : Recipient.Process(party.Id);

    private static RecipientKind KindOf(Realm realm) => realm switch
    {
        Realm.Staff => RecipientKind.Staff,
        Realm.Customer => RecipientKind.Customer,
        _ => RecipientKind.Application,
    };

    private static EntryType TypeOf(SignInEvent signIn) => signIn.Kind switch
    {
        _ when !signIn.Success => EntryType.SignInFailed,
        SignInKinds.TokenIssued => EntryType.TokenIssued,
        _ => EntryType.SignIn,
    };
}
