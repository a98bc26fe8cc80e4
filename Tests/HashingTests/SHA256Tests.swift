import Hashing
import NIOCore
import Testing

@Suite struct SHA256Tests {
    @Test(
        "Digests are those of FIPS 180-4's examples",
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
        ]
    )
    func knownDigests(text: String, hex: String) {
        #expect(SHA256Digest.of(text).hex == hex)
        #expect(SHA256Digest(hex: hex) == SHA256Digest.of(text))
    }

    @Test("Pieces of any kind give the digest of the whole, and the hasher starts anew after it")
    func pieces() {
        let hasher = SHA256Hasher()
        for _ in 0..<2 {
            hasher.update("ab")
            hasher.update([UInt8(ascii: "c")])
            hasher.update(ByteBuffer(string: "de").readableBytesView)
            hasher.update(ByteBuffer(string: "f"))
            [UInt8(ascii: "g")].withUnsafeBytes { hasher.update(bytes: $0) }
            #expect(hasher.finish() == SHA256Digest.of("abcdefg"))
        }
    }

    @Test("What was fed before a reset does not count")
    func reset() {
        let hasher = SHA256Hasher()
        hasher.update("noise")
        hasher.reset()
        #expect(hasher.finish() == SHA256Digest.of(""))
    }

    @Test("A digest keeps its bytes' order")
    func bytes() throws {
        let bytes = (0..<32).map { UInt8($0) }
        let digest = try #require(SHA256Digest(bytes))
        #expect(digest.bytes == bytes)
        #expect(digest.leadingWords.0 == 0x0001_0203_0405_0607)
        #expect(SHA256Digest(bytes.dropLast()) == nil)
    }

    @Test("Text that is no digest is refused", arguments: ["", "abc", String(repeating: "g", count: 64)])
    func malformedHex(text: String) {
        #expect(SHA256Digest(hex: text) == nil)
    }

    @Test("SHA-1 names a script as Redis does")
    func scriptName() {
        #expect(sha1Hex(Array("return 1".utf8)) == "e0e1f9fabfc9d4800c877a703b823ac0578ff8db")
    }
}
