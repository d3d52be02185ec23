using System.Collections.Frozen;
using System.Globalization;

namespace DataVault.Transparency;

/// <summary>How anybody checks a bag, in words: the commands are the same in every language.</summary>
internal sealed record BagGuide(string Title, string Needs, string Where, string Files, string List, string Key, string Program)
{
    public const string Usual = "en";

    private static readonly FrozenDictionary<string, BagGuide> All = new Dictionary<string, BagGuide>
    {
        [Usual] = new(
            "HOW TO CHECK THIS PACKAGE",
            "You need sha256sum and openssl, and the log's public key (log.vkey) from somebody you trust, not from this package.",
            "Run these in the folder in which bagit.txt is.",
            "No file was changed, and none is missing:",
            "The list of files is the one that was signed; the two numbers must be the same:",
            "The log's key signed it; must say \"Verified OK\":",
            "The program datavault-verify does all of it at once, looks for files that are in no list, and checks that the log holds the entry\nthat tells of this package (meta/log-proof.json):"),
        ["de"] = new(
            "SO PRÜFEN SIE DIESES PAKET",
            "Sie brauchen sha256sum und openssl, und den öffentlichen Schlüssel des Protokolls (log.vkey) von jemandem, dem Sie vertrauen, nicht aus diesem Paket.",
            "Führen Sie die Befehle in dem Ordner aus, in dem bagit.txt liegt.",
            "Keine Datei wurde verändert, und keine fehlt:",
            "Die Liste der Dateien ist die, die unterschrieben wurde; beide Zahlen müssen gleich sein:",
            "Der Schlüssel des Protokolls hat unterschrieben; es muss \"Verified OK\" dastehen:",
            "Das Programm datavault-verify macht das alles auf einmal, sucht nach Dateien, die in keiner Liste stehen, und prüft, dass das Protokoll\nden Eintrag hat, der von diesem Paket erzählt (meta/log-proof.json):"),
        ["fr"] = new(
            "COMMENT VÉRIFIER CE PAQUET",
            "Il vous faut sha256sum et openssl, et la clé publique du journal (log.vkey), obtenue de quelqu'un en qui vous avez confiance et non de ce paquet.",
            "Exécutez ces commandes dans le dossier où se trouve bagit.txt.",
            "Aucun fichier n'a été modifié, et aucun ne manque :",
            "La liste des fichiers est celle qui a été signée ; les deux nombres doivent être les mêmes :",
            "La clé du journal l'a signée ; il doit s'afficher \"Verified OK\" :",
            "Le programme datavault-verify fait tout cela en une fois, cherche les fichiers qui ne sont dans aucune liste, et vérifie que le journal\ncontient l'entrée qui parle de ce paquet (meta/log-proof.json) :"),
        ["zh"] = new(
            "如何核验此数据包",
            "您需要 sha256sum 和 openssl，以及日志的公钥（log.vkey）。公钥应来自您信任的人，而不是此数据包。",
            "请在 bagit.txt 所在的文件夹中运行以下命令。",
            "没有文件被更改，也没有文件缺失：",
            "文件清单就是被签名的那一份；两个数字必须相同：",
            "由日志的密钥签名；必须显示 \"Verified OK\"：",
            "程序 datavault-verify 可一次完成全部检查，查找不在任何清单中的文件，并核验日志中\n有说明此数据包的条目（meta/log-proof.json）："),
    }.ToFrozenDictionary(StringComparer.Ordinal);

    public static IEnumerable<string> Languages => All.Keys;

    /// <summary>In the language of a tag such as <c>de-AT</c>.</summary>
    public static BagGuide Of(string language) => All.GetValueOrDefault(language.Split('-')[0].ToLowerInvariant()) ?? All[Usual];

    /// <param name="keyId">Of the log's key.</param>
    /// <param name="signature">The file with its signature.</param>
    public string Text(uint keyId, string signature) => string.Create(CultureInfo.InvariantCulture, $"""
        {Title}
        =========================
        {Needs}
        {Where}

        1. {Files}

            sha256sum --check --strict --quiet manifest-sha256.txt tagmanifest-sha256.txt

        2. {List}

            openssl dgst -sha256 -r tagmanifest-sha256.txt
            grep ^tagmanifest meta/statement.txt

        3. {Key}

            grep -F +{keyId:x8}+ log.vkey | cut -d" " -f1 | cut -d+ -f3- | openssl base64 -d -A | tail -c +2 | openssl pkey -pubin -inform DER -out log.pem
            openssl dgst -sha256 -verify log.pem -signature {signature} meta/statement.txt

        {Program}

            datavault-verify package PACKAGE.zip --key log.vkey

        """);
}
