/// How an upstream's queue stands, as this replica knows it.
package struct QueueStatistics: Sendable {
    package enum Mode: String, Sendable, CaseIterable { case connecting, connected, local, cut }

    package var upstream: String
    package var mode: Mode
    /// Newcomers may be granted.
    package var isReady: Bool
    /// This replica's waiters.
    package var waiting: Int
    package var counters: QueueCounters
    package var quotas: [QuotaStatistics]
    /// One for each quota that granted something, by name.
    package var moves: [QuotaMoves] = []
}

package struct QuotaStatistics: Sendable {
    /// The bucket's: the quota's name, with `/model` behind it for scope model.
    package var name: String
    /// That holds now: a learned one or the stated one.
    package var limit: Int
    package var configured: Int
    package var per: Duration
    /// By the store's count, over all replicas, at most a second old. Nil where it never told.
    package var used: Int?
    /// This replica's waiters.
    package var waiting = 0
    package var waitingByClient: [String: Int] = [:]
    package var waitingByUrgency: [Int: Int] = [:]
    /// Until one unit more may go.
    package var nextSlot: Duration
    package var oldestWait: Duration = .zero
    /// As the last newcomer was told, less the time since.
    package var expectedWait: Duration
    /// Over all replicas.
    package var upstream429s: Int
    package var hold: Duration
    package var paused: Bool
}

extension AgentState {
    /// Costs a look at every waiter.
    package func statistics(now: Micros) -> QueueStatistics {
        let time = clock.latest(at: now)
        func span(until moment: Micros) -> Duration {
            guard let time, moment < Pace.never else { return .zero }
            return .microseconds(max(0, moment - time))
        }
        var quotas: NameMap<QuotaStatistics> = [:]
        for bucket in told.values {
            let expected = expected[bucket.name].map { max(0, $0.wait - (now - $0.at)) } ?? 0
            quotas[bucket.name] = QuotaStatistics(
                name: bucket.name,
                limit: bucket.learned ?? bucket.limit,
                configured: bucket.limit,
                per: .microseconds(bucket.per),
                used: bucket.used,
                nextSlot: span(until: bucket.next),
                expectedWait: .microseconds(expected),
                upstream429s: bucket.refusals,
                hold: span(until: bucket.hold),
                paused: bucket.paused
            )
        }
        for crowd in crowds() {
            for bucket in crowd.lane.buckets {
                var quota =
                    quotas.removeValue(forKey: bucket.name)
                    ?? QuotaStatistics(
                        name: bucket.name,
                        limit: bucket.limit,
                        configured: bucket.limit,
                        per: .microseconds(bucket.per),
                        used: nil,
                        nextSlot: .zero,
                        expectedWait: .zero,
                        upstream429s: 0,
                        hold: .zero,
                        paused: false
                    )
                quota.waiting += crowd.count
                quota.waitingByClient.merge(crowd.byClient, uniquingKeysWith: +)
                quota.waitingByUrgency[crowd.lane.key.urgency, default: 0] += crowd.count
                quota.oldestWait = max(quota.oldestWait, .microseconds(now - crowd.oldest))
                quotas[bucket.name] = quota
            }
        }
        let mode: QueueStatistics.Mode =
            switch mode {
            case .connecting: .connecting
            case .connected: .connected
            case .local: .local
            case .cut: .cut
            }
        return QueueStatistics(
            upstream: settings.upstream,
            mode: mode,
            isReady: isReady,
            waiting: waiters.count,
            counters: counters,
            quotas: quotas.values.sorted { $0.name.utf8Precedes($1.name) },
            moves: moves.values.sorted { $0.quota.utf8Precedes($1.quota) }
        )
    }

    /// Those who wait in one lane.
    private final class Crowd {
        let lane: LaneFigures
        var count = 0
        var byClient: [String: Int] = [:]
        var oldest = Micros.max

        init(lane: LaneFigures) { self.lane = lane }
    }

    /// Asked for every second: a waiter costs two look-ups here, and its buckets are looked at once for all of its lane.
    private func crowds() -> [Crowd] {
        var crowds: [LaneKey: Crowd] = [:]
        for waiting in waiters.values {
            let waiter = waiting.waiter
            let crowd: Crowd
            if let known = crowds[waiter.lane.key] {
                crowd = known
            } else {
                crowd = Crowd(lane: waiter.lane)
                crowds[waiter.lane.key] = crowd
            }
            crowd.count += 1
            crowd.byClient[waiter.client, default: 0] += 1
            crowd.oldest = min(crowd.oldest, waiter.entered)
        }
        return Array(crowds.values)
    }
}
