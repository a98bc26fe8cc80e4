internal import NIOCore

/// Why a body gives no cache key; the call itself goes on, uncached.
package enum UncacheableBody: Error, Equatable {
    /// No JSON text (RFC 8259), or a `\u` escape that is half of a surrogate pair.
    case malformed
    /// An object names a member twice: readers differ in which one they take.
    case duplicateMember
    /// Nested deeper than `JSONTape.maximumDepth`.
    case tooDeep
    /// Longer than the builder's bound.
    case tooLarge
}

/// A JSON text read once into a flat list of values, in the text's order.
///
/// The arrays are kept from one text to the next, so reading allocates nothing once they have grown. Strings and numbers stay in the text;
/// only strings with escapes are copied, unescaped, into `unescaped`. UTF-8 is not validated: bytes that differ give keys that differ.
struct JSONTape {
    enum Kind: UInt8 {
        /// `numbers`: as many neighbours in an array as there are, as an embedding has them; alone too.
        case object, array, string, unescapedString, numbers, yes, no, null
    }

    struct Node {
        var kind: Kind
        /// Where the bytes begin: in the text, or for `unescapedString` in `unescaped`.
        var start: UInt32
        /// Bytes of a string, or of numbers without white space; else how many members or elements there are.
        var count: UInt32
        /// Index of the first node after this value.
        var next: UInt32
        /// A string's first eight bytes, so that most comparisons of member names are one of integers; bytes of numbers as they stand.
        var prefix: UInt64
    }

    static let maximumDepth = 128
    /// Nodes kept for the next text; a larger list is given back.
    private static let keptNodes = 16_384

    private(set) var nodes: [Node] = []
    private(set) var unescaped = ByteBuffer()
    private var position = 0

    /// Reads one text; the tape then describes it until the next.
    /// - Throws: `malformed`, `tooDeep`.
    mutating func read(_ text: ByteBuffer) throws(UncacheableBody) {
        if nodes.capacity > Self.keptNodes {
            nodes = []
        } else {
            nodes.removeAll(keepingCapacity: true)
        }
        if unescaped.storageCapacity > 1 << 20 {
            unescaped = ByteBuffer()
        } else {
            unescaped.clear()
        }
        position = 0
        let bytes = text.readableBytesUInt8Span
        skipSpace(bytes)
        try readValue(bytes, depth: 0)
        skipSpace(bytes)
        guard position == bytes.count else { throw .malformed }
    }

    // MARK: Values

    private mutating func readValue(_ bytes: Span<UInt8>, depth: Int) throws(UncacheableBody) {
        guard position < bytes.count else { throw .malformed }
        switch bytes[position] {
        case UInt8(ascii: "\""): try readString(bytes)
        case UInt8(ascii: "{"): try readObject(bytes, depth: depth + 1)
        case UInt8(ascii: "["): try readArray(bytes, depth: depth + 1)
        case UInt8(ascii: "t"): try readLiteral(bytes, "true", .yes)
        case UInt8(ascii: "f"): try readLiteral(bytes, "false", .no)
        case UInt8(ascii: "n"): try readLiteral(bytes, "null", .null)
        default: _ = try readNumbers(bytes, inArray: false)
        }
    }

    private mutating func readObject(_ bytes: Span<UInt8>, depth: Int) throws(UncacheableBody) {
        let own = try open(.object, depth: depth)
        skipSpace(bytes)
        if take(UInt8(ascii: "}"), bytes) { return close(own, count: 0) }
        var count: UInt32 = 0
        repeat {
            skipSpace(bytes)
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else { throw .malformed }
            try readString(bytes)
            skipSpace(bytes)
            guard take(UInt8(ascii: ":"), bytes) else { throw .malformed }
            skipSpace(bytes)
            try readValue(bytes, depth: depth)
            count += 1
            skipSpace(bytes)
        } while take(UInt8(ascii: ","), bytes)
        guard take(UInt8(ascii: "}"), bytes) else { throw .malformed }
        close(own, count: count)
    }

    private mutating func readArray(_ bytes: Span<UInt8>, depth: Int) throws(UncacheableBody) {
        let own = try open(.array, depth: depth)
        skipSpace(bytes)
        if take(UInt8(ascii: "]"), bytes) { return close(own, count: 0) }
        var count: UInt32 = 0
        repeat {
            skipSpace(bytes)
            if Self.startsNumber(bytes, at: position) {
                count += try readNumbers(bytes, inArray: true)
            } else {
                try readValue(bytes, depth: depth)
                count += 1
            }
            skipSpace(bytes)
        } while take(UInt8(ascii: ","), bytes)
        guard take(UInt8(ascii: "]"), bytes) else { throw .malformed }
        close(own, count: count)
    }

