package import NIOCore

extension ByteBuffer {
    /// Writes `text` as a JSON string with its quotes (RFC 8259, 7).
    package mutating func writeJSON(_ text: String) {
        writeStaticString("\"")
        let bytes = text.utf8.span
        var start = 0
        for index in 0..<bytes.count where bytes[index].mustBeEscaped {
            unsafe writeBytes(bytes.extracting(start..<index).bytes)
            writeEscape(of: bytes[index])
            start = index + 1
        }
        unsafe writeBytes(bytes.extracting(start..<bytes.count).bytes)
        writeStaticString("\"")
    }

    private mutating func writeEscape(of byte: UInt8) {
        switch byte {
        case .quote: writeStaticString("\\\"")
        case .backslash: writeStaticString("\\\\")
        case UInt8(ascii: "\n"): writeStaticString("\\n")
        case UInt8(ascii: "\r"): writeStaticString("\\r")
        case UInt8(ascii: "\t"): writeStaticString("\\t")
        default:
            writeStaticString("\\u00")
            writeInteger(Self.hexDigit(byte >> 4))
            writeInteger(Self.hexDigit(byte & 0xF))
        }
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}

extension UInt8 {
    fileprivate var mustBeEscaped: Bool { self < 0x20 || self == .quote || self == .backslash }
}
