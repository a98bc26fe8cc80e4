internal import Dialects

/// `[[route]]`: which calls go where, and on what terms.
extension ConfigurationReader {
    private static var methodsOfHTTP: [String] { ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] }

    func route(
        _ table: TableReader,
        index: Int,
        names: inout NameTable,
        upstreamNames: NameTable,
        limitNames: NameTable,
        configuration: Configuration
    ) -> Configuration.Route {
        var route = Configuration.Route()
        route.path = pathPattern(table)
        route.name = table.optionalName() ?? route.path.text
        if !route.name.isEmpty { names.add(route.name, index: index, table: table) }
        route.methods = (table.strings("methods") ?? []).compactMap { text, path in
            if HeaderText.isName(text) { return text.uppercased() }
            table.context.fail(path, "must be a method such as \"GET\", is \"\(text)\"")
            return nil
        }
        var dialect: Configuration.Upstream.Dialect?
        if let name = table.string("upstream") {
            let upstream = upstreamNames.resolve(name, at: table.path(of: "upstream"), in: table.context)
            route.upstream = upstream ?? 0
            dialect = upstream.map { configuration.upstreams[$0].dialect }
        } else if !table.has("upstream") {
            table.fail(nil, "has no upstream")
        }
        route.auth = auth(of: table) ?? configuration.auth
        route.limits = (table.strings("limits") ?? []).compactMap {
            limitNames.resolve($0.text, at: $0.path, in: table.context)
        }
        if let prefix = table.string("strip_prefix"), !prefix.isEmpty {
            if !prefix.hasPrefix("/") || prefix.hasSuffix("/") {
                table.fail(
                    "strip_prefix",
                    "must begin with / and not end with it, as in \"/pinecone\", is \"\(prefix)\""
                )
            }
            route.stripPrefix = prefix
        }
        route.maxBody = table.size("max_body", in: Bounds.bytes) ?? configuration.server.maxBody
        route.timeout = table.optionalDuration("timeout", in: Bounds.timeout)
        route.cache = table.table("cache").map { routeCache($0, of: dialect) }
        table.refuse("cors")
        if table.boolean("websocket", default: false) { table.fail("websocket", "not available in this version") }
        table.finish()
        return route
    }

    private func pathPattern(_ table: TableReader) -> PathPattern {
        guard let text = table.string("path") else {
            if !table.has("path") { table.fail(nil, "has no path, such as \"/v1beta/**\"") }
            return PathPattern()
        }
        do {
            return try PathPattern(text)
        } catch {
            table.fail("path", "\(error.message), is \"\(text)\"")
            return PathPattern()
        }
    }

    /// Empty: that of `[auth]`.
    private func auth(of table: TableReader) -> AuthMode? {
        guard let source = table.value("auth"), case .string("") = source else { return table.choice("auth") }
        return nil
    }

    /// - Parameter dialect: `nil`: that of an upstream that there is not.
    private func routeCache(
        _ table: TableReader,
        of dialect: Configuration.Upstream.Dialect?
    ) -> Configuration.RouteCache {
        var cache = Configuration.RouteCache()
        cache.ttl = table.duration("ttl", in: Bounds.timeout) ?? cache.ttl
        // Calls that have no method of their own go by that of HTTP.
        cache.methods =
            dialect.map { callMethods(table, known: $0.knownMethods + Self.methodsOfHTTP) } ?? texts(table, "methods")
        cache.staleWhileRevalidate =
            table.duration("stale_while_revalidate", in: Bounds.time) ?? cache.staleWhileRevalidate
        cache.staleIfError = table.duration("stale_if_error", in: Bounds.time) ?? cache.staleIfError
        cache.scope = table.choice("scope") ?? cache.scope
        cache.chargeLimits = table.boolean("charge_limits", default: cache.chargeLimits)
        table.finish()
        return cache
    }
}
