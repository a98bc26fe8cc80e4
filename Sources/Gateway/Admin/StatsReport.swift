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
        part.requests = view.totals.values["requests"] ?? 0
        part.inFlight = view.gauges.reduce(0) { $0 + $1.inFlight }
        part.users = view.users
        for (name, count) in view.totals.values {
            let parts = name.split(separator: "\t").map(String.init)
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
        plan.configuration.limits.map { limit in
            let prefix = limit.name + "\t"
            let top = totals.denials.filter { $0.key.hasPrefix(prefix) }
                .sorted { ($0.value, $1.key) > ($1.value, $0.key) }
                .prefix(10)
                .map { StatsDocument.Limit.Denied(key: String($0.key.dropFirst(prefix.count)), denied: $0.value) }
            return .init(
                name: limit.name,
                allowed: totals.values["limit\t\(limit.name)\tallowed"] ?? 0,
                denied: totals.values["limit\t\(limit.name)\tdenied"] ?? 0,
                top: Array(top)
            )
        }
    }

    private func cachePart(_ view: ClusterStats.View) -> StatsDocument.Cache {
        var part = StatsDocument.Cache()
        let values = view.totals.values
        part.hits = values["cache\thits"] ?? 0
        part.misses = values["cache\tmisses"] ?? 0
        part.collapsed = values["cache\tcollapsed"] ?? 0
        part.stale = values["cache\tstale"] ?? 0
        let asked = part.hits + part.misses + part.collapsed
        part.ratio = asked == 0 ? 0 : Double(part.hits + part.collapsed) / Double(asked)
        part.bytes = view.gauges.reduce(0) { $0 + $1.cacheBytes }
        part.entries = view.gauges.reduce(0) { $0 + $1.cacheEntries }
        part.callsSaved = part.hits + part.collapsed
        part.costSaved = tokensPart(view.totals, kind: "saved").reduce(0) { $0 + $1.cost }
        return part
    }

    private func tokensPart(_ totals: FlatCounters, kind: String = "tokens") -> [StatsDocument.Tokens] {
        var rows: [String: StatsDocument.Tokens] = [:]
        for (name, count) in totals.values {
            let parts = name.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 4, parts[0] == kind else { continue }
            var row =
                rows[parts[1] + "\t" + parts[2]]
                ?? .init(client: parts[1], model: parts[2], input: 0, output: 0, cost: 0)
            if parts[3] == "input" { row.input = count } else { row.output = count }
            rows[parts[1] + "\t" + parts[2]] = row
        }
        return rows.values
            .map { row in
                var row = row
                if let price = plan.configuration.prices.first(where: { $0.model == row.model }) {
                    row.cost = (Double(row.input) * price.input + Double(row.output) * price.output) / 1_000_000
                }
                return row
            }
            .sorted { ($0.client, $0.model) < ($1.client, $1.model) }
    }

    private func quotasPart(_ view: ClusterStats.View) async -> [StatsDocument.Quota] {
        var rows: [StatsDocument.Quota] = []
        for upstream in plan.upstreams {
            if let queue = upstream.queue {
                rows.append(contentsOf: await QuotaRows.rows(of: queue, upstream: upstream))
            }
        }
        QuotaRows.merge(view.gauges, into: &rows)
        for name in view.totals.values.keys.sorted() {
            let parts = name.split(separator: "\t").map(String.init)
            guard parts.count == 3, parts[0] == "uncovered" else { continue }
            rows.append(.init(name: "", upstream: parts[1], model: parts[2]))
        }
        return rows
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
