internal import NIOCore
internal import Pacing

/// An upstream's queue as `/admin/stats` shows it.
enum QuotaRows {
    /// What the store told, and this replica's own waiters.
    static func rows(of queue: QueueHandle, upstream: UpstreamPlan) async -> [StatsDocument.Quota] {
        guard let statistics = try? await queue.statistics().get() else { return [] }
        return statistics.quotas.map { row($0, upstream: upstream) }
    }

    private static func row(_ quota: QuotaStatistics, upstream: UpstreamPlan) -> StatsDocument.Quota {
        let parts = quota.name.split(separator: "/", maxSplits: 1).map(String.init)
        var row = StatsDocument.Quota(
            name: parts.first ?? quota.name,
            upstream: upstream.name,
            model: parts.count > 1 ? parts[1] : nil,
            limit: quota.limit,
            configured: quota.configured,
            per: quota.per.inSeconds
        )
        row.used = quota.used ?? 0
        row.utilization = quota.limit > 0 ? Double(row.used) / Double(quota.limit) : 0
        row.waiting = quota.waiting
        row.waitingByClient = Dictionary(
            quota.waitingByClient.map { ($0.key.isEmpty ? CallerFacts.anonymousName : $0.key, $0.value) },
            uniquingKeysWith: +
        )
        row.waitingByUrgency = Dictionary(uniqueKeysWithValues: quota.waitingByUrgency.map { ("\($0.key)", $0.value) })
        row.nextSlot = quota.nextSlot.inSeconds
        row.oldestWait = quota.oldestWait.inSeconds
        row.expectedWait = quota.expectedWait.inSeconds
        row.upstream429s = quota.upstream429s
        row.hold = quota.hold.inSeconds
        row.paused = quota.paused
        return row
    }
}
