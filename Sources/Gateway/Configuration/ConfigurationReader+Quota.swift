internal import Dialects

/// `[[upstream.quota]]`: what an upstream lets through.
extension ConfigurationReader {
    func quotas(
        _ upstreamTable: TableReader,
        of upstream: Configuration.Upstream,
        names: inout NameTable
    ) -> [Configuration.Quota] {
        var unnamed = 0
        return upstreamTable.tables("quota").enumerated().map { index, table in
            var quota = quota(table, dialect: upstream.dialect)
            if table.has("name") {
                quota.name = table.optionalName() ?? ""
            } else {
                _ = table.value("name")
                unnamed += 1
                quota.name = unnamed == 1 ? upstream.name : "\(upstream.name)-\(unnamed)"
            }
            if !quota.name.isEmpty { names.add(quota.name, index: index, table: table) }
            table.finish()
            return quota
        }
    }

    private func quota(_ table: TableReader, dialect: Configuration.Upstream.Dialect) -> Configuration.Quota {
        var quota = Configuration.Quota()
        table.refuse("tokens")
        table.refuse("count")
        table.refuse("reset")
        let requests = table.integer("requests", in: 1...1_000_000_000)
        if !table.has("requests"), !table.has("tokens") {
            table.fail(nil, "has no requests: how many fit in the window")
        }
        if let per = table.duration("per", in: .milliseconds(100)...(.seconds(366 * 86_400))) {
            quota.per = per
        } else if !table.has("per") {
            table.fail(nil, "has no per: the window, such as \"1m\"")
        }
        quota.scope = table.choice("scope") ?? quota.scope
        quota.models = texts(table, "models")
        if dialect != .gemini {
            // Its calls name no model, so one bucket is all that a scope by model can mean.
            quota.scope = .upstream
            if !quota.models.isEmpty {
                table.fail("models", "calls of dialect \"\(dialect.rawValue)\" name no model: leave it out")
            }
        }
        quota.methods = texts(table, "methods")
        quota.batch = table.choice("batch") ?? quota.batch
        quota.requests = withoutHeadroom(requests ?? quota.requests, table)
        quota.burst = burst(table, of: quota, isKnown: requests != nil)
        return quota
    }

    /// What callers that come through here may use, rounded down.
    private func withoutHeadroom(_ requests: Int, _ table: TableReader) -> Int {
        guard let text = table.unitText("headroom", form: "a percentage such as \"10%\"") else { return requests }
        guard let thousandths = UnitText.percentage(text) else {
            table.fail("headroom", "must be a percentage such as \"10%\", is \"\(text)\"")
            return requests
        }
        let rest = requests * (100_000 - thousandths) / 100_000
        if rest < 1 { table.fail("headroom", "\(text) of \(requests) requests leaves none") }
        return max(1, rest)
    }

    /// Half of short windows, as a burst delays what comes next; the whole of windows that nobody waits for.
    private func burst(_ table: TableReader, of quota: Configuration.Quota, isKnown: Bool) -> Int {
        let fallback = quota.per <= .seconds(300) ? (quota.requests + 1) / 2 : quota.requests
        let upper = isKnown ? quota.requests : 1_000_000_000
        return table.integer("burst", in: 1...upper) ?? fallback
    }

    /// An empty word would match nothing, or everything: neither can be meant.
    func texts(_ table: TableReader, _ key: String) -> [String] {
        (table.strings(key) ?? []).compactMap { text, path in
            if text.isEmpty { table.context.fail(path, "is empty") }
            return text.isEmpty ? nil : text
        }
    }
}
