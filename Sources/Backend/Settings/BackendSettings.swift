/// What the operator decides, from flags and environment variables.
package struct BackendSettings: Sendable {
    /// libpq's connection string.
    package var databaseURL: String
    /// The only way out: Gemini and Pinecone are called through it.
    package var gatewayURL: String
    /// The backend's own client key at the gateway.
    package var gatewayKey: String
    /// Shared with the gateway, which signs with it who the user is. Not empty.
    package var identitySecret: String
    package var chatModel = "gemini-2.5-flash"
    package var embedModel = "gemini-embedding-001"
    /// Path of the gateway's route to the Pinecone index, without a slash at its end.
    package var pineconeRoute = "/pinecone"
    /// Connections to Postgres that stay open, and further ones under load.
    package var poolSize = 20
    package var poolOverflow = 40
    package var listen = ListenAddress.tcp(host: "127.0.0.1", port: 8081)
    /// Of a whole turn, where the caller sets no `X-Server-Timeout`.
    package var turnTimeout = Duration.seconds(600)
    /// How long running turns may go on after SIGTERM: longer than the longest.
    package var drainTimeout = Duration.seconds(610)

    package init(databaseURL: String, gatewayURL: String, gatewayKey: String, identitySecret: String) {
        self.databaseURL = databaseURL
        self.gatewayURL = gatewayURL
        self.gatewayKey = gatewayKey
        self.identitySecret = identitySecret
    }

    /// What is wrong with them, a sentence each, naming the environment variable.
    package func mistakes() -> [String] {
        var mistakes: [String] = []
        if databaseURL.isEmpty { mistakes.append("DATABASE_URL is not set: postgresql://user:password@host/database") }
        if identitySecret.isEmpty {
            mistakes.append("IDENTITY_SECRET is not set: the same as the gateway's identity_secret")
        }
        if !gatewayURL.hasPrefix("http://") && !gatewayURL.hasPrefix("https://") {
            mistakes.append("GATEWAY_URL must begin with http:// or https://")
        }
        if chatModel.isEmpty || chatModel.contains("/") { mistakes.append("CHAT_MODEL must be a model's bare name") }
        if embedModel.isEmpty || embedModel.contains("/") { mistakes.append("EMBED_MODEL must be a model's bare name") }
        if !pineconeRoute.hasPrefix("/") || pineconeRoute.hasSuffix("/") {
            mistakes.append("PINECONE_ROUTE must be a path, such as /pinecone")
        }
        if poolSize < 1 { mistakes.append("POOL_SIZE must be 1 or more") }
        if poolOverflow < 0 { mistakes.append("POOL_OVERFLOW must be 0 or more") }
        return mistakes
    }
}

/// Where to listen.
package enum ListenAddress: Equatable, Sendable {
    case tcp(host: String, port: Int)
    case unix(path: String)

    /// `host:port`, `[::1]:port`, `:port` for all interfaces, or `unix:/path`.
    package init?(_ text: String) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard path.hasPrefix("/") else { return nil }
            self = .unix(path: path)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (0...65_535).contains(port)
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("[") && host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        self = .tcp(host: host.isEmpty ? "0.0.0.0" : String(host), port: port)
    }
}
