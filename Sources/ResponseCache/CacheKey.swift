package import Hashing

/// Names a cached answer: SHA-256 over everything that decides it.
package struct CacheKey: Hashable, Sendable {
    package let digest: SHA256Digest

    package init(_ digest: SHA256Digest) {
        self.digest = digest
    }

    /// One word is enough to spread keys that are digests already; equality still compares all 32 bytes.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(digest.leadingWords.0)
    }
}

extension CacheKey: CustomStringConvertible {
    package var description: String { digest.hex }
}
