internal import COpenSSL

/// HMAC-SHA-256 (RFC 2104).
/// - Parameter key: of any length, not empty where it is to secure something.
package func hmacSHA256(key: [UInt8], message: [UInt8]) -> SHA256Digest {
    withUnsafeTemporaryAllocation(byteCount: SHA256Digest.byteCount, alignment: 8) { output in
        let start = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        let made = key.withUnsafeBytes { key in
            // OpenSSL takes a null key for "the key of the last call": an empty one is any address, of which it reads no byte.
            var nothing: UInt8 = 0
            return withUnsafeBytes(of: &nothing) { anyAddress in
                HMAC(
                    EVP_sha256(),
                    key.baseAddress ?? anyAddress.baseAddress,
                    Int32(key.count),
                    message,
                    message.count,
                    start,
                    nil
                )
            }
        }
        guard made != nil else { fatalError("OpenSSL gives no HMAC") }
        return SHA256Digest(bytes: UnsafeRawBufferPointer(output))
    }
}

/// Compares in a time that depends on the lengths only, so that a guess learns nothing from how long it took.
package func constantTimeEquals(_ left: some Collection<UInt8>, _ right: some Collection<UInt8>) -> Bool {
    let left = Array(left)
    let right = Array(right)
    return left.count == right.count && CRYPTO_memcmp(left, right, left.count) == 0
}

/// Compares in constant time.
package func constantTimeEquals(_ left: SHA256Digest, _ right: SHA256Digest) -> Bool {
    left.withBytes { left in
        right.withBytes { CRYPTO_memcmp(left.baseAddress, $0.baseAddress, SHA256Digest.byteCount) == 0 }
    }
}

/// Bytes fit for keys and tokens, from OpenSSL's generator.
package func randomBytes(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
        guard RAND_bytes(buffer.baseAddress, Int32(count)) == 1 else { fatalError("OpenSSL gives no random bytes") }
        filled = count
    }
}
