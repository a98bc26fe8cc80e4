package import HTTPWire
package import NIOCore

/// `x-request-id`: the caller's, where it is one that can go into logs and on to the upstream, else a new one.
///
/// A new one is two random words until it is written: no buffer of its own.
package enum RequestID {
    case given(ByteBufferView)
    case made(high: UInt64, low: UInt64)

    private static let longest = 128

    package static func of(_ given: ByteBufferView?, random: inout some RandomNumberGenerator) -> RequestID {
        if let given, !given.isEmpty, given.count <= longest, given.allSatisfy({ (0x21...0x7E).contains($0) }) {
            return .given(given)
        }
        return .made(high: random.next(), low: random.next())
    }

    package func write(to fields: inout ReplyFields) {
        switch self {
        case .given(let text): fields.add("x-request-id", text)
        case .made(let high, let low):
            fields.buffer.writeStaticString("x-request-id: ")
            fields.buffer.writeMultipleIntegers(
                Self.digits(high >> 32),
                Self.digits(high & 0xFFFF_FFFF),
                Self.digits(low >> 32),
                Self.digits(low & 0xFFFF_FFFF)
            )
            fields.buffer.writeStaticString("\r\n")
        }
    }

    /// The eight hexadecimal digits of 32 bits, all at once: the first one in the highest byte.
    private static func digits(_ word: UInt64) -> UInt64 {
        // Each half, then each byte, then each nibble goes to the low end of its own part of the word.
        var spread = (word & 0xFFFF_0000) << 16 | word & 0xFFFF
        spread = (spread & 0x0000_FF00_0000_FF00) << 8 | spread & 0x0000_00FF_0000_00FF
        spread = (spread & 0x00F0_00F0_00F0_00F0) << 4 | spread & 0x000F_000F_000F_000F
        let letters = (spread + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return spread + 0x3030_3030_3030_3030 + letters * 0x27
    }
}
