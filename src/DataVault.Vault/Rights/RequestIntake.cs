using System.Text.Json;
using DataVault.Policy;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Takes requests in. A keyed call that is repeated opens nothing: it finds the request that the first one opened, which is remembered in the transaction of
/// its row (<see cref="IdempotencyStore"/>). What is remembered is the request's number.
/// </summary>
internal sealed class RequestIntake(RequestStore store, RequestNotes notes, SubjectReach reach, IdempotencyStore idempotency, Objections objections)
{
    /// <returns>The request; where the key was used for it before, as it stands now.</returns>
    public async Task<RequestRow> OpenAsync(Recipient recipient, RequestRow row, string? note, Guid requestId, IdempotencyKey? key, CancellationToken ct)
    {
        if (key is not null && await EarlierAsync(key, ct) is { } earlier) return earlier;
        row = row with { Notes = await notes.AddAsync(row, row.OpenedBy, note, ct) };
        List<string> states = recipient.Kind == RecipientKind.Customer && IsSureEnough(row) ? [.. StatesWithoutOfficer(row.Kind)] : [RequestStates.Received];
        using var step = objections.Step();
        row = row with { Objecting = step };
        // SPEC GDPR 21(3): there is nothing to decide.
        if (row is { Kind: RequestKinds.Objection, Course.Objects: { Count: > 0 } objects } && objects.All(one => one.Absolute))
        {
            states.Add(RequestStates.Completed);
            row = row with { CompletedAt = row.OpenedAt };
        }

        var opened = key is null ? await store.InsertAsync(recipient, row, states, requestId, ct)
            : await store.InsertAsync(recipient, row, states, requestId, new RequestClaim(idempotency, key, row.Id), ct);
        await step.CommittedAsync(ct);
        return opened ?? await EarlierAsync(key!, ct) ?? throw VaultException.Unavailable();
    }

    /// <summary>Of every step with an objection.</summary>
    public Objections Objections => objections;

    /// <summary>A new request as it will stand: under which law, and due when.</summary>
    public async Task<RequestRow> DraftAsync(Recipient recipient, string kind, SubjectId subject, string? jurisdiction, CancellationToken ct, RequestWish? wish = null)
    {
        if (!RequestKinds.All.Contains(kind))
            throw Invalid("/kind", $"The kind is one of {string.Join(", ", RequestKinds.All)}.");
        if (jurisdiction is not null && reach.Policy.Jurisdictions.Find(jurisdiction) is null)
            throw Invalid("/jurisdiction", "The policy knows no such jurisdiction.");
        // Under which law somebody lives follows from their record; whoever asks about themselves chooses no clock.
        if (jurisdiction is not null && recipient.Kind == RecipientKind.Customer)
            throw Invalid("/jurisdiction", "The law follows from where the person lives; an officer alone names another.");
        if (wish?.Purposes is not null && kind != RequestKinds.Objection) throw Invalid("/purposes", "Only an objection names purposes.");
        var objects = kind == RequestKinds.Objection ? objections.Named(wish?.Purposes) : [];
        if (wish?.Decision is not null && kind != RequestKinds.Contest) throw Invalid("/decision", "Only a contest is about a decision.");
        if (wish?.Decision is { } contested) await store.Contests.CheckAsync(subject, contested, ct);
        var (regime, earlier) = await store.SituationAsync(subject, kind, ct);
        // Contests of two decisions are two requests.
        if (earlier?.Course.Decision != wish?.Decision) earlier = null;
        var law = Law(jurisdiction ?? regime);
        var now = store.Now;
        var countsFrom = earlier is null ? now : earlier.Course.CountsFrom ?? earlier.OpenedAt;
        return new RequestRow(store.Clock.NewId(), subject, kind, RequestStates.Received, law.Name)
        {
            OpenedAt = now, DueAt = law.DueAt(countsFrom), OpenedBy = OpenedBy(recipient),
            // Whoever opens it themselves reads the answer, which is the acknowledgement.
            Course = new RequestCourse { CountsFrom = countsFrom, Repeats = earlier?.Id, Decision = wish?.Decision, Checks = SignIn(recipient), AcknowledgedAt = recipient.Kind == RecipientKind.Customer ? now : null, Objects = objects },
        };
    }

    public Jurisdiction Law(string? name) => reach.Policy.Jurisdictions.OrDefault(name);

    /// <inheritdoc cref="RequestClocks.Of"/>
    public RequestClock ClockOf(RequestRow row) => RequestClocks.Of(row, reach.Policy.Jurisdictions, store.Now);

    // What a sign-in is worth the policy says; a policy without such rules takes it as it always did.
    private IReadOnlyList<IdentityCheck> SignIn(Recipient recipient)
    {
        if (recipient.Kind != RecipientKind.Customer) return [];
        var name = recipient.Assurance >= Recipient.MultiFactor ? VerificationMethod.SignedInTwice : VerificationMethod.SignedIn;
        return reach.Policy.Rights.Method(name) is { } method ? [new IdentityCheck(name, method.Level, store.Now, true)] : [];
    }

    private bool IsSureEnough(RequestRow row) => reach.Policy.Rights.Methods.Count == 0 || row.Course.Assurance >= reach.Policy.Rights.Needed(row.Kind);

    private async Task<RequestRow?> EarlierAsync(IdempotencyKey key, CancellationToken ct) =>
        await idempotency.FindAsync(key, ct) is not { } answer ? null
            : await store.FindAsync(RequestClaim.RequestOf(answer), ct) ?? throw VaultException.NotFound();

    private static string OpenedBy(Recipient recipient) => recipient.Kind switch
    {
        RecipientKind.Customer => "customer",
        RecipientKind.Staff => "officer",
        _ => "application",
    };

    private static IReadOnlyList<string> StatesWithoutOfficer(string kind) => RequestKinds.EndInPackage(kind)
        ? [RequestStates.Received, RequestStates.Verified, RequestStates.Approved]
        : [RequestStates.Received, RequestStates.Verified];

    private static VaultException Invalid(string pointer, string message) => VaultException.Invalid([new FieldProblem(pointer, "unknown", message)]);
}

/// <summary>What a request is opened under, once: taken in the transaction of its row.</summary>
internal interface IRequestClaim
{
    /// <summary>False: another call has it, and no request is opened.</summary>
    Task<bool> TryTakeAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, CancellationToken ct);
}

/// <summary>A key that a request is opened under.</summary>
internal sealed record RequestClaim(IdempotencyStore Store, IdempotencyKey Key, Guid Request) : IRequestClaim
{
    private sealed record Opened(Guid Request);

    public async Task<bool> TryTakeAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, CancellationToken ct)
    {
        if (!await Store.TryClaimAsync(connection, transaction, Key, ct)) return false;
        await IdempotencyStore.AnswerAsync(connection, transaction, Key, new StoredAnswer(201, JsonSerializer.SerializeToUtf8Bytes(new Opened(Request))), ct);
        return true;
    }

    public static Guid RequestOf(StoredAnswer answer) => JsonSerializer.Deserialize<Opened>(answer.Body)!.Request;
}
