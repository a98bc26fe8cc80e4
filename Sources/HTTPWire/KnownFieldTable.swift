/// Finds a known field by its name: one multiplication and, nearly always, one comparison.
///
/// Open addressing over the name's length and its first and last eight bytes in lower case.
/// Setting bit 0x20 lowers letters; no other token byte becomes a letter, a digit or '-' by it.
struct KnownFieldTable {
    private struct Entry {
        var head: UInt64 = 0
        var tail: UInt64 = 0
        var length: UInt8 = 0
        var field: UInt8 = 0
    }

    private static let size = 256
    private static let lowerBits: UInt64 = 0x2020_2020_2020_2020

    /// Made once and never freed: every parser reads it.
    private let entries: UnsafePointer<Entry>
    private let names: UnsafePointer<StaticString>
    /// For each byte whether a name may hold it: half the instructions of `ByteClass.isToken`, which need no table.
    let isToken: UnsafePointer<Bool>

    /// Safe to share: its pointers lead to memory that nobody writes after `init`.
    nonisolated(unsafe) static let shared = KnownFieldTable()

    private init() {
        let entries = UnsafeMutablePointer<Entry>.allocate(capacity: Self.size)
        entries.initialize(repeating: Entry(), count: Self.size)
        let fields = KnownField.allCases
        let names = UnsafeMutablePointer<StaticString>.allocate(capacity: fields.count)
        for field in fields {
            let name = field.name
            (names + Int(field.rawValue)).initialize(to: name)
            let (head, tail) = Self.words(name.utf8Start, name.utf8CodeUnitCount)
            var slot = Self.slot(head, tail, name.utf8CodeUnitCount)
            while entries[slot].length != 0 { slot = (slot &+ 1) & (Self.size &- 1) }
            entries[slot] = Entry(
                head: head,
                tail: tail,
                length: UInt8(name.utf8CodeUnitCount),
                field: field.rawValue
            )
        }
        self.entries = UnsafePointer(entries)
        self.names = UnsafePointer(names)
        let isToken = UnsafeMutablePointer<Bool>.allocate(capacity: 256)
        for byte in UInt8.min...UInt8.max { (isToken + Int(byte)).initialize(to: ByteClass.isToken(byte)) }
        self.isToken = UnsafePointer(isToken)
    }

    /// - Parameters:
    ///   - name: token bytes, in any case.
    ///   - length: at least 1.
    @inline(__always)
    func field(_ name: UnsafePointer<UInt8>, _ length: Int) -> KnownField? {
        let (head, tail) = Self.words(name, length)
        var slot = Self.slot(head, tail, length)
        while entries[slot].length != 0 {
            let entry = entries[slot]
            if entry.head == head, entry.tail == tail, Int(entry.length) == length,
                length <= 16 || middleEquals(name, length, entry.field)
            {
                return KnownField(rawValue: entry.field)
            }
            slot = (slot &+ 1) & (Self.size &- 1)
        }
        return nil
    }

    private func middleEquals(_ name: UnsafePointer<UInt8>, _ length: Int, _ field: UInt8) -> Bool {
        let expected = names[Int(field)].utf8Start
        for index in 8..<length - 8 where name[index] | 0x20 != expected[index] { return false }
        return true
    }

    @inline(__always)
    private static func words(_ name: UnsafePointer<UInt8>, _ length: Int) -> (head: UInt64, tail: UInt64) {
        let bytes = UnsafeRawPointer(name)
        if length >= 8 {
            return (
                bytes.loadUnaligned(as: UInt64.self) | lowerBits,
                (bytes + (length &- 8)).loadUnaligned(as: UInt64.self) | lowerBits
            )
        }
        if length >= 4 {
            let head = bytes.loadUnaligned(as: UInt32.self)
            let tail = (bytes + (length &- 4)).loadUnaligned(as: UInt32.self)
            return (UInt64(head) | lowerBits, UInt64(tail) | lowerBits)
        }
        var word: UInt64 = 0
        for index in 0..<length { word = word &<< 8 | UInt64(name[index]) }
        return (word | lowerBits, lowerBits)
    }

    @inline(__always)
    private static func slot(_ head: UInt64, _ tail: UInt64, _ length: Int) -> Int {
        let mixed = (head ^ (tail &* 0x9E37_79B9_7F4A_7C15) ^ UInt64(length)) &* 0xD6E8_FEB8_6659_FD93
        return Int(mixed &>> 56)
    }
}
