package import NIOCore

/// `x-request-id`: the caller's, where it is one that can go into logs and on to the upstream, else a new one.
package enum RequestID {
    private static let longest = 128

    package static func of(_ given: ByteBufferView?, random: inout some RandomNumberGenerator) -> ByteBuffer {
        if let given, !given.isEmpty, given.count <= longest, given.allSatisfy({ (0x21...0x7E).contains($0) }) {
            return ByteBuffer(given)
        }
        var buffer = ByteBufferAllocator().buffer(capacity: 32)
        for _ in 0..<2 {
            var word = random.next()
            for _ in 0..<16 {
                let digit = UInt8(truncatingIfNeeded: word >> 60)
                buffer.writeInteger(digit < 10 ? 48 + digit : 87 + digit)
                word <<= 4
            }
        }
        return buffer
    }
}
