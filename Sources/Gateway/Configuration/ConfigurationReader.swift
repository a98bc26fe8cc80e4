internal import FoundationEssentials

/// Reads `gateway.conf`: TOML to a `Configuration`, or to every mistake in it.
package struct ConfigurationReader {
    let context: ReadingContext
    private let root: TableReader

    /// - Parameters:
    ///   - text: of the file.
    ///   - environment: for `${NAME}`, and for `PORT` where the file names no address.
    ///   - isReadable: whether the file of a certificate can be read.
    ///   - zones: where `reset` finds its time zone.
    /// - Throws: the parser's error, where the text is not TOML.
    package init(
        text: String,
        environment: [String: String],
        isReadable: @escaping (String) -> Bool = { FileManager.default.isReadableFile(atPath: $0) },
        zones: ZoneDatabase = ZoneDatabase()
    ) throws(ConfigurationErrors) {
        let members = try SourceValue.parse(text)
        context = ReadingContext(text: text, environment: environment, isReadable: isReadable, zones: zones)
        root = TableReader(path: "", members: members, context: context)
    }

    /// Every key that `read()` asked for, in the form `upstream.quota.per`, sorted. Tables that the file lacks were
    /// not asked.
    package var knownKeys: [String] { context.knownKeys.sorted() }

    /// Reads the whole file.
    /// - Throws: all mistakes, sorted by place.
    package func read() throws(ConfigurationErrors) -> Configuration {
        var configuration = Configuration()
        configuration.server = server(root.table("server"))
        configuration.redis = redis(root.table("redis"))
        configuration.admin = admin(root.table("admin"))
        configuration.auth = auth(root.table("auth"))

        var limitNames = NameTable(kind: "limit")
        configuration.limits = root.tables("limit").enumerated().map { index, table in
            limit(table, index: index, names: &limitNames)
        }
        var upstreamNames = NameTable(kind: "upstream")
        var quotaNames = NameTable(kind: "quota")
        configuration.upstreams = root.tables("upstream").enumerated().map { index, table in
            upstream(table, index: index, names: &upstreamNames, quotaNames: &quotaNames)
        }
        var clients = ClientKeyTable()
        configuration.clients = root.tables("client").enumerated().compactMap { index, table in
            client(table, index: index, known: &clients, limitNames: limitNames)
        }
        var routeNames = NameTable(kind: "route")
        let routes = root.tables("route")
        configuration.routes = routes.enumerated().map { index, table in
            route(
                table,
                index: index,
                names: &routeNames,
                upstreamNames: upstreamNames,
                limitNames: limitNames,
                configuration: configuration
            )
        }
        configuration.cache = cache(root.table("cache"))
        var models: Set<String> = []
        configuration.prices = root.tables("price").map { price($0, models: &models) }
        root.finish()

        guard context.errors.isEmpty else { throw ConfigurationErrors(context.errors) }
        if routes.isEmpty { context.warn("no [[route]]: every call is answered 404") }
        configuration.warnings = context.warnings + configuration.keyWarnings
        return configuration
    }
}

extension Configuration {
    /// Reads a file.
    ///
    /// - Parameters:
    ///   - path: of the file.
    ///   - environment: of the process, for `${NAME}` and `PORT`.
    /// - Throws: all mistakes, or that the file cannot be read.
    package static func read(
        file path: String,
        environment: [String: String]
    ) throws(ConfigurationErrors) -> Configuration {
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            let reason =
                FileManager.default.fileExists(atPath: path) ? "cannot be read as UTF-8 text" : "there is no such file"
            throw ConfigurationErrors([ConfigurationError(path: "", line: nil, message: reason)])
        }
        return try ConfigurationReader(text: text, environment: environment).read()
    }
}
