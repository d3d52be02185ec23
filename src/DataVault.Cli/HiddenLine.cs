using System.Text;

namespace DataVault.Cli;

/// <summary>A line from the terminal that is not shown while it is typed.</summary>
internal static class HiddenLine
{
    public static string Read()
    {
        var line = new StringBuilder();
        while (Console.ReadKey(intercept: true) is var key && key.Key != ConsoleKey.Enter)
        {
            if (key.Key == ConsoleKey.Backspace) line.Length = Math.Max(0, line.Length - 1);
            else if (!char.IsControl(key.KeyChar)) line.Append(key.KeyChar);
        }

        Console.Error.WriteLine();
        return line.ToString();
    }
}
