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
        let stated = units(table, of: &quota, dialect: dialect)
        if let per = table.duration("per", in: .milliseconds(100)...(.seconds(366 * 86_400))) {
            quota.per = per
        } else if !table.has("per") {
            table.fail(nil, "has no per: the window, such as \"1m\"")
        }
        quota.scope = table.choice("scope") ?? quota.scope
        quota.models = texts(table, "models", orAll: true)
        if let model = quota.models.first(where: { $0.hasPrefix("models/") }) {
            table.fail("models", "\"\(model)\" matches none: names begin behind \"models/\"")
        }
        if dialect != .gemini {
            // Its calls name no model, so one bucket is all that a scope by model can mean.
            quota.scope = .upstream
            if !quota.models.isEmpty {
                table.fail("models", "calls of dialect \"\(dialect.rawValue)\" name no model: leave it out")
            }
        }
        quota.methods = methods(table, of: dialect)
        quota.batch = batch(table, of: quota)
        quota.reset = reset(table, of: quota)
        quota.whole = stated ?? 1
        quota.limit = withoutHeadroom(quota.whole, table)
        quota.burst = burst(table, of: quota, isKnown: stated != nil)
        return quota
    }

    /// How many fit in the window, and of what.
    private func units(
        _ table: TableReader,
        of quota: inout Configuration.Quota,
        dialect: Configuration.Upstream.Dialect
    ) -> Int? {
        let range = 1...1_000_000_000
        let requests = table.integer("requests", in: range)
        let tokens = table.integer("tokens", in: range)
        let count: Configuration.Quota.TokenCount? = table.choice("count")
        guard table.has("tokens") else {
            if table.has("count") { table.fail("count", "says which tokens are meant: it needs tokens, not requests") }
            if !table.has("requests") {
                table.fail(nil, "has neither requests nor tokens: how many fit in the window")
            }
            return requests
        }
        if table.has("requests") {
            table.fail("tokens", "stands beside requests: write a quota for each, a call must fit both")
        }
        if dialect != .gemini {
            table.fail("tokens", "answers of dialect \"\(dialect.rawValue)\" tell no tokens: count requests")
        }
        quota.unit = .tokens(count ?? .input)
        return tokens
    }

    private func batch(_ table: TableReader, of quota: Configuration.Quota) -> Configuration.Quota.Batch {
        let batch: Configuration.Quota.Batch? = table.choice("batch")
        if batch != nil, quota.countsTokens {
            table.fail("batch", "is for requests: a batch costs the tokens that it has")
        }
        return batch ?? Configuration.Quota().batch
    }

    /// A calendar window; the zone's rules are read now, so that nothing has to be read later.
    private func reset(_ table: TableReader, of quota: Configuration.Quota) -> DailyReset? {
        guard let text = table.unitText("reset", form: DailyReset.form) else { return nil }
        guard let (secondOfDay, zone) = DailyReset.parts(of: text) else {
            table.fail("reset", "must be \(DailyReset.form), is \"\(text)\"")
            return nil
        }
        if quota.per != .seconds(86_400), table.has("per") {
            table.fail("reset", "begins each day anew: it needs per = \"1d\"")
        }
        do {
            return DailyReset(zone: zone, secondOfDay: secondOfDay, rules: try context.zones.rules(of: zone))
        } catch {
            table.fail("reset", message(error, zone: zone))
            return nil
        }
    }

    private func message(_ failure: ZoneDatabase.Failure, zone: String) -> String {
        switch failure {
        case .absent:
            let places = ZoneDatabase.places.joined(separator: ", ")
            return "no time zone database in \(places): install tzdata, or use UTC"
        case .unknown:
            let guess = NearestName.hint(for: zone, among: context.zones.names)
            let form = ": a name such as \"America/Los_Angeles\" or \"UTC\" is meant"
            return "no time zone is named \"\(zone)\"\(guess.isEmpty ? form : guess)"
        case .malformed: return "the file of time zone \"\(zone)\" is damaged: install tzdata again"
        }
    }

    /// What callers that come through here may use, rounded down.
    private func withoutHeadroom(_ units: Int, _ table: TableReader) -> Int {
        guard let text = table.unitText("headroom", form: "a percentage such as \"10%\"") else { return units }
        guard let thousandths = UnitText.percentage(text) else {
            table.fail("headroom", "must be a percentage such as \"10%\", is \"\(text)\"")
            return units
        }
        let rest = units * (100_000 - thousandths) / 100_000
        if rest < 1 {
            let kind = table.has("tokens") ? "tokens" : "requests"
            table.fail("headroom", "\(text) of \(units) \(kind) leaves none")
        }
        return max(1, rest)
    }

    /// Half of short windows, as a burst delays what comes next; the whole of windows that nobody waits for.
    private func burst(_ table: TableReader, of quota: Configuration.Quota, isKnown: Bool) -> Int {
        let fallback = quota.per <= .seconds(300) ? (quota.limit + 1) / 2 : quota.limit
        let upper = isKnown ? quota.limit : 1_000_000_000
        let burst = table.integer("burst", in: 1...upper)
        if burst != nil, quota.reset != nil {
            table.fail("burst", "stands beside reset: what a day has left may go at any time of it")
        }
        return burst ?? fallback
    }

    private func methods(_ table: TableReader, of dialect: Configuration.Upstream.Dialect) -> [String] {
        guard dialect.knownMethods.isEmpty else {
            return callMethods(table, known: dialect.knownMethods, orAll: true)
        }
        let methods = texts(table, "methods", orAll: true)
        if !methods.isEmpty {
            table.fail("methods", "calls of dialect \"\(dialect.rawValue)\" have no method: leave it out")
        }
        return methods
    }
}
