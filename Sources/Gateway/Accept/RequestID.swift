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
            fields.buffer.writeText("x-request-id: ")
            fields.buffer.writeHexadecimal(high)
            fields.buffer.writeHexadecimal(low)
            fields.buffer.writeText("\r\n")
        }
    }
}
