/// A time zone's offsets, from a compiled file of the IANA database (TZif, RFC 8536).
///
/// Foundation's calendar could tell them too: with the data of ICU it keeps 6 MiB more resident, a sixth of what an idle
/// gateway takes.
package struct ZoneRules: Sendable, Equatable {
    /// Seconds since 1970 from which on the offset of the same index holds; sorted.
    private let transitions: [Int]
    private let offsets: [Int]
    /// Before the first transition.
    private let first: Int
    /// After the last transition; `nil`: as the last one says.
    private let rule: PosixZone?

    /// UTC.
    static let utc = ZoneRules(transitions: [], offsets: [], first: 0, rule: nil)

    /// - Parameters:
    ///   - transitions: sorted.
    ///   - offsets: of the same number, in seconds east of Greenwich.
    init(transitions: [Int], offsets: [Int], first: Int, rule: PosixZone?) {
        self.transitions = transitions
        self.offsets = offsets
        self.first = first
        self.rule = rule
    }

    /// - Parameter text: a POSIX `TZ` string.
    /// - Returns: `nil`: no such string.
    package init?(posix text: String) {
        guard let rule = PosixZone(text) else { return nil }
        self.init(transitions: [], offsets: [], first: rule.standard, rule: rule)
    }

    /// - Parameter bytes: of the file.
    /// - Returns: `nil`: no such file.
    package init?(compiled bytes: [UInt8]) {
        guard let narrow = Block(bytes, at: 0, timeBytes: 4) else { return nil }
        // From version 2 on the same follows with 64 bits, and a rule for the time after it.
        guard narrow.version >= UInt8(ascii: "2") else {
            self.init(narrow, rule: nil)
            return
        }
        guard let wide = Block(bytes, at: narrow.end, timeBytes: 8) else { return nil }
        let footer = bytes[wide.end...]
        guard footer.first == UInt8(ascii: "\n"), let end = footer.dropFirst().firstIndex(of: UInt8(ascii: "\n")) else {
            return nil
        }
        let text = String(decoding: footer[(wide.end + 1)..<end], as: UTF8.self)
        let rule = PosixZone(text)
        guard rule != nil || text.isEmpty else { return nil }
        self.init(wide, rule: rule)
    }

    private init(_ block: Block, rule: PosixZone?) {
        self.init(transitions: block.transitions, offsets: block.offsets, first: block.first, rule: rule)
    }

    /// Seconds east of Greenwich at a time in seconds since 1970.
    package func offset(at time: Int) -> Int {
        guard let last = transitions.last else { return rule?.offset(at: time) ?? first }
        if time >= last, let rule { return rule.offset(at: time) }
        var low = 0
        var high = transitions.count
        while low < high {
            let middle = (low + high) / 2
            if transitions[middle] <= time { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? first : offsets[low - 1]
    }

    /// One of the file's two tables.
    private struct Block {
        var version: UInt8
        var transitions: [Int] = []
        var offsets: [Int] = []
        var first = 0
        /// The first byte behind it.
        var end: Int

        init?(_ bytes: [UInt8], at start: Int, timeBytes: Int) {
            let header = 44
            guard start >= 0, bytes.count - start >= header, bytes[start..<(start + 4)].elementsEqual("TZif".utf8)
            else {
                return nil
            }
            func number(_ index: Int, _ size: Int) -> Int {
                let value = bytes[index..<(index + size)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                return size == 4 ? Int(Int32(truncatingIfNeeded: value)) : Int(Int64(truncatingIfNeeded: value))
            }
            let counts = (0..<6).map { number(start + 20 + $0 * 4, 4) }
            let (universal, standard, leaps) = (counts[0], counts[1], counts[2])
            let (times, types, characters) = (counts[3], counts[4], counts[5])
            guard counts.allSatisfy({ (0...100_000).contains($0) }), types > 0 else { return nil }
            let indexes = start + header + times * timeBytes
            let records = indexes + times
            version = bytes[start + 4]
            end = records + types * 6 + characters + leaps * (timeBytes + 4) + standard + universal
            guard end <= bytes.count else { return nil }
            first = number(records, 4)
            for index in 0..<times {
                let type = Int(bytes[indexes + index])
                guard type < types else { return nil }
                transitions.append(number(start + header + index * timeBytes, timeBytes))
                offsets.append(number(records + type * 6, 4))
            }
            guard zip(transitions, transitions.dropFirst()).allSatisfy(<) else { return nil }
        }
    }
}
