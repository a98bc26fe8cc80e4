internal import Hashing
internal import NIOCore
internal import RedisClient

/// Keys, fields and messages in Redis. "c1" is the version of the layout.
///
/// A script touches an entry and the generations. So on a cluster there are parts, by the first bits of an entry's key, each with
/// a hash tag and generations of its own; a purge goes to all parts.
struct RedisNames {
    /// As many shards of equal size have the same load; each purge costs as many script calls.
    private static let tags = KeySlot.evenTags(prefix: "c1:", count: 16)

    let channel: String
    private let parts: [String]

    init(prefix: String, isCluster: Bool) {
        parts = isCluster ? Self.tags.map { "\(prefix):{\($0)}:" } : [prefix + ":c1:"]
        channel = prefix + ":c1:events"
    }

    var partCount: Int { parts.count }

    func part(of key: CacheKey) -> Int { parts.count == 1 ? 0 : Int(key.digest.leadingWords.0 >> 60) }

    func generations(ofPart part: Int) -> String { parts[part] + "generations" }

    func entry(_ key: CacheKey) -> String { parts[part(of: key)] + key.digest.hex }
    func lock(_ key: CacheKey) -> String { entry(key) + ":fill" }
    func lastWord(_ key: CacheKey) -> String { entry(key) + ":last" }

    /// As `cache_lookup.lua` and `cache_store.lua` take them.
    func all(_ key: CacheKey) -> [String] {
        let entry = entry(key)
        return [entry, entry + ":fill", entry + ":last", generations(ofPart: part(of: key))]
    }

    func routeField(_ route: String) -> String { "r:" + route }
    func clientField(_ client: String) -> String { "c:" + client }

    func field(_ scope: PurgeScope) -> String {
        switch scope {
        case .all: "all"
        case .route(let name): routeField(name)
        case .client(let name): clientField(name)
        }
    }

    /// - Returns: `nil` for fields that no purge names.
    func scope(ofField field: some StringProtocol) -> PurgeScope? {
        if field == "all" { return .all }
        if field.hasPrefix("r:") { return .route(String(field.dropFirst(2))) }
        if field.hasPrefix("c:") { return .client(String(field.dropFirst(2))) }
        return nil
    }

    // MARK: Messages

    /// A leader has ended.
    func endedMessage(_ key: CacheKey) -> String { "f" + key.digest.hex }
    /// The last waiting replica has left.
    func leftMessage(_ key: CacheKey) -> String { "l" + key.digest.hex }

    /// What `cache_purge.lua` puts behind a generation's value, so that it tells its part.
    func suffix(ofPart part: Int) -> String { parts.count == 1 ? "" : "-\(part)" }

    func part(ofValue value: String) -> Int {
        guard let dash = value.firstIndex(of: "-"), let part = Int(value[value.index(after: dash)...]),
            parts.indices.contains(part)
        else { return 0 }
        return part
    }

    enum Message {
        case ended(CacheKey)
        case left(CacheKey)
        /// A field of the generations got this value.
        case purged(field: String, value: String)
    }

    func message(_ bytes: ByteBuffer) -> Message? {
        let text = String(buffer: bytes)
        let rest = text.dropFirst()
        switch text.first {
        case "f": return SHA256Digest(hex: rest).map { .ended(CacheKey($0)) }
        case "l": return SHA256Digest(hex: rest).map { .left(CacheKey($0)) }
        case "p":
            // Published by `cache_purge.lua`: the value, a space, the field.
            guard let space = rest.firstIndex(of: " ") else { return nil }
            return .purged(field: String(rest[rest.index(after: space)...]), value: String(rest[..<space]))
        default: return nil
        }
    }
}
