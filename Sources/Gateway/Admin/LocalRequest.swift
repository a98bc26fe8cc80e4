internal import HTTPWire

/// What a browser on this machine may be made to send by somebody else's page.
enum LocalRequest {
    /// Whether the Host is this machine and no page of another site asks.
    static func isOwn(_ fields: FieldBlock) -> Bool {
        guard let host = fields.string(.host), isLoopback(host) else { return false }
        guard let origin = fields.string(.origin) else { return true }
        return origin == "http://" + host
    }

    private static func isLoopback(_ host: String) -> Bool {
        // A port is added where there is none, for the form of an address to listen on.
        guard let address = ListenAddress(host) ?? ListenAddress(host + ":80"), case .tcp = address else {
            return false
        }
        return address.isPrivate
    }
}
