/// Questions about a raw request path, which is never decoded nor copied for them.
extension Span where Element == UInt8 {
    /// Whether `text` stands at `index`, byte by byte.
    func has(_ text: String, at index: Int) -> Bool {
        var index = index
        for byte in text.utf8 {
            guard index < count, self[index] == byte else { return false }
            index += 1
        }
        return true
    }

    /// The index behind `/segment/`, at its first place in the path.
    func index(behindSegment segment: String) -> Int? {
        let length = segment.utf8.count
        var index = 0
        while index + length + 1 < count {
            if self[index] == .slash, self[index + length + 1] == .slash, has(segment, at: index + 1) {
                return index + length + 2
            }
            index += 1
        }
        return nil
    }

    /// Whether the path's first segment is `segment`.
    func begins(withSegment segment: String) -> Bool {
        guard count > 0, self[0] == .slash, has(segment, at: 1) else { return false }
        let end = segment.utf8.count + 1
        return end == count || self[end] == .slash
    }

    /// The index behind the last slash; 0 where there is none.
    var indexBehindLastSlash: Int {
        var index = count
        while index > 0, self[index - 1] != .slash { index -= 1 }
        return index
    }

    /// The bytes of `range` with `%XX` decoded (RFC 3986, 2.1); malformed escapes stay as they are.
    func percentDecoded(_ range: Range<Int>) -> String {
        if !hasPercent(in: range), let text = try? UTF8Span(validating: extracting(range)) {
            return String(copying: text)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count)
        var index = range.lowerBound
        while index < range.upperBound {
            if self[index] == .percent, index + 2 < range.upperBound,
                let high = self[index + 1].hexDigitValue, let low = self[index + 2].hexDigitValue
            {
                bytes.append(high << 4 | low)
                index += 3
            } else {
                bytes.append(self[index])
                index += 1
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func hasPercent(in range: Range<Int>) -> Bool {
        for index in range where self[index] == .percent { return true }
        return false
    }
}

extension UInt8 {
    static let slash = UInt8(ascii: "/")
    static let percent = UInt8(ascii: "%")
    static let colon = UInt8(ascii: ":")
    static let quote = UInt8(ascii: "\"")
    static let backslash = UInt8(ascii: "\\")

    /// 0…15 of an ASCII hexadecimal digit.
    var hexDigitValue: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// The same letter in lower case, ASCII only.
    var asciiLowercased: UInt8 {
        self >= UInt8(ascii: "A") && self <= UInt8(ascii: "Z") ? self | 0x20 : self
    }
}
