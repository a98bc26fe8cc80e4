internal import Dialects
package import ResponseCache

/// Counters under the names by which the cluster's totals keep them: one flat map of fields, so that adding is HINCRBY.
///
/// A name's parts are separated by tabs, which no configured name and no status holds.
struct FlatCounters: Sendable, Equatable {
    private(set) var values: [String: Int] = [:]
    /// `limit\tkey`
    private(set) var denials: [String: Int] = [:]

    init() {}

    init(snapshot: TelemetrySnapshot, cache: CacheCounts, configuration: Configuration) {
        let counters = snapshot.counters
        values["requests"] = counters.requests
        for (row, statuses) in counters.byRouteAndStatus.enumerated() {
            let route = row < configuration.routes.count ? configuration.routes[row].name : ""
            for (column, count) in statuses.enumerated() where count > 0 {
                values["status\t\(column + 100)", default: 0] += count
                if !route.isEmpty { values["route\t\(route)\t\(column + 100)"] = count }
            }
        }
        for (index, limit) in configuration.limits.enumerated() {
            values["limit\t\(limit.name)\tallowed"] = counters.limitAllowed[index]
            values["limit\t\(limit.name)\tdenied"] = counters.limitDenied[index]
        }
        for (kind, map) in [("tokens", counters.tokens), ("saved", counters.savedTokens)] {
            for (key, tokens) in map {
                values["\(kind)\t\(key.client)\t\(key.model)\tinput"] = tokens.input
                values["\(kind)\t\(key.client)\t\(key.model)\toutput"] = tokens.output
            }
        }
        for (key, count) in counters.uncovered {
            values["uncovered\t\(configuration.upstreams[key.upstream].name)\t\(key.model)"] = count
        }
        for (key, count) in counters.denials {
            denials["\(configuration.limits[key.limit].name)\t\(key.key)"] = count
        }
        values["cache\thits"] = cache.hits
        values["cache\tmisses"] = cache.misses
        values["cache\tcollapsed"] = cache.collapsed
        values["cache\tstale"] = cache.stale
    }

    init(values: [String: Int], denials: [String: Int]) {
        self.values = values
        self.denials = denials
    }

    /// What has come since; fields that did not change are left out.
    func since(_ earlier: FlatCounters) -> FlatCounters {
        FlatCounters(
            values: Self.difference(values, earlier.values),
            denials: Self.difference(denials, earlier.denials)
        )
    }

    mutating func add(_ other: FlatCounters) {
        values.merge(other.values, uniquingKeysWith: +)
        denials.merge(other.denials, uniquingKeysWith: +)
    }

    private static func difference(_ now: [String: Int], _ before: [String: Int]) -> [String: Int] {
        now.reduce(into: [:]) { changes, entry in
            let change = entry.value - (before[entry.key] ?? 0)
            if change != 0 { changes[entry.key] = change }
        }
    }
}

/// The cache's own counts, of this replica.
package struct CacheCounts: Sendable, Equatable {
    package var hits = 0
    package var misses = 0
    package var collapsed = 0
    package var stale = 0
    package var bytes = 0
    package var entries = 0
    package init() {}

    package init(_ statistics: CacheStatistics) {
        hits = Int(statistics.hits)
        misses = Int(statistics.misses)
        collapsed = Int(statistics.collapsed)
        stale = Int(statistics.stale)
        bytes = statistics.bytes
        entries = statistics.entries
    }
}
