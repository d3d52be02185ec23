namespace DataVault.Client.Wire;

/// <summary>A letter to a person about a request, without its words.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Request">About which request; null of one about something else.</param>
/// <param name="Kind">What it tells of, such as <c>received</c> or <c>refused</c>.</param>
/// <param name="Way"><c>mail</c>: waits to be sent; <c>sent</c>; <c>post</c>: waits for an officer; <c>posted</c>; <c>inbox</c>: lies with the person's messages.</param>
/// <param name="At">When it was written.</param>
/// <param name="GoneAt">When it was sent or posted.</param>
/// <param name="Index">The entry that commits to its words.</param>
/// <param name="Customer">To whom; null of somebody who is erased.</param>
public sealed record Letter(Guid Id, Guid? Request, string Kind, string Way, DateTimeOffset At, DateTimeOffset? GoneAt, long Index, Guid? Customer);

/// <summary>A letter with its words.</summary>
/// <param name="About">Which.</param>
/// <param name="Language">BCP 47 tag of the words.</param>
/// <param name="Subject">One line.</param>
/// <param name="Parts">What it says, in order.</param>
/// <param name="Text">The same as text.</param>
/// <param name="Salt">In hexadecimal: SHA-256 over these bytes, the subject, a line feed and the text is the seal of the entry.</param>
public sealed record LetterText(Letter About, string Language, string Subject, IReadOnlyList<LetterPart> Parts, string Text, string Salt);

/// <summary>A part of a letter.</summary>
/// <param name="Kind"><c>paragraph</c>, <c>lines</c> or <c>list</c>.</param>
/// <param name="Lines">A paragraph has one.</param>
public sealed record LetterPart(string Kind, IReadOnlyList<string> Lines);

/// <summary>That a message is a letter.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Language">BCP 47 tag of the words.</param>
/// <param name="Subject">One line.</param>
public sealed record LetterHead(Guid Id, string Language, string Subject);
