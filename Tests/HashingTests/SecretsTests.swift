import Hashing
import Testing

@Suite struct SecretsTests {
    @Test("HMAC-SHA-256 gives RFC 4231's results")
    func knownCodes() {
        #expect(
            hmacSHA256(key: Array("Jefe".utf8), message: Array("what do ya want for nothing?".utf8)).hex
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        )
        #expect(
            hmacSHA256(key: Array(repeating: 0x0b, count: 20), message: Array("Hi There".utf8)).hex
                == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        )
    }

    @Test("An empty key is a key, not the one used before")
    func emptyKey() {
        _ = hmacSHA256(key: [1, 2, 3], message: [])
        #expect(
            hmacSHA256(key: [], message: []).hex == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"
        )
    }

    @Test("Only equal bytes are equal")
    func comparison() {
        #expect(constantTimeEquals([1, 2, 3], [1, 2, 3]))
        #expect(!constantTimeEquals([1, 2, 3], [1, 2, 4]))
        #expect(!constantTimeEquals([1, 2, 3], [1, 2]))
        #expect(constantTimeEquals([UInt8](), []))
        #expect(constantTimeEquals(SHA256Digest.of("a"), SHA256Digest.of("a")))
        #expect(!constantTimeEquals(SHA256Digest.of("a"), SHA256Digest.of("b")))
    }

    @Test("Random bytes are as many as asked for and differ")
    func random() {
        #expect(randomBytes(32).count == 32)
        #expect(randomBytes(32) != randomBytes(32))
        #expect(randomBytes(0).isEmpty)
    }
}
