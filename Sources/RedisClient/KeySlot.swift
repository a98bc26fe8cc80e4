internal import NIOCore

/// Which of a cluster's 16,384 slots a key lies in: CRC16 of it, or of what its first braces hold (redis.io, "Redis cluster
/// specification", "Hash tags").
package struct KeySlot: Hashable, Comparable, Sendable {
    package static let count = 16_384

    package let number: UInt16

    init(number: UInt16) { self.number = number }

    package init(_ key: some Collection<UInt8>) {
        var hashed = key[...]
        if let open = key.firstIndex(of: UInt8(ascii: "{")) {
            let inside = key[key.index(after: open)...]
            if let close = inside.firstIndex(of: UInt8(ascii: "}")), close != inside.startIndex {
                hashed = inside[..<close]
            }
        }
        number = CRC16.checksum(hashed) % UInt16(Self.count)
    }

    package init(_ key: String) { self.init(key.utf8) }

    /// A key as a command carries it.
    package init(_ key: RedisArgument) {
        switch key {
        case .text(let text): self.init(text.utf8)
        case .literal(let text): self = text.value.withUTF8Buffer { KeySlot($0) }
        case .bytes(let bytes): self.init(bytes)
        case .buffer(let buffer): self.init(buffer.readableBytesView)
        case .integer(let value): self.init(String(value).utf8)
        }
    }

    package static func < (left: KeySlot, right: KeySlot) -> Bool { left.number < right.number }

    /// Texts for hash tags whose slots lie in equal parts of the whole: where shards have equal ranges, as `redis-cli
    /// --cluster create` gives them, each gets as many of the tags.
    /// - Parameter prefix: what each begins with; a number follows.
    /// - Parameter count: a power of two, at most 16,384.
    package static func evenTags(prefix: String, count: Int) -> [String] {
        var tags = [String?](repeating: nil, count: count)
        var missing = count
        var number = 0
        while missing > 0 {
            let tag = prefix + String(number)
            number += 1
            let part = Int(KeySlot(tag).number) * count / Self.count
            guard tags[part] == nil else { continue }
            tags[part] = tag
            missing -= 1
        }
        return tags.compactMap { $0 }
    }
}

/// CRC-16/XMODEM: polynomial 0x1021, nothing reflected, begun with 0.
private enum CRC16 {
    private static let table: [UInt16] = (0..<256).map { byte in
        var value = UInt16(byte) << 8
        for _ in 0..<8 { value = value & 0x8000 == 0 ? value << 1 : value << 1 ^ 0x1021 }
        return value
    }

    static func checksum(_ bytes: some Sequence<UInt8>) -> UInt16 {
        bytes.reduce(0) { $0 << 8 ^ table[Int(UInt8($0 >> 8) ^ $1)] }
    }
}
