internal import RedisClient

/// Ranges that several keys share.
enum Bounds {
    /// Of a time-out that must be there.
    static let timeout = Duration.milliseconds(1)...(.seconds(30 * 86_400))
    /// Of a time that may be none.
    static let time = Duration.zero...(.seconds(30 * 86_400))
    /// Of what is kept or read in bytes.
    static let bytes = 0...(1 << 40)
}

/// `[server]`, `[redis]`, `[admin]`, `[auth]`, `[cache]`, `[[price]]`: what is not about one caller or one upstream.
extension ConfigurationReader {
    func server(_ table: TableReader?) -> Configuration.Server {
        var server = Configuration.Server()
        guard let table else {
            server.listen = portOfEnvironment() ?? server.listen
            return server
        }
        server.listen = listenAddress(table, "listen") ?? portOfEnvironment() ?? server.listen
        if let url = table.string("public_url"), !url.isEmpty {
            server.publicURL = BaseURL.checked(url, "public_url", of: table) ?? ""
        }
        server.threads = table.integer("threads", in: 0...1024) ?? server.threads
        server.maxBody = table.size("max_body", in: Bounds.bytes) ?? server.maxBody
        server.maxHeader = table.size("max_header", in: 1_024...(1 << 20)) ?? server.maxHeader
        server.headerTimeout = table.duration("header_timeout", in: Bounds.timeout) ?? server.headerTimeout
        server.idleTimeout = table.duration("idle_timeout", in: Bounds.timeout) ?? server.idleTimeout
        server.clientTimeout = table.duration("client_timeout", in: Bounds.timeout) ?? server.clientTimeout
        server.drainTimeout = table.duration("drain_timeout", in: Bounds.time) ?? server.drainTimeout
        server.trustedProxies = (table.strings("trusted_proxies") ?? []).compactMap { text, path in
            if let range = AddressRange(text) { return range }
            let form = "an address or a block of them such as \"10.0.0.0/8\""
            table.context.fail(path, "must be \(form), is \"\(text)\"")
            return nil
        }
        table.refuse("tls")
        table.finish()
        return server
    }

    /// An empty address of a Redis is as good as none: one file serves both stores.
    func redis(_ table: TableReader?) -> Configuration.Redis? {
        guard let table else { return nil }
        var redis = Configuration.Redis()
        let url = redisURL(table, "url")
        redis.url = url ?? redis.url
        if let prefix = table.string("prefix") {
            if !NameRule.allows(prefix) { table.fail("prefix", "\(NameRule.message), is \"\(prefix)\"") }
            redis.prefix = prefix
        }
        redis.ca = readableFile(table, "ca")
        redis.certificate = readableFile(table, "certificate")
        redis.key = readableFile(table, "key")
        if redis.certificate.isEmpty != redis.key.isEmpty {
            table.fail(redis.key.isEmpty ? "certificate" : "key", "certificate and key go together: set both or none")
        }
        redis.timeout = table.duration("timeout", in: .milliseconds(1)...(.seconds(60))) ?? redis.timeout
        redis.onFailure = table.choice("on_failure") ?? redis.onFailure
        table.finish()
        return url == "" ? nil : redis
    }

    func admin(_ table: TableReader?) -> Configuration.Admin {
        var admin = Configuration.Admin()
        guard let table else { return admin }
        admin.token = table.string("token") ?? admin.token
        if !HeaderText.isToken(admin.token) { table.fail("token", HeaderText.message) }
        admin.listen = listenAddress(table, "listen")
        admin.metrics = table.choice("metrics") ?? admin.metrics
        if let listen = admin.listen, admin.token.isEmpty, !listen.isPrivate {
            table.context.warn("admin.listen is no loopback address and admin.token is empty: /admin answers 403")
        }
        table.finish()
        return admin
    }

    func auth(_ table: TableReader?) -> AuthMode {
        guard let table else { return .required }
        let mode: AuthMode? = table.choice("mode")
        table.finish()
        return mode ?? .required
    }

    func cache(_ table: TableReader?) -> Configuration.Cache {
        var cache = Configuration.Cache()
        guard let table else { return cache }
        cache.memory = table.size("memory", in: Bounds.bytes) ?? cache.memory
        cache.maxEntry = table.size("max_entry", in: 1...(512 << 20)) ?? cache.maxEntry
        if let url = redisURL(table, "redis"), !url.isEmpty { cache.redis = url }
        table.finish()
        return cache
    }

    func price(_ table: TableReader, models: inout Set<String>) -> Configuration.Price {
        var price = Configuration.Price()
        price.model = table.string("model") ?? ""
        if !table.has("model") {
            table.fail(nil, "has no model")
        } else if price.model.isEmpty {
            table.fail("model", "is empty")
        } else if !models.insert(price.model).inserted {
            table.fail("model", "\"\(price.model)\" has a price already")
        }
        price.input = table.decimal("input") ?? price.input
        price.output = table.decimal("output") ?? price.output
        table.finish()
        return price
    }

    /// An empty text names none.
    private func listenAddress(_ table: TableReader, _ key: String) -> ListenAddress? {
        guard let text = table.string(key), !text.isEmpty else { return nil }
        if let address = ListenAddress(text) { return address }
        table.fail(
            key,
            "must be an address such as \"0.0.0.0:8080\", \"[::]:8080\" or \"unix:/run/gateway.sock\", is \"\(text)\""
        )
        return nil
    }

    /// What hosts such as Cloud Run set.
    private func portOfEnvironment() -> ListenAddress? {
        guard let text = context.environment["PORT"], !text.isEmpty else { return nil }
        if let port = Int(text), (0...65_535).contains(port) { return .tcp(host: "0.0.0.0", port: port) }
        context.fail("server.listen", "variable PORT must be from 0 to 65535, is \"\(text)\"")
        return nil
    }

    private static let severalServers = [
        "redis+cluster://", "rediss+cluster://", "redis+sentinel://", "rediss+sentinel://",
    ]

    /// The text, which may be empty; never in a message, as it may hold a password.
    private func redisURL(_ table: TableReader, _ key: String) -> String? {
        guard let url = table.string(key), !url.isEmpty else { return table.has(key) ? "" : nil }
        let schemes = ["redis://", "rediss://", "unix://"] + Self.severalServers
        guard schemes.contains(where: { url.hasPrefix($0) && url.utf8.count > $0.utf8.count }), !url.contains(" ")
        else {
            table.fail(
                key,
                "must be redis://host:6379/0, rediss://host:6380/0, unix:///path, redis+cluster://host:6379,host:6379 or "
                    + "redis+sentinel://host:26379,host:26379/master/0"
            )
            return nil
        }
        if let problem = RedisEndpoint.problem(url: url) {
            table.fail(key, problem)
            return nil
        }
        return url
    }

    /// A path; empty: none.
    func readableFile(_ table: TableReader, _ key: String) -> String {
        guard let path = table.string(key), !path.isEmpty else { return "" }
        if !context.isReadable(path) { table.fail(key, "there is no readable file \"\(path)\"") }
        return path
    }
}
