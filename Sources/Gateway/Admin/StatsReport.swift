package import NIOCore
internal import Pacing

/// Puts together what `/admin/stats` and `/metrics` show: the cluster's totals, this replica's gauges, the queues.
package final class StatsReport: Sendable {
    let cluster: ClusterStats
    let plan: Plan
    private let replica: String
    private let started: NIODeadline
    let sources: Sources

    /// Facts that only their owners know.
    package struct Sources: Sendable {
        /// Open connections by upstream, of all loops.
        package var connections: @Sendable () async -> [Int]
        package var cache: @Sendable () -> CacheCounts
        package var redis: @Sendable () async -> StatsDocument.Redis
        package init(
            connections: @escaping @Sendable () async -> [Int],
            cache: @escaping @Sendable () -> CacheCounts,
            redis: @escaping @Sendable () async -> StatsDocument.Redis
        ) {
            self.connections = connections
            self.cache = cache
            self.redis = redis
        }
    }

    package init(cluster: ClusterStats, plan: Plan, replica: String, started: NIODeadline, sources: Sources) {
        self.cluster = cluster
        self.plan = plan
        self.replica = replica
        self.started = started
        self.sources = sources
    }

    package func json() async -> ByteBuffer { ByteBuffer(bytes: await document().encoded()) }

    package func document() async -> StatsDocument {
        let view = await cluster.view()
        let own = await cluster.own()
        var document = StatsDocument()
        document.cluster = clusterPart(view)
        document.replica = .init(
            id: replica,
            uptime: Double((NIODeadline.now() - started).nanoseconds) / 1e9,
            requests: own.counters.requests
        )
        document.latency = latencyPart(view)
        document.limits = limitsPart(view.totals)
        document.cache = cachePart(view)
        document.quotas = await quotasPart(view)
        document.tokens = tokensPart(view.totals)
        document.upstreams = await upstreamsPart(own)
        document.redis = await sources.redis()
        return document
    }

    private func clusterPart(_ view: ClusterStats.View) -> StatsDocument.Cluster {
        var part = StatsDocument.Cluster()
        part.replicas = view.replicas
        part.requests = view.totals.values[CounterName("requests")] ?? 0
        part.inFlight = view.gauges.reduce(0) { $0 + $1.inFlight }
        part.users = view.users
        for (name, count) in view.totals.values {
            let parts = name.parts
            if parts.count == 2, parts[0] == "status" { part.byStatus[parts[1]] = count }
            if parts.count == 3, parts[0] == "route" { part.byRoute[parts[1], default: [:]][parts[2]] = count }
        }
        return part
    }

    private func latencyPart(_ view: ClusterStats.View) -> [String: StatsDocument.Latency] {
        var part: [String: StatsDocument.Latency] = [:]
        for (index, minutes) in TelemetrySnapshot.windows.enumerated() {
            var merged = TelemetrySnapshot.Latency()
            for gauges in view.gauges where index < gauges.latency.count {
                gauges.latency[index].gateway.add(to: &merged.gateway)
                gauges.latency[index].queue.add(to: &merged.queue)
                gauges.latency[index].upstream.add(to: &merged.upstream)
            }
            part[minutes == 60 ? "1h" : "\(minutes)m"] = .init(
                gateway: Self.quantiles(merged.gateway),
                queue: Self.quantiles(merged.queue),
                upstream: Self.quantiles(merged.upstream)
            )
        }
        return part
    }

    private static func quantiles(_ histogram: Histogram) -> StatsDocument.Quantiles {
        .init(
            p50: histogram.quantile(0.5),
            p95: histogram.quantile(0.95),
            p99: histogram.quantile(0.99),
            p999: histogram.quantile(0.999)
        )
    }

    private func limitsPart(_ totals: FlatCounters) -> [StatsDocument.Limit] {
        var denied: [String: [StatsDocument.Limit.Denied]] = [:]
        for (name, count) in totals.denials {
            let parts = name.parts
            guard parts.count == 2 else { continue }
            denied[parts[0], default: []].append(.init(key: parts[1], denied: count))
        }
        return plan.configuration.limits.map { limit in
            let top = (denied[limit.name] ?? [])
                .sorted { ($0.denied, $1.key) > ($1.denied, $0.key) }
                .prefix(10)
            return .init(
                name: limit.name,
                allowed: totals.values[CounterName("limit", limit.name, "allowed")] ?? 0,
                denied: totals.values[CounterName("limit", limit.name, "denied")] ?? 0,
                top: Array(top)
            )
        }
    }

    private func cachePart(_ view: ClusterStats.View) -> StatsDocument.Cache {
        var part = StatsDocument.Cache()
        let values = view.totals.values
        part.hits = values[CounterName("cache", "hits")] ?? 0
        part.misses = values[CounterName("cache", "misses")] ?? 0
        part.collapsed = values[CounterName("cache", "collapsed")] ?? 0
        part.stale = values[CounterName("cache", "stale")] ?? 0
        let asked = part.hits + part.misses + part.collapsed
        part.ratio = asked == 0 ? 0 : Double(part.hits + part.collapsed) / Double(asked)
        part.bytes = view.gauges.reduce(0) { $0 + $1.cacheBytes }
        part.entries = view.gauges.reduce(0) { $0 + $1.cacheEntries }
        part.callsSaved = part.hits + part.collapsed
        part.costSaved = tokensPart(view.totals, kind: "saved").reduce(0) { $0 + $1.cost }
        return part
    }

    private func tokensPart(_ totals: FlatCounters, kind: String = "tokens") -> [StatsDocument.Tokens] {
        var rows: [LoopCounters.TokenKey: StatsDocument.Tokens] = [:]
        for (name, count) in totals.values {
            let parts = name.parts
            guard parts.count == 4, parts[0] == kind else { continue }
            let key = LoopCounters.TokenKey(client: parts[1], model: ExactName(parts[2]))
            var row = rows[key] ?? .init(client: parts[1], model: parts[2], input: 0, output: 0, cost: 0)
            if parts[3] == "input" { row.input = count } else { row.output = count }
            rows[key] = row
        }
        return rows.values
            .map { row in
                var row = row
                if let price = plan.configuration.prices.first(where: { ExactName($0.model) == ExactName(row.model) }) {
                    row.cost = (Double(row.input) * price.input + Double(row.output) * price.output) / 1_000_000
                }
                return row
            }
            .sorted { ($0.client, ExactName($0.model)) < ($1.client, ExactName($1.model)) }
    }

    private func quotasPart(_ view: ClusterStats.View) async -> [StatsDocument.Quota] {
        var rows: [StatsDocument.Quota] = []
        for upstream in plan.upstreams {
            if let queue = upstream.queue {
                rows.append(contentsOf: await QuotaRows.rows(of: queue, upstream: upstream))
            }
        }
        QuotaRows.merge(view.gauges, into: &rows)
        let uncovered = view.totals.values.keys.map(\.parts).filter { $0.count == 3 && $0[0] == "uncovered" }
            .sorted { ($0[1], ExactName($0[2])) < ($1[1], ExactName($1[2])) }
        return rows + uncovered.map { .init(name: "", upstream: $0[1], model: $0[2]) }
    }

    private func upstreamsPart(_ own: TelemetrySnapshot) async -> [StatsDocument.Upstream] {
        let connections = await sources.connections()
        return plan.upstreams.map { upstream in
            .init(
                name: upstream.name,
                connections: connections[upstream.index],
                breaker: upstream.breaker.state(now: .now()).rawValue,
                errors: own.counters.upstreamErrors[upstream.index]
            )
        }
    }
}
