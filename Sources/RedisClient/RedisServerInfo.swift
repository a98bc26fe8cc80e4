/// What Redis said of itself when the connection came up; a field is `nil` where INFO is not allowed.
package struct RedisServerInfo: Equatable, Sendable {
    /// Another one after each start of the server: its data may be gone.
    package var runID: String?
    package var version: String?
    /// Anything but `noeviction` may silently drop limits and queues.
    package var evictionPolicy: String?

    package init() {}

    /// Adds what an INFO section tells: "name:value" lines.
    package mutating func add(section: String) {
        for line in section.split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = String(line[line.index(after: colon)...])
            switch line[..<colon] {
            case "run_id": runID = value
            case "redis_version": version = value
            case "maxmemory_policy": evictionPolicy = value
            default: break
            }
        }
    }
}
