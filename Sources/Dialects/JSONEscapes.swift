/// Undoes the escapes of a JSON string (RFC 8259, 7).
enum JSONEscapes {
    /// Unknown escapes and lone surrogates become U+FFFD, so that a text is never taken for another one.
    static func decode(_ text: [UInt8]) -> String {
        var result = String.UnicodeScalarView()
        var plain: [UInt8] = []
        var index = 0
        while index < text.count {
            guard text[index] == .backslash else {
                plain.append(text[index])
                index += 1
                continue
            }
            result.append(contentsOf: String(decoding: plain, as: UTF8.self).unicodeScalars)
            plain.removeAll(keepingCapacity: true)
            index += 1
            result.append(scalar(in: text, at: &index))
        }
        result.append(contentsOf: String(decoding: plain, as: UTF8.self).unicodeScalars)
        return String(result)
    }

    /// The scalar of the escape whose letter is at `index`; moves behind it.
    private static func scalar(in text: [UInt8], at index: inout Int) -> Unicode.Scalar {
        guard index < text.count else { return "\u{FFFD}" }
        let letter = text[index]
        index += 1
        switch letter {
        case .quote, .backslash, .slash: return Unicode.Scalar(letter)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            guard let unit = unit(in: text, at: &index) else { return "\u{FFFD}" }
            guard (0xD800..<0xDC00).contains(unit) else { return Unicode.Scalar(UInt32(unit)) ?? "\u{FFFD}" }
            var behind = index
            guard behind + 1 < text.count, text[behind] == .backslash, text[behind + 1] == UInt8(ascii: "u") else {
                return "\u{FFFD}"
            }
            behind += 2
            guard let low = self.unit(in: text, at: &behind), (0xDC00..<0xE000).contains(low) else { return "\u{FFFD}" }
            index = behind
            return Unicode.Scalar(0x10000 + (UInt32(unit) - 0xD800) << 10 + (UInt32(low) - 0xDC00)) ?? "\u{FFFD}"
        default: return "\u{FFFD}"
        }
    }

    private static func unit(in text: [UInt8], at index: inout Int) -> UInt16? {
        guard index + 4 <= text.count else { return nil }
        var value: UInt16 = 0
        for byte in text[index..<index + 4] {
            guard let digit = byte.hexDigitValue else { return nil }
            value = value << 4 | UInt16(digit)
        }
        index += 4
        return value
    }
}
