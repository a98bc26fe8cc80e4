import Hashing
import ResponseCache

extension CacheKey {
    /// The key of a test's question.
    static func of(_ question: String) -> CacheKey { CacheKey(SHA256Digest.of(question)) }
}
