internal import NIOCore

/// What is fixed when the simulator starts.
package struct SimulatorOptions: Sendable {
    package var address = ListenAddress.tcp(host: "127.0.0.1", port: 9000)
    package var settings = Settings()
    /// A path below which Pinecone's calls are served too; empty: at the root only.
    package var pineconePrefix = ""
    package var indexName = "sluice"
    /// Nil: each namespace takes the dimension of its first vector.
    package var indexDimension: Int?
    package var maximumVectors = 100_000
    package var logCapacity = 100_000

    package init() {}
}

/// Where the simulator listens.
package enum ListenAddress: Sendable, Equatable {
    case tcp(host: String, port: Int)
    case unix(path: String)

    /// Reads `host:port`, `[::1]:port` or `unix:/path`.
    package init?(_ text: String) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst("unix:".count))
            guard !path.isEmpty else { return nil }
            self = .unix(path: path)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty else { return nil }
        self = .tcp(host: String(host), port: Int(port))
    }
}

extension ListenAddress: CustomStringConvertible {
    /// What a server was bound to; port 0 has become a real one.
    init(bound address: SocketAddress?) {
        if let path = address?.pathname, !path.isEmpty {
            self = .unix(path: path)
        } else {
            self = .tcp(host: address?.ipAddress ?? "", port: address?.port ?? 0)
        }
    }

    package var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}
