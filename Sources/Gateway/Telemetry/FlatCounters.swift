internal import Dialects
internal import Pacing
package import ResponseCache

/// Counters under the names by which the cluster's totals keep them: one flat map of fields, so that adding is HINCRBY.
struct FlatCounters: Sendable, Equatable {
    private(set) var values: [CounterName: Int] = [:]
    /// By limit and key.
    private(set) var denials: [CounterName: Int] = [:]

    init() {}

    init(snapshot: TelemetrySnapshot, cache: CacheCounts, configuration: Configuration) {
        let counters = snapshot.counters
        values[CounterName("requests")] = counters.requests
        for (row, statuses) in counters.byRouteAndStatus.enumerated() {
            let route = row < configuration.routes.count ? configuration.routes[row].name : ""
            for (column, count) in statuses.enumerated() where count > 0 {
                values[CounterName("status", "\(column + 100)"), default: 0] += count
                if !route.isEmpty { values[CounterName("route", route, "\(column + 100)")] = count }
            }
        }
        for (index, limit) in configuration.limits.enumerated() {
            values[CounterName("limit", limit.name, "allowed")] = counters.limitAllowed[index]
            values[CounterName("limit", limit.name, "denied")] = counters.limitDenied[index]
        }
        for (kind, map) in [("tokens", counters.tokens), ("saved", counters.savedTokens)] {
            for (key, tokens) in map {
                values[CounterName(kind, key.client, key.model.text, "input")] = tokens.input
                values[CounterName(kind, key.client, key.model.text, "output")] = tokens.output
            }
        }
        for (key, count) in counters.uncovered {
            values[CounterName("uncovered", configuration.upstreams[key.upstream].name, key.model.text)] = count
        }
        for (key, count) in counters.denials {
            denials[CounterName(configuration.limits[key.limit].name, key.key.text)] = count
        }
        values[CounterName("cache", "hits")] = cache.hits
        values[CounterName("cache", "misses")] = cache.misses
        values[CounterName("cache", "collapsed")] = cache.collapsed
        values[CounterName("cache", "stale")] = cache.stale
    }

    init(values: [CounterName: Int], denials: [CounterName: Int]) {
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

    private static func difference(
        _ now: [CounterName: Int],
        _ before: [CounterName: Int]
    ) -> [CounterName: Int] {
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
