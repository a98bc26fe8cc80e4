internal import Hashing
internal import NIOCore

/// Keys, fields and messages in Redis. "c1" is the version of the layout.
struct RedisNames {
    let channel: String
    let generations: String
    private let prefix: String

    init(prefix: String) {
        self.prefix = prefix + ":c1:"
        channel = prefix + ":c1:events"
        generations = prefix + ":c1:generations"
    }

    func entry(_ key: CacheKey) -> String { prefix + key.digest.hex }
    func lock(_ key: CacheKey) -> String { entry(key) + ":fill" }
    func lastWord(_ key: CacheKey) -> String { entry(key) + ":last" }

    /// As `cache_lookup.lua` and `cache_store.lua` take them.
    func all(_ key: CacheKey) -> [String] {
        let entry = entry(key)
        return [entry, entry + ":fill", entry + ":last", generations]
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
