/// The parts of a Redis URL.
///
/// `redis://[[user]:password@]host[:port][/database]`, `rediss://` the same over TLS (IANA's provisional schemes),
/// `unix://[[user]:password@]/path/to/socket[?db=database]`. Several servers, as Python's `limits` and others write them:
/// `redis+cluster://[[user]:password@]host[:port][,host[:port]…]` names some of a cluster's nodes,
/// `redis+sentinel://[[user]:password@]host[:port][,host[:port]…]/master[/database]` the sentinels of a master;
/// `rediss+cluster://` and `rediss+sentinel://` over TLS.
struct RedisURL: Equatable {
    enum Topology: Equatable {
        case single(RedisPlace)
        /// Nodes to ask for the others.
        case cluster(seeds: [RedisPlace])
        case sentinel(master: String, sentinels: [RedisPlace])
    }

    var topology: Topology
    var usesTLS = false
    var user: String?
    var password: String?
    var database = 0

    private static let defaultPort = 6379
    private static let sentinelPort = 26_379

    init(_ text: String) throws(RedisURLError) {
        guard let separator = text.firstRange(of: "://") else { throw .malformed("a scheme and \"://\" are missing") }
        let scheme = text[..<separator.lowerBound].lowercased()
        let schemes = [
            "redis", "rediss", "unix", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel",
        ]
        guard schemes.contains(scheme) else {
            throw .malformed("the scheme is none of \(schemes.joined(separator: ", "))")
        }
        usesTLS = scheme.hasPrefix("rediss")
        var rest = text[separator.upperBound...]
        var query: Substring?
        if let mark = rest.firstIndex(of: "?") {
            query = rest[rest.index(after: mark)...]
            rest = rest[..<mark]
        }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        var authority = rest[..<slash]
        let path = rest[slash...]
        var credentials: Substring?
        if let at = authority.lastIndex(of: "@") {
            credentials = authority[..<at]
            authority = authority[authority.index(after: at)...]
        }
        if scheme == "unix" {
            guard authority.isEmpty else { throw .malformed("a socket's path begins with \"/\": unix:///path") }
            guard path.count > 1 else { throw .malformed("the socket's path is missing") }
            topology = .single(.unix(path: try Self.decode(path)))
        } else if scheme.hasSuffix("+cluster") {
            topology = .cluster(seeds: try Self.places(authority, defaultPort: Self.defaultPort))
            if path.count > 1 { database = try Self.database(path.dropFirst()) }
        } else if scheme.hasSuffix("+sentinel") {
            let parts = path.dropFirst().split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = parts.first, !name.isEmpty else {
                throw .malformed("after the sentinels stands the master's name: redis+sentinel://host:26379/name")
            }
            topology = .sentinel(
                master: try Self.decode(name),
                sentinels: try Self.places(authority, defaultPort: Self.sentinelPort)
            )
            if parts.count > 1, !parts[1].isEmpty { database = try Self.database(parts[1]) }
        } else {
            topology = .single(try Self.place(authority, defaultPort: Self.defaultPort))
            if path.count > 1 { database = try Self.database(path.dropFirst()) }
        }
        if let credentials { try read(credentials: credentials) }
        if let query { try read(query: query) }
        if case .cluster = topology, database != 0 { throw .malformed("a cluster has database 0 only") }
    }

    private static func places(_ list: Substring, defaultPort: Int) throws(RedisURLError) -> [RedisPlace] {
        var places: [RedisPlace] = []
        for part in list.split(separator: ",", omittingEmptySubsequences: false) {
            places.append(try place(part, defaultPort: defaultPort))
        }
        return places
    }

    private mutating func read(credentials: Substring) throws(RedisURLError) {
        guard let colon = credentials.firstIndex(of: ":") else {
            throw .malformed("before \"@\" stands user:password or :password")
        }
        let name = try Self.decode(credentials[..<colon])
        user = name.isEmpty ? nil : name
        password = try Self.decode(credentials[credentials.index(after: colon)...])
    }

    private mutating func read(query: Substring) throws(RedisURLError) {
        for pair in query.split(separator: "&") {
            guard pair.hasPrefix("db=") else { throw .malformed("the query may hold db=number only") }
            database = try Self.database(pair.dropFirst(3))
        }
    }

    private static func place(_ authority: Substring, defaultPort: Int) throws(RedisURLError) -> RedisPlace {
        let host: Substring
        let rest: Substring
        if authority.first == "[" {
            guard let end = authority.firstIndex(of: "]") else { throw .malformed("\"]\" is missing") }
            host = authority[authority.index(after: authority.startIndex)..<end]
            rest = authority[authority.index(after: end)...]
        } else {
            let colon = authority.firstIndex(of: ":") ?? authority.endIndex
            host = authority[..<colon]
            rest = authority[colon...]
        }
        guard !host.isEmpty else { throw .malformed("the host is missing") }
        guard !host.contains(",") else { throw .malformed("several hosts go with redis+cluster or redis+sentinel") }
        guard !rest.isEmpty else { return .tcp(host: String(host), port: defaultPort) }
        guard rest.first == ":", let port = Int(rest.dropFirst()), (1...65535).contains(port) else {
            throw .malformed("the port is no number from 1 to 65535")
        }
        return .tcp(host: String(host), port: port)
    }

    private static func database(_ text: Substring) throws(RedisURLError) -> Int {
        guard let number = Int(text), number >= 0 else { throw .malformed("the database is no number") }
        return number
    }

    /// Percent-decoding (RFC 3986, 2.1).
    private static func decode(_ text: Substring) throws(RedisURLError) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let value = UInt8(Substring(rest.prefix(2)), radix: 16) else {
                throw .malformed("\"%\" is not followed by two hexadecimal digits")
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else { throw .malformed("it is not UTF-8") }
        return decoded
    }
}

/// Why a Redis URL, or the certificates beside it, cannot be used. Never holds the URL: it may contain a password.
package enum RedisURLError: Error, Equatable, CustomStringConvertible {
    case malformed(String)
    /// A PEM file that is missing, unreadable or no PEM.
    case certificate(String)

    package var description: String {
        switch self {
        case .malformed(let reason): "not a Redis URL: \(reason)"
        case .certificate(let reason): reason
        }
    }
}
