using DataVault.Client.Wire;

namespace DataVault.Client;

public sealed partial class VaultClient
{
    /// <summary>Letters about a request, oldest first.</summary>
    public async Task<IReadOnlyList<Letter>> RequestLettersAsync(Guid request, CancellationToken cancellation = default) =>
        (await GetAsync<Page<Letter>>(new Query($"/v1/requests/{request}/letters"), cancellation)).Items;

    /// <summary>Letters that wait for an officer to post them, oldest first.</summary>
    public Task<Page<Letter>> LettersToPostAsync(int? limit = null, string? cursor = null, CancellationToken cancellation = default) =>
        GetAsync<Page<Letter>>(new Query("/v1/letters").Page(limit, cursor), cancellation);

    /// <summary>One letter with its words.</summary>
    public Task<LetterText> LetterAsync(Guid id, CancellationToken cancellation = default) => GetAsync<LetterText>(new Query($"/v1/letters/{id}"), cancellation);

    /// <summary>Says that a letter was posted or handed over.</summary>
    public Task<Letter> LetterPostedAsync(Guid id, CancellationToken cancellation = default) => PostAsync<object, Letter>($"/v1/letters/{id}/posted", new { }, null, cancellation);
}
