using System.Buffers.Binary;

namespace DataVault.Transparency;

/// <summary>
/// What a verifier must know of every entry, read without making an object of it. Accepts exactly what <see cref="LogEntry.Decode"/> accepts, which says
/// of the others what is wrong with them.
/// </summary>
internal readonly struct EntryGlance
{
    private const int Required = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 8 | 1 << 13 | 1 << 14;

    private readonly int _keys;

    private EntryGlance(long time, int type, int result, int subjectAt, int keys) =>
        (Time, Type, Result, SubjectAt, _keys) = (time, (EntryType)type, (EntryResult)result, subjectAt, keys);

    public long Time { get; }

    public EntryType Type { get; }

    public EntryResult Result { get; }

    /// <summary>Where the subject's tag begins; 0 when there is none.</summary>
    public int SubjectAt { get; }

    /// <summary>True when the entry is about several persons.</summary>
    public bool IsAboutSeveral => Has(15);

    /// <summary>True when the entry has this key.</summary>
    public bool Has(int key) => (_keys >> key & 1) == 1;

    public static bool TryRead(ReadOnlySpan<byte> entry, out EntryGlance glance)
    {
        glance = default;
        // SPEC log-entry §1, §2: a map of at most 19 keys, whose head and keys are one byte each.
        if (entry.Length is 0 or > LogEntry.MaxEncodedSize || entry[0] is < 0xA0 or > 0xB3)
            return false;
        var reader = new Scan(entry);
        long time = 0, type = 0, result = 0;
        int subjectAt = 0, keys = 0, previous = 0;
        for (var left = entry[0] & 0x1F; left > 0; left--)
        {
            var key = reader.Key();
            if (key <= previous)
                return false;
            previous = key;
            keys |= 1 << key;
            switch (key)
            {
                case 2: time = reader.Number(LogEntry.MaxTime); break;
                case 3: type = reader.Number(ushort.MaxValue); break;
                case 6: subjectAt = reader.Bytes(LogEntry.TagSize); break;
                case 8: result = reader.Number(byte.MaxValue); break;
                default: reader.Skip(key); break;
            }
        }
        glance = new EntryGlance(time, (int)type, (int)result, subjectAt, keys);
        return reader.AtEnd && type > 0 && (keys & Required) == Required;
    }

    /// <summary>Walks over an encoding; after the first thing that is not as due it stands beyond the end for good.</summary>
    private ref struct Scan(ReadOnlySpan<byte> entry)
    {
        private readonly ReadOnlySpan<byte> _entry = entry;
        private int _at = 1;

        public readonly bool AtEnd => _at == _entry.Length;

        public int Key() => _at < _entry.Length && _entry[_at] <= 19 ? _entry[_at++] : Fail();

        public void Skip(int key)
        {
            switch (key)
            {
                case 1: Expect(Number(1), 1); break;
                case 5 or 13 or 14: Bytes(LogEntry.TagSize); break;
                case 7: Text(LogEntry.MaxPurposeLength); break;
                case 9: Array(texts: false); break;
                case 10 or 12 or 16: Bytes(MerkleHash.Size); break;
                case 11: Positive(Number(long.MaxValue)); break;
                case 15: Bulk(); break;
                case 17: Number(long.MaxValue); break;
                case 19: Array(texts: true); break;
                default: Fail(); break;
            }
        }

        public long Number(long most) => Head(0, most);

        public int Bytes(int length)
        {
            Expect(Head(2, length), length);
            return Take(length);
        }

        private void Text(int most)
        {
            var length = (int)Positive(Head(3, most));
            var at = Take(length);
            // SPEC log-entry §6
            if (at > 0 && _entry.Slice(at, length).ContainsAnyExceptInRange((byte)'!', (byte)'~'))
                Fail();
        }

        private void Array(bool texts)
        {
            for (var left = Positive(Head(4, LogEntry.MaxListed)); left > 0 && _at <= _entry.Length; left--)
            {
                if (texts)
                    Text(LogEntry.MaxRuleLength);
                else
                    Number(int.MaxValue);
            }
        }

        private void Bulk()
        {
            Expect(Head(4, 2), 2);
            Positive(Number(int.MaxValue));
            Bytes(MerkleHash.Size);
        }

        private long Head(int major, long most)
        {
            if (_at >= _entry.Length || _entry[_at] >> 5 != major)
                return Fail();
            var info = _entry[_at++] & 0x1F;
            if (info < 24)
                return info <= most ? info : Fail();
            var width = info switch { 24 => 1, 25 => 2, 26 => 4, 27 => 8, _ => 0 };
            if (width == 0 || _entry.Length - _at < width)
                return Fail();
            var value = width switch
            {
                1 => _entry[_at],
                2 => BinaryPrimitives.ReadUInt16BigEndian(_entry[_at..]),
                4 => BinaryPrimitives.ReadUInt32BigEndian(_entry[_at..]),
                _ => BinaryPrimitives.ReadUInt64BigEndian(_entry[_at..]),
            };
            _at += width;
            // SPEC log-entry §3: in its shortest form.
            var least = width switch { 1 => 24UL, 2 => byte.MaxValue + 1UL, 4 => ushort.MaxValue + 1UL, _ => uint.MaxValue + 1UL };
            return value >= least && value <= (ulong)most ? (long)value : Fail();
        }

        private int Take(int length)
        {
            if (_at > _entry.Length - length)
                return Fail();
            _at += length;
            return _at - length;
        }

        private void Expect(long found, long due)
        {
            if (found != due)
                Fail();
        }

        private long Positive(long value) => value > 0 ? value : Fail();

        private int Fail()
        {
            _at = _entry.Length + 1;
            return 0;
        }
    }
}