    private mutating func open(_ kind: Kind, depth: Int) throws(UncacheableBody) -> Int {
        guard depth <= Self.maximumDepth else { throw .tooDeep }
        position += 1
        nodes.append(Node(kind: kind, start: 0, count: 0, next: 0, prefix: 0))
        return nodes.count - 1
    }

    private mutating func close(_ node: Int, count: UInt32) {
        nodes[node].count = count
        nodes[node].next = UInt32(nodes.count)
    }

    private mutating func append(_ kind: Kind, start: Int, count: Int, prefix: UInt64 = 0) {
        let next = UInt32(nodes.count + 1)
        nodes.append(Node(kind: kind, start: UInt32(start), count: UInt32(count), next: next, prefix: prefix))
    }

    private mutating func readLiteral(
        _ bytes: Span<UInt8>,
        _ word: StaticString,
        _ kind: Kind
    ) throws(UncacheableBody) {
        let count = word.utf8CodeUnitCount
        guard bytes.count - position >= count else { throw .malformed }
        // The first letter decided which literal it must be.
        let matches =
            switch kind {
            case .yes: bytes[position + 1] == 0x72 && bytes[position + 2] == 0x75 && bytes[position + 3] == 0x65
            case .no:
                bytes[position + 1] == 0x61 && bytes[position + 2] == 0x6C && bytes[position + 3] == 0x73
                    && bytes[position + 4] == 0x65
            default: bytes[position + 1] == 0x75 && bytes[position + 2] == 0x6C && bytes[position + 3] == 0x6C
            }
        guard matches else { throw .malformed }
        position += count
        append(kind, start: 0, count: 0)
    }

    private static func startsNumber(_ bytes: Span<UInt8>, at index: Int) -> Bool {
        guard index < bytes.count else { return false }
        let byte = bytes[index]
        return byte == UInt8(ascii: "-") || byte >= 0x30 && byte <= 0x39
    }

    /// - Returns: how many numbers there were.
    private mutating func readNumbers(_ bytes: Span<UInt8>, inArray: Bool) throws(UncacheableBody) -> UInt32 {
        let start = position
        var count: UInt32 = 0
        var compactBytes = 0
        var end = start
        repeat {
            let first = position
            try skipNumber(bytes)
            end = position
            count += 1
            compactBytes += end - first + (count > 1 ? 1 : 0)
            skipSpace(bytes)
            guard inArray, take(UInt8(ascii: ","), bytes) else { break }
            skipSpace(bytes)
        } while Self.startsNumber(bytes, at: position)
        // What follows, a comma too, is the caller's.
        position = end
        append(.numbers, start: start, count: compactBytes, prefix: UInt64(end - start))
        return count
    }

    private mutating func skipNumber(_ bytes: Span<UInt8>) throws(UncacheableBody) {
        _ = take(UInt8(ascii: "-"), bytes)
        if !take(UInt8(ascii: "0"), bytes) {
            guard skipDigits(bytes) else { throw .malformed }
        }
        if take(UInt8(ascii: "."), bytes) {
            guard skipDigits(bytes) else { throw .malformed }
        }
        if take(UInt8(ascii: "e"), bytes) || take(UInt8(ascii: "E"), bytes) {
            if !take(UInt8(ascii: "+"), bytes) { _ = take(UInt8(ascii: "-"), bytes) }
            guard skipDigits(bytes) else { throw .malformed }
        }
    }

    // MARK: Strings

    private mutating func readString(_ bytes: Span<UInt8>) throws(UncacheableBody) {
        let start = position + 1
        let index = Self.endOfRun(bytes, from: start)
        guard index < bytes.count else { throw .malformed }
        switch bytes[index] {
        case UInt8(ascii: "\""):
            position = index + 1
            var prefix: UInt64 = 0
            for offset in start..<start + 8 { prefix = prefix << 8 | (offset < index ? UInt64(bytes[offset]) : 0) }
            append(.string, start: start, count: index - start, prefix: prefix)
        case UInt8(ascii: "\\"): try readEscapedString(bytes, from: start, firstEscape: index)
        default: throw .malformed
        }
    }

