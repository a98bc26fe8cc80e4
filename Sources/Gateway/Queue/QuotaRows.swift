internal import NIOCore
internal import Pacing

/// An upstream's queue as `/admin/stats` shows it.
enum QuotaRows {
    /// What the store told, and this replica's own waiters.
    static func rows(of queue: QueueHandle, upstream: UpstreamPlan) async -> [StatsDocument.Quota] {
        guard let statistics = try? await queue.statistics().get() else { return [] }
        return statistics.quotas.map { row($0, upstream: upstream) }
    }

    /// This replica's waiting calls, and use elsewhere that it noticed, to be told to the others.
    static func waiting(in queue: QueueHandle, upstream: UpstreamPlan) async -> [ReplicaGauges.Waiting] {
        guard let statistics = try? await queue.statistics().get() else { return [] }
        return statistics.quotas.compactMap { quota in
            let elsewhere = upstream.elsewhere.units(of: quota.name, now: .now())
            guard quota.waiting > 0 || elsewhere > 0 else { return nil }
            return ReplicaGauges.Waiting(
                upstream: upstream.name,
                bucket: quota.name,
                count: quota.waiting,
                byClient: clients(quota),
                byUrgency: urgencies(quota),
                oldest: quota.oldestWait.inSeconds,
                usedElsewhere: elsewhere > 0 ? elsewhere : nil
            )
        }
    }

    /// Puts the other replicas' waiting calls in the place of this one's alone.
    static func merge(_ gauges: [ReplicaGauges], into rows: inout [StatsDocument.Quota]) {
        for index in rows.indices {
            let bucket = ExactName(rows[index].model.map { "\(rows[index].name)/\($0)" } ?? rows[index].name)
            let waiting = gauges.flatMap(\.waiting).filter {
                $0.upstream == rows[index].upstream && ExactName($0.bucket) == bucket
            }
            rows[index].waiting = waiting.reduce(0) { $0 + $1.count }
            rows[index].waitingByClient = waiting.reduce(into: [:]) { $0.merge($1.byClient, uniquingKeysWith: +) }
            rows[index].waitingByUrgency = waiting.reduce(into: [:]) { $0.merge($1.byUrgency, uniquingKeysWith: +) }
            rows[index].oldestWait = waiting.map(\.oldest).max() ?? 0
            rows[index].usedElsewhere = max(rows[index].usedElsewhere, waiting.compactMap(\.usedElsewhere).max() ?? 0)
        }
    }

    private static func clients(_ quota: QuotaStatistics) -> [String: Int] {
        Dictionary(
            quota.waitingByClient.map { ($0.key.isEmpty ? CallerFacts.anonymousName : $0.key, $0.value) },
            uniquingKeysWith: +
        )
    }

    private static func urgencies(_ quota: QuotaStatistics) -> [String: Int] {
        Dictionary(uniqueKeysWithValues: quota.waitingByUrgency.map { ("\($0.key)", $0.value) })
    }

    static func row(_ quota: QuotaStatistics, upstream: UpstreamPlan) -> StatsDocument.Quota {
        let (name, model) = BucketName.parts(of: quota.name)
        var row = StatsDocument.Quota(
            name: name,
            upstream: upstream.name,
            model: model,
            limit: quota.limit,
            configured: quota.configured,
            per: quota.per.inSeconds
        )
        row.used = quota.used ?? 0
        row.utilization = quota.limit > 0 ? Double(row.used) / Double(quota.limit) : 0
        row.waiting = quota.waiting
        row.waitingByClient = clients(quota)
        row.waitingByUrgency = urgencies(quota)
        row.nextSlot = quota.nextSlot.inSeconds
        row.oldestWait = quota.oldestWait.inSeconds
        row.expectedWait = quota.expectedWait.inSeconds
        row.upstream429s = quota.upstream429s
        row.usedElsewhere = upstream.elsewhere.units(of: quota.name, now: .now())
        row.hold = quota.hold.inSeconds
        row.paused = quota.paused
        return row
    }
}
