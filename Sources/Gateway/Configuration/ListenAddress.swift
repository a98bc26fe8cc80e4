/// Where a server listens.
package enum ListenAddress: Sendable, Equatable {
    case tcp(host: String, port: Int)
    case unix(path: String)

    /// `host:port`, `[IPv6]:port`, `:port` for every address, or `unix:/path`.
    package init?(_ text: String) {
        if text.hasPrefix("unix:") {
            var path = text.dropFirst("unix:".count)
            if path.hasPrefix("//") { path = path.dropFirst(2) }
            guard !path.isEmpty else { return nil }
            self = .unix(path: String(path))
            return
        }
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard digits.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }),
            let port = Int(digits), port <= 65_535
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
            guard AddressRange.isAddress(String(host)) else { return nil }
        } else if host.contains(":") || host.contains("/") || host.contains(" ") {
            return nil
        }
        self = .tcp(host: host.isEmpty ? "0.0.0.0" : String(host), port: port)
    }

    /// Only this machine reaches it.
    package var isPrivate: Bool {
        switch self {
        case .unix: return true
        case .tcp(let host, _):
            if host == "localhost" { return true }
            return ["127.0.0.0/8", "::1"].contains { AddressRange($0)?.contains(host) == true }
        }
    }
}