    /// The next quote, backslash or control character, eight bytes at a time: prompts and images are long.
    private static func endOfRun(_ bytes: Span<UInt8>, from start: Int) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        var index = start
        let raw = unsafe bytes.bytes
        while index + 8 <= raw.byteCount {
            // Within bounds by the condition above; any alignment is allowed.
            let word = unsafe raw.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
            let quotes = word ^ (ones &* 0x22)
            let backslashes = word ^ (ones &* 0x5C)
            // The high bit of each byte that is zero, or below 0x20 (Warren, Hacker's Delight, 6-1); exact up to the first such byte.
            let found =
                (quotes &- ones) & ~quotes | (backslashes &- ones) & ~backslashes | (word &- ones &* 0x20) & ~word
            let marks = found & highs
            if marks != 0 { return index + marks.littleEndian.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < bytes.count, bytes[index] >= 0x20, bytes[index] != 0x22, bytes[index] != 0x5C { index += 1 }
        return index
    }

    private mutating func readEscapedString(
        _ bytes: Span<UInt8>,
        from start: Int,
        firstEscape: Int
    ) throws(UncacheableBody) {
        let copyStart = unescaped.writerIndex
        var runStart = start
        var index = firstEscape
        let end = bytes.count
        while index < end {
            let byte = bytes[index]
            guard byte >= 0x20 else { throw .malformed }
            unsafe unescaped.writeBytes(bytes.bytes.extracting(runStart..<index))
            guard byte == UInt8(ascii: "\\") else {
                position = index + 1
                let count = unescaped.writerIndex - copyStart
                var prefix: UInt64 = 0
                for offset in 0..<8 {
                    let next = offset < count ? unescaped.getInteger(at: copyStart + offset, as: UInt8.self) ?? 0 : 0
                    prefix = prefix << 8 | UInt64(next)
                }
                return append(.unescapedString, start: copyStart, count: count, prefix: prefix)
            }
            runStart = try writeEscape(bytes, at: index + 1)
            index = Self.endOfRun(bytes, from: runStart)
        }
        throw .malformed
    }

    /// - Parameter index: of the byte after the backslash.
    /// - Returns: the index after the escape.
    private mutating func writeEscape(_ bytes: Span<UInt8>, at index: Int) throws(UncacheableBody) -> Int {
        guard index < bytes.count else { throw .malformed }
        let byte: UInt8
        switch bytes[index] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): byte = bytes[index]
        case UInt8(ascii: "b"): byte = 0x08
        case UInt8(ascii: "f"): byte = 0x0C
        case UInt8(ascii: "n"): byte = 0x0A
        case UInt8(ascii: "r"): byte = 0x0D
        case UInt8(ascii: "t"): byte = 0x09
        case UInt8(ascii: "u"): return try writeUnicodeEscape(bytes, at: index + 1)
        default: throw .malformed
        }
        unescaped.writeInteger(byte)
        return index + 1
    }

    private mutating func writeUnicodeEscape(_ bytes: Span<UInt8>, at index: Int) throws(UncacheableBody) -> Int {
        var after = index + 4
        var scalarValue = try hexadecimal(bytes, at: index)
        if scalarValue >> 10 == 0xD800 >> 10 {
            guard
                after + 6 <= bytes.count, bytes[after] == UInt8(ascii: "\\"), bytes[after + 1] == UInt8(ascii: "u")
            else { throw .malformed }
            let low = try hexadecimal(bytes, at: after + 2)
            guard low >> 10 == 0xDC00 >> 10 else { throw .malformed }
            scalarValue = 0x10000 + (scalarValue & 0x3FF) << 10 + low & 0x3FF
            after += 6
        }
        // A lone low surrogate is no scalar.
        guard let scalar = Unicode.Scalar(scalarValue) else { throw .malformed }
        for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter { unescaped.writeInteger(byte) }
        return after
    }

    private func hexadecimal(_ bytes: Span<UInt8>, at index: Int) throws(UncacheableBody) -> UInt32 {
        guard index + 4 <= bytes.count else { throw .malformed }
        var value: UInt32 = 0
        for offset in 0..<4 {
            let digit: UInt8
            switch bytes[index + offset] {
            case let byte where byte >= 0x30 && byte <= 0x39: digit = byte - 0x30
            case let byte where byte >= 0x41 && byte <= 0x46: digit = byte - 0x41 + 10
            case let byte where byte >= 0x61 && byte <= 0x66: digit = byte - 0x61 + 10
            default: throw .malformed
            }
            value = value << 4 | UInt32(digit)
        }
        return value
    }

    // MARK: Bytes

    private mutating func skipSpace(_ bytes: Span<UInt8>) {
        while position < bytes.count {
            let byte = bytes[position]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            position += 1
        }
    }

    private mutating func take(_ byte: UInt8, _ bytes: Span<UInt8>) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    private mutating func skipDigits(_ bytes: Span<UInt8>) -> Bool {
        var index = position
        while index < bytes.count, bytes[index] >= 0x30, bytes[index] <= 0x39 { index += 1 }
        defer { position = index }
        return index > position
    }
}
