internal import Hashing

/// Keys of clients by digest, to find two clients with one key.
struct ClientKeyTable {
    var names = NameTable(kind: "client")
    private var digests: [SHA256Digest: String] = [:]
    /// As the configuration lists them: one without a key is left out.
    private(set) var count = 0

    /// - Returns: the path of the client that has the key already.
    mutating func add(_ digest: SHA256Digest, path: String) -> String? {
        if let earlier = digests[digest] { return earlier }
        digests[digest] = path
        count += 1
        return nil
    }
}

/// `[[client]]` and `[[limit]]`: who may call, and how often.
extension ConfigurationReader {
    func limit(_ table: TableReader, index: Int, names: inout NameTable) -> Configuration.Limit {
        var limit = Configuration.Limit()
        if let name = table.requiredName() {
            limit.name = name
            names.add(name, index: index, table: table)
        }
        if let words = table.strings("by", allowsOne: true) {
            limit.by = words.compactMap { identity($0.text, at: $0.path, of: table) }
            if words.isEmpty { table.fail("by", "is empty: name at least one of \(Self.identityForm)") }
            if Set(limit.by).count < limit.by.count { table.fail("by", "names the same thing twice") }
        } else if !table.has("by") {
            table.fail(nil, "has no by: \(Self.identityForm)")
        }
        if let rate = rate(table) {
            limit.rate = rate
            limit.burst = rate.count
        }
        limit.burst = table.integer("burst", in: 1...1_000_000_000) ?? limit.burst
        if limit.rate.window.inSeconds * Double(limit.burst) / Double(max(1, limit.rate.count))
            > Self.longestBurstSeconds
        {
            table.fail(
                "burst",
                "would take more than 100 years to come back at this rate: a smaller burst or a higher rate"
            )
        }
        limit.maxKeys = table.integer("max_keys", in: 1...1_000_000_000) ?? limit.maxKeys
        table.finish()
        return limit
    }

    /// `nil`: the client has no key, as its variable is unset and the file allows that.
    func client(
        _ table: TableReader,
        index: Int,
        known: inout ClientKeyTable,
        limitNames: NameTable
    ) -> Configuration.Client? {
        var client = Configuration.Client()
        if let name = table.requiredName() {
            client.name = name
            if name == CallerFacts.anonymousName {
                table.fail("name", "\"\(name)\" is what callers without a key are called: choose another")
            }
            known.names.add(name, index: index, table: table)
        }
        let digest = keyDigest(table)
        if let digest {
            client.keyDigest = digest.bytes
            if let earlier = known.add(digest, path: table.path) {
                table.fail(table.has("key") ? "key" : "key_sha256", "is already that of \(earlier)")
            }
        }
        client.weight = table.integer("weight", in: 1...1_000) ?? client.weight
        client.priority = table.integer("priority", in: 0...7) ?? client.priority
        client.limits = table.strings("limits")?.compactMap {
            limitNames.resolve($0.text, at: $0.path, in: table.context)
        }
        client.mayNameUsers = table.boolean("may_name_users", default: client.mayNameUsers)
        table.finish()
        return digest == nil ? nil : client
    }

    private func rate(_ table: TableReader) -> Rate? {
        guard let text = table.unitText("rate", form: UnitText.rateForm) else {
            if !table.has("rate") { table.fail(nil, "has no rate, such as \"10/minute\"") }
            return nil
        }
        guard let rate = UnitText.rate(text) else {
            table.fail("rate", "must be \(UnitText.rateForm), is \"\(text)\"")
            return nil
        }
        // The store counts in microseconds, from one call to the next.
        guard rate.window / rate.count >= .microseconds(1) else {
            table.fail("rate", "must be 1000000/s at most, is \"\(text)\"")
            return nil
        }
        return rate
    }

    /// Sums with the time of day stay whole numbers in Lua up to here.
    private static let longestBurstSeconds = 100.0 * 365 * 86_400
    private static let identityForm =
        "\"ip\", \"client\", \"user\", \"route\", \"upstream\", \"model\", \"global\", \"header:x-team\""

    private func identity(_ word: String, at path: String, of table: TableReader) -> Configuration.Limit.Identity? {
        switch word {
        case "ip": return .ip
        case "client": return .client
        case "user": return .user
        case "route": return .route
        case "upstream": return .upstream
        case "model": return .model
        case "global": return .global
        default:
            let field = word.hasPrefix("header:") ? String(word.dropFirst("header:".count)) : ""
            if HeaderText.isName(field) { return .header(field.lowercased()) }
            table.context.fail(path, "must be one of \(Self.identityForm), is \"\(word)\"")
            return nil
        }
    }

    private func keyDigest(_ table: TableReader) -> SHA256Digest? {
        let key = table.expanded("key")
        let hex = table.string("key_sha256")
        if table.has("key"), table.has("key_sha256") {
            table.fail("key_sha256", "key is set too: set one of them")
            return nil
        }
        if table.has("key_sha256") {
            guard let hex else { return nil }
            guard let digest = SHA256Digest(hex: hex) else {
                table.fail("key_sha256", "must be the 64 hexadecimal digits of a SHA-256")
                return nil
            }
            return digest
        }
        guard table.has("key") else {
            table.fail(nil, "has no key: set key or key_sha256")
            return nil
        }
        guard let key else { return nil }
        if key.text.isEmpty {
            if let variable = key.variables.first {
                table.context.warn("\(table.path).key is empty: nobody can call as this client; set \(variable)")
            } else {
                table.fail("key", "is empty: whoever knows it may call, so it needs some length")
            }
            return nil
        }
        guard HeaderText.isToken(key.text) else {
            table.fail("key", HeaderText.message)
            return nil
        }
        return SHA256Digest.of(key.text)
    }
}
