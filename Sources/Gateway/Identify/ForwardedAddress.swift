/// Which address a call came from: the nearest hop that is not a trusted proxy, read from the right.
package struct ForwardedAddress: Sendable {
    private let trusted: [AddressRange]

    package init(trusted: [AddressRange]) {
        self.trusted = trusted
    }

    package func trusts(_ address: String) -> Bool {
        trusted.contains { $0.contains(address) }
    }

    /// - Parameters:
    ///   - peer: the address that the connection came from; a Unix socket's peer is trusted as the machine itself is.
    ///   - forwardedFor: all X-Forwarded-For lines, joined by commas.
    package func caller(peer: String, forwardedFor: String?) -> String {
        guard let forwardedFor, trusts(peer) else { return peer }
        var caller = peer
        for hop in forwardedFor.split(separator: ",").reversed() {
            let hop = Self.withoutPort(hop.trimmingSpaces())
            guard AddressRange.isAddress(hop) else { return caller }
            caller = hop
            if !trusts(hop) { return caller }
        }
        return caller
    }

    /// Some proxies write `1.2.3.4:5678` or `[::1]:5678`.
    private static func withoutPort(_ hop: String) -> String {
        if hop.hasPrefix("["), let end = hop.firstIndex(of: "]") {
            return String(hop[hop.index(after: hop.startIndex)..<end])
        }
        let colons = hop.utf8.count { $0 == UInt8(ascii: ":") }
        if colons == 1, let colon = hop.firstIndex(of: ":") { return String(hop[..<colon]) }
        return hop
    }
}
