/// What calls really took, told after they were granted.
///
/// It goes with another call to the store where one leaves soon enough. While a roll call runs it waits: what this replica
/// answered says the estimates, and the buckets may be rebuilt from that.
extension AgentState {
    /// What the call really took of each bucket; those left out took what was asked for.
    package mutating func settle(_ grant: Grant, costs: [String: Int], now: Micros) {
        latest = now
        let waiter = grant.waiter
        let actual = waiter.costs(costs)
        guard actual != waiter.costs else { return }
        guard grant.localLife > 0, grant.localLife == localLife, mode == .local else {
            settlements.append((grant, actual))
            let shortest = waiter.lane.buckets.map(\.per).min() ?? 0
            // A sixtieth of a window makes no difference to it.
            nextSettling = min(nextSettling, now + min(Self.beatInterval, max(50_000, shortest / 60)))
            return
        }
        record(grant, actual)
        let at = grant.deadline.micros
        localUse.record(waiter.lane, costs: waiter.costs, at: at, sign: -1)
        localUse.record(waiter.lane, costs: actual, at: at, sign: 1)
        let item = Item(operation: .settle(grant.ticket, grant.stamp, costs: actual), lane: waiter.lane)
        callLocal([item], now: now)
    }

    private mutating func record(_ grant: Grant, _ actual: [Int]) {
        let at = grant.deadline.micros
        ledger.record(grant.waiter.lane, costs: grant.waiter.costs, at: at, sign: -1)
        ledger.record(grant.waiter.lane, costs: actual, at: at, sign: 1)
    }

    /// Puts all that was settled before what is pending: it may make room for that.
    mutating func settleAll() {
        guard !inRollCall, !settlements.isEmpty else { return }
        var items: [Item] = []
        for (grant, actual) in settlements {
            record(grant, actual)
            let isShort = zip(actual, grant.waiter.costs).contains { $0 > $1 }
            if isShort, let time = clock.latest(at: latest) {
                let more = zip(actual, grant.waiter.costs).map { max(0, $0 - $1) }
                untold.append(Untold(lane: grant.waiter.lane, costs: more, at: grant.deadline.micros, booked: time))
            }
            if grant.localLife == 0, grant.stamp.epoch == epoch {
                let settle = QueueOperation.settle(grant.ticket, grant.stamp, costs: actual)
                // A long answer outlives what the store remembers of an idle lane.
                items.append(Item(operation: settle, lane: grant.waiter.lane))
            } else {
                let corrections = corrections(grant, actual)
                items += corrections
                owesUse = owesUse || !corrections.isEmpty
            }
        }
        settlements.removeAll(keepingCapacity: true)
        nextSettling = Pace.never
        pending.insert(contentsOf: items, at: 0)
    }

    /// Of a grant that the store knows only as units that a replica used: made in another life of the buckets, or by this
    /// replica alone.
    private func corrections(_ grant: Grant, _ actual: [Int]) -> [Item] {
        guard let time = clock.latest(at: latest) else { return [] }
        return grant.waiter.lane.buckets.indices.compactMap { index in
            let figures = grant.waiter.lane.buckets[index]
            let change = actual[index] - grant.waiter.costs[index]
            guard change != 0 else { return nil }
            let at = UseLedger.slotEnd(of: grant.deadline.micros, figures) + time - latest
            return Item(operation: .used(figures, [BucketUse(at: at, units: change)]))
        }
    }
}
