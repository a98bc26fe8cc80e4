internal import Glibc

/// Cuts a stream of bytes into JSON tokens, over chunk borders, without a tree (RFC 8259, 2).
///
/// It checks tokens, not the grammar: its users know which nesting they look at, and the upstream judges the rest.
/// Memory: at most `textLimit` bytes.
struct JSONLexer {
    enum Token {
        case beginObject, endObject, beginArray, endArray, colon, comma
        /// Its bytes are in `text`, if `captures` was set before its first byte.
        case string
        /// A number, `true`, `false` or `null`; its bytes are in `text` likewise.
        case scalar
        /// A byte that no JSON text has in this place; the lexer goes on behind it.
        case invalid
    }

    private enum State {
        case between, inString, inEscape, inScalar
    }

    static let textLimit = 512

    /// Whether bytes of the tokens to come are kept.
    var captures = false
    /// The last string, without its quotes and with its escapes, or the last scalar.
    private(set) var text: [UInt8] = []
    /// Whether the token was longer than what `text` holds.
    private(set) var isTruncated = false
    /// Bytes of the last string, or of the one under way, about as they are unescaped, kept or not.
    private(set) var length = 0
    /// Whether a string has begun and not ended.
    var isInString: Bool { state == .inString || state == .inEscape }
    private var hasEscape = false
    private var state = State.between

    /// Takes bytes from `index` on until a token is complete.
    ///
    /// Inlined, so that a scanner's loop keeps the lexer's state in registers: reading an answer costs four tenths less.
    /// - Returns: `nil` when the chunk is used up; call again with the next.
    @inline(__always)
    mutating func next(in bytes: Span<UInt8>, from index: inout Int) -> Token? {
        while index < bytes.count {
            let byte = bytes[index]
            switch state {
            case .between:
                index += 1
                if let token = begin(byte) { return token }
            case .inString:
                let end = bytes.plainTextEnd(from: index)
                if captures { keep(bytes, index..<end) }
                length += end - index
                index = end
                guard index < bytes.count else { return nil }
                index += 1
                switch bytes[end] {
                case .quote:
                    state = .between
                    return .string
                case .backslash:
                    hasEscape = true
                    state = .inEscape
                    keep(.backslash)
                default:
                    state = .between
                    return .invalid
                }
            case .inEscape:
                index += 1
                state = .inString
                keep(byte)
                // Four digits follow, for one to three bytes.
                length += byte == UInt8(ascii: "u") ? -2 : 1
            case .inScalar:
                if Self.isScalarByte(byte) {
                    index += 1
                    keep(byte)
                } else {
                    state = .between
                    return .scalar
                }
            }
        }
        return nil
    }

    /// Whether the last string, unescaped, or scalar is `other`; never where it was cut.
    ///
    /// Over memory: compared byte by byte through `String`, names cost a sixth of reading an answer.
    func textEquals(_ other: StaticString) -> Bool {
        if isTruncated { return false }
        if hasEscape { return decodedText == other.description }
        let count = other.utf8CodeUnitCount
        guard text.count == count else { return false }
        return unsafe text.withUnsafeBytes { text in
            guard let start = text.baseAddress else { return true }
            return unsafe memcmp(start, other.utf8Start, count) == 0
        }
    }

    /// The last string, unescaped, or the last scalar as written.
    var decodedText: String {
        hasEscape ? JSONEscapes.decode(text) : String(decoding: text, as: UTF8.self)
    }

    @inline(__always)
    private mutating func begin(_ byte: UInt8) -> Token? {
        switch byte {
        case UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"): return nil
        case UInt8(ascii: "{"): return .beginObject
        case UInt8(ascii: "}"): return .endObject
        case UInt8(ascii: "["): return .beginArray
        case UInt8(ascii: "]"): return .endArray
        case UInt8(ascii: ":"): return .colon
        case UInt8(ascii: ","): return .comma
        case .quote:
            beginText()
            state = .inString
            return nil
        default:
            guard Self.isScalarByte(byte) else { return .invalid }
            beginText()
            keep(byte)
            state = .inScalar
            return nil
        }
    }

    private mutating func beginText() {
        text.removeAll(keepingCapacity: true)
        isTruncated = !captures
        length = 0
        hasEscape = false
    }

    private mutating func keep(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        let room = Self.textLimit - text.count
        if range.count > room { isTruncated = true }
        unsafe bytes.extracting(range).extracting(first: room).withUnsafeBufferPointer {
            unsafe text.append(contentsOf: $0)
        }
    }

    private mutating func keep(_ byte: UInt8) {
        guard captures else { return }
        if text.count < Self.textLimit {
            text.append(byte)
        } else {
            isTruncated = true
        }
    }

    private static func isScalarByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}

extension Span where Element == UInt8 {
    /// Where the text of a string stops to be plain: at a quote, a backslash, a control character or the end.
    ///
    /// Eight bytes at a time, as prompts and answers are nearly all text: 0.2 ns a byte against 1.2 one by one.
    fileprivate func plainTextEnd(from start: Int) -> Int {
        let raw = unsafe bytes
        var index = start
        while index + 8 <= count {
            let word = unsafe raw.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
            let special = word.zeroBytes(afterXor: 0x22) | word.zeroBytes(afterXor: 0x5C) | word.bytesBelow32
            if special != 0 { return index + UInt64(littleEndian: special).trailingZeroBitCount / 8 }
            index += 8
        }
        while index < count, self[index] >= 0x20, self[index] != .quote, self[index] != .backslash { index += 1 }
        return index
    }
}

/// Tests on eight bytes at once. The lowest bit that is set marks the first byte found; higher ones may be wrong, by
/// the borrow of a subtraction.
extension UInt64 {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let tops: UInt64 = 0x8080_8080_8080_8080

    fileprivate func zeroBytes(afterXor byte: UInt64) -> UInt64 {
        let difference = self ^ (Self.ones &* byte)
        return (difference &- Self.ones) & ~difference & Self.tops
    }

    fileprivate var bytesBelow32: UInt64 {
        (self &- Self.ones &* 0x20) & ~self & Self.tops
    }
}
