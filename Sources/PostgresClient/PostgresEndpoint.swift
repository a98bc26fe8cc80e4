internal import CPostgres

/// Where Postgres is and how to log in, from a libpq connection string.
package struct PostgresEndpoint: Sendable {
    /// What libpq gets as it came: user, password, dbname, sslmode, sslrootcert …
    package let parameters: [Parameter]
    /// In the order in which they are tried.
    package let hosts: [Host]
    /// Of one address: `connect_timeout`, or 5 s.
    package let connectTimeout: Duration

    package struct Parameter: Equatable, Sendable {
        package let keyword: String
        package let value: String

        package init(keyword: String, value: String) {
            self.keyword = keyword
            self.value = value
        }
    }

    package struct Host: Equatable, Sendable {
        /// A name, an address or the directory of a Unix socket; kept beside the address, as `verify-full` compares it.
        package let name: String
        /// `hostaddr`, where the URL gives one: then nothing is resolved.
        package let address: String?
        package let port: String

        var isSocketDirectory: Bool { name.hasPrefix("/") || name.hasPrefix("@") }
    }

    /// - Parameter url: `postgresql://user:password@host:5432/database?sslmode=verify-full`, with several hosts
    ///   `host1:5432,host2:5432`, or `keyword=value` pairs. What it leaves out comes from the `PG…` variables, as with
    ///   every libpq client. With several hosts the writable one is looked for, unless `target_session_attrs` says otherwise.
    /// - Throws: `.invalidURL`; its text quotes nothing from the URL.
    package init(url: String) throws(PostgresError) {
        var settings = try Self.parse(url)
        guard settings["service"] == nil else {
            throw .invalidURL("service files are not supported: name the host")
        }
        let defaults = Self.environmentDefaults()
        let names = Self.list(settings.removeValue(forKey: "host") ?? defaults["host"])
        let addresses = Self.list(settings.removeValue(forKey: "hostaddr") ?? defaults["hostaddr"])
        let ports = Self.list(settings.removeValue(forKey: "port") ?? defaults["port"])
        hosts = try Self.hosts(names: names, addresses: addresses, ports: ports)
        if hosts.count > 1 && settings["target_session_attrs"] == nil && defaults["target_session_attrs"] == "any" {
            settings["target_session_attrs"] = "read-write"
        }
        settings["fallback_application_name"] = settings["fallback_application_name"] ?? "sluice"
        settings["client_encoding"] = "UTF8"
        // Kerberos would look up names and ask its servers in blocking calls, even where nobody uses it.
        settings["gssencmode"] = settings["gssencmode"] ?? "disable"
        let seconds = settings["connect_timeout"].flatMap(Int.init) ?? 0
        connectTimeout = seconds > 0 ? .seconds(seconds) : .seconds(5)
        parameters = settings.sorted { $0.key < $1.key }.map { Parameter(keyword: $0.key, value: $0.value) }
    }

    private static func hosts(names: [String], addresses: [String], ports: [String]) throws(PostgresError) -> [Host] {
        let count = max(names.count, addresses.count, 1)
        guard names.isEmpty || addresses.isEmpty || names.count == addresses.count else {
            throw .invalidURL("as many hostaddr as host are needed")
        }
        guard ports.count <= 1 || ports.count == count else {
            throw .invalidURL("one port is needed, or one for each host")
        }
        return (0..<count).map { index in
            let address = index < addresses.count && !addresses[index].isEmpty ? addresses[index] : nil
            let port = ports.count > 1 ? ports[index] : ports.first ?? ""
            let name = index < names.count && !names[index].isEmpty ? names[index] : ""
            return Host(
                name: name.isEmpty && address == nil ? DefaultSocket.directory : name,
                address: address,
                port: port.isEmpty ? "5432" : port
            )
        }
    }

    private static func list(_ text: String?) -> [String] {
        guard let text, !text.isEmpty else { return [] }
        return text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    private static func parse(_ url: String) throws(PostgresError) -> [String: String] {
        var reason: UnsafeMutablePointer<CChar>?
        defer { PQfreemem(reason) }
        guard let options = PQconninfoParse(url, &reason) else {
            throw .invalidURL(reason.map { withoutQuotes(String(cString: $0)) } ?? "out of memory")
        }
        defer { PQconninfoFree(options) }
        return values(of: options)
    }

    private static func environmentDefaults() -> [String: String] {
        guard let options = PQconndefaults() else { return [:] }
        defer { PQconninfoFree(options) }
        return values(of: options)
    }

    private static func values(of options: UnsafeMutablePointer<PQconninfoOption>) -> [String: String] {
        var values: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { values[String(cString: keyword)] = String(cString: value) }
            option = option.successor()
        }
        return values
    }

    /// libpq's messages quote the piece that it could not read, which may be a password.
    private static func withoutQuotes(_ message: String) -> String {
        let pieces = message.split(separator: "\"", omittingEmptySubsequences: false)
        let kept = pieces.enumerated().map { $0.offset.isMultiple(of: 2) ? String($0.element) : "…" }
        let text = kept.joined(separator: "\"")
        return text.last == "\n" ? String(text.dropLast()) : text
    }
}

private enum DefaultSocket {
    /// Debian's.
    static let directory = "/var/run/postgresql"
}
