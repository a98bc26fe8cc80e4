/// The 32 bytes of a SHA-256 (FIPS 180-4), kept inline: a dictionary key without an allocation.
package struct SHA256Digest: Hashable, Sendable {
    /// Big-endian words, in the order of the digest's bytes.
    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// Size in bytes.
    package static let byteCount = 32

    /// - Parameter bytes: exactly 32.
    package init(bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count == Self.byteCount)
        words = (
            UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
            UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
            UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)),
            UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self))
        )
    }

    /// `nil` unless there are exactly 32 bytes.
    package init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        self = Array(bytes).withUnsafeBytes { SHA256Digest(bytes: $0) }
    }

    /// `nil` unless the text is 64 hexadecimal digits, of either case.
    package init?(hex: some StringProtocol) {
        guard let bytes = Hexadecimal.decode(hex.utf8) else { return nil }
        self.init(bytes)
    }

    /// 64 lower-case hexadecimal digits.
    package var hex: String { withBytes(Hexadecimal.encode) }

    package var bytes: [UInt8] { withBytes { Array($0) } }

    /// The first 16 bytes as two big-endian words: a short name where 128 bits of collision resistance are enough.
    package var leadingWords: (UInt64, UInt64) { (words.0, words.1) }

    /// Lends the 32 bytes in order, from the stack.
    package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let ordered = (words.0.bigEndian, words.1.bigEndian, words.2.bigEndian, words.3.bigEndian)
        return withUnsafeBytes(of: ordered, body)
    }

    package static func == (left: SHA256Digest, right: SHA256Digest) -> Bool {
        left.words == right.words
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
        hasher.combine(words.2)
        hasher.combine(words.3)
    }
}

extension SHA256Digest: CustomStringConvertible {
    package var description: String { hex }
}
