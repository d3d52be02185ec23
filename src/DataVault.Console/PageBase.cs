using Microsoft.AspNetCore.Components;

namespace DataVault.Console;

/// <summary>What all pages have.</summary>
public abstract class PageBase : ComponentBase
{
    /// <summary>The request being answered.</summary>
    [Parameter]
    [EditorRequired]
    public required Visit Visit { get; set; }

    /// <summary>What the page says it in.</summary>
    protected Tongue T => Visit.Tongue;
}
