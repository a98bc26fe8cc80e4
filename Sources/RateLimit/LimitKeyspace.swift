internal import Hashing
internal import RedisClient

/// Where a rule's keys lie in Redis.
///
/// One Redis: all together. A cluster: in parts by the identity's first bits, each with a hash tag and an index of live keys of
/// its own, so that a rule's callers spread over the shards while all that one script touches stays in one slot.
struct LimitKeyspace {
    struct Part {
        /// An identity's 32 digits follow, or "s" and four of them where it shares a key.
        let keyPrefix: [UInt8]
        let index: RedisArgument
        let slot: KeySlot
    }

    /// Parts fill unevenly, by the square root of what they hold: 4,000 keys keep `max_keys` within 5 % (three times √4000).
    private static let fewestKeys = 4_000
    private static let mostParts = 256

    private let parts: [Part]
    private let shift: UInt64
    /// Keys of a part, above which new identities share.
    let maximumKeys: Int

    init(rule: LimitRule, prefix: String, isCluster: Bool) {
        guard isCluster else {
            let index = Array("\(prefix):l1-keys:\(rule.name)".utf8)
            parts = [
                Part(
                    keyPrefix: Array("\(prefix):l1:\(rule.name):".utf8),
                    index: .bytes(index),
                    slot: KeySlot(index)
                )
            ]
            shift = 64
            maximumKeys = rule.maxKeys
            return
        }
        var count = 1
        while count < Self.mostParts, rule.maxKeys / (2 * count) >= Self.fewestKeys { count *= 2 }
        parts = (0..<count).map { part in
            let base = "\(prefix):{l1:\(rule.name):\(part)}:"
            return Part(
                keyPrefix: Array(base.utf8),
                index: .bytes(Array((base + "keys").utf8)),
                slot: KeySlot(base)
            )
        }
        shift = UInt64(64 - count.trailingZeroBitCount)
        maximumKeys = (rule.maxKeys + count - 1) / count
    }

    /// The first four digits decide of a shared key, so those of a part are its own: there are 65,536 in all.
    func part(of identity: LimitIdentity) -> Part { parts[Int(identity.high >> shift)] }

    func key(of identity: LimitIdentity) -> [UInt8] {
        let prefix = part(of: identity).keyPrefix
        var key: [UInt8] = []
        key.reserveCapacity(prefix.count + 32)
        key.append(contentsOf: prefix)
        identity.appendDigits(to: &key)
        return key
    }

    func sharedKey(of identity: LimitIdentity) -> [UInt8] {
        let prefix = part(of: identity).keyPrefix
        return prefix + [UInt8(ascii: "s")] + key(of: identity).dropFirst(prefix.count).prefix(4)
    }
}
