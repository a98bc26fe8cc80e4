/// `methods` of quotas and caches, and lists like it.
extension ConfigurationReader {
    /// Words for which new ones must be possible, so that what only looks like a known one is no mistake.
    /// - Parameters:
    ///   - known: the usual first.
    ///   - orAll: as of `texts`.
    func callMethods(_ table: TableReader, known: [String], orAll: Bool = false) -> [String] {
        let methods = texts(table, "methods", orAll: orAll)
        for method in methods where !known.contains(method) {
            let other = known.first { $0.lowercased() == method.lowercased() }
            if method.contains("/") {
                table.fail("methods", "\"\(method)\" is a path: a method is meant, such as \"\(known[0])\"")
            } else if let meant = other ?? NearestName.of(method, among: known) {
                table.context.warn("\(table.path).methods: no known method is \"\(method)\"; is \"\(meant)\" meant?")
            }
        }
        return methods
    }

    /// An empty word would match nothing, or everything: neither can be meant.
    /// - Parameter orAll: without the key all are meant, so that an empty list is a mistake.
    func texts(_ table: TableReader, _ key: String, orAll: Bool = false) -> [String] {
        let stated = table.strings(key)
        if orAll, stated?.isEmpty == true { table.fail(key, "is empty: leave it out for all") }
        return (stated ?? []).compactMap { text, path in
            if text.isEmpty { table.context.fail(path, "is empty") }
            return text.isEmpty ? nil : text
        }
    }
}
