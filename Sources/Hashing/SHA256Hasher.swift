package import NIOCore

/// SHA-256 (FIPS 180-4) over bytes that come in pieces; one context, used again and again.
///
/// Not `Sendable`: one event loop, or one function, owns it.
package final class SHA256Hasher {
    private let context = DigestContext("SHA256")

    package init() {}

    package func update(bytes: UnsafeRawBufferPointer) { context.update(bytes) }

    package func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { context.update($0) } }

    package func update(_ bytes: ByteBufferView) { bytes.withUnsafeBytes { context.update($0) } }

    package func update(_ bytes: ByteBuffer) { bytes.withUnsafeReadableBytes { context.update($0) } }

    /// The text's UTF-8.
    package func update(_ text: String) {
        var text = text
        text.withUTF8 { context.update(UnsafeRawBufferPointer($0)) }
    }

    /// Eight big-endian bytes: a length before what it measures keeps neighbouring parts apart.
    package func update(count: Int) {
        withUnsafeBytes(of: UInt64(count).bigEndian) { context.update($0) }
    }

    /// The digest of all since the last one; the hasher is empty afterwards.
    package func finish() -> SHA256Digest {
        withUnsafeTemporaryAllocation(byteCount: SHA256Digest.byteCount, alignment: 8) { output in
            context.finish(into: output)
            return SHA256Digest(bytes: UnsafeRawBufferPointer(output))
        }
    }

    /// Forgets what was fed since the last digest.
    package func reset() { context.start() }
}

extension SHA256Digest {
    /// For where no hasher is kept: makes and frees a context.
    package static func of(_ text: String) -> SHA256Digest {
        let hasher = SHA256Hasher()
        hasher.update(text)
        return hasher.finish()
    }

    /// For where no hasher is kept: makes and frees a context.
    package static func of(_ bytes: [UInt8]) -> SHA256Digest {
        let hasher = SHA256Hasher()
        hasher.update(bytes)
        return hasher.finish()
    }
}

/// SHA-1 as 40 lower-case digits: Redis names scripts by it. Nothing is secured with it.
package func sha1Hex(_ bytes: [UInt8]) -> String {
    let context = DigestContext("SHA1")
    bytes.withUnsafeBytes { context.update($0) }
    return withUnsafeTemporaryAllocation(byteCount: 20, alignment: 8) { output in
        context.finish(into: output)
        return Hexadecimal.encode(UnsafeRawBufferPointer(output))
    }
}
