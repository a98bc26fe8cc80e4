/// Paces this replica's part of the quota while the store is out of reach: the same queue, with parts for limits.
///
/// The part is of what the last answer left free, and of what comes back since; so all replicas together use what the
/// quota allows, and at most what was granted to others between the answers and the loss on top.
struct LocalPacing: Sendable {
    /// Of the remainder one each to the first by id.
    struct Part: Sendable, Equatable {
        var count: Int
        var rank: Int

        func of(_ units: Int) -> Int {
            guard units > 0 else { return 0 }
            return units / count + (rank < units % count ? 1 : 0)
        }
    }

    private static let run = "local"
    let part: Part
    private var state: QueueState
    private var number = 0
    private let owner: String

    /// - Parameters:
    ///   - buckets: as the store last told.
    ///   - now: the store's time, as reckoned.
    init(owner: String, part: Part, buckets: [BucketState], pauses: [QuotaPause], now: Micros) {
        self.owner = owner
        self.part = part
        state = QueueState(run: Self.run)
        state.now = now
        // Which models used the shared buckets is not told.
        state.sharing.isEveryone = true
        for pause in pauses { state.pause(pause) }
        for bucket in buckets { adopt(bucket, now: now) }
    }

    private mutating func adopt(_ told: BucketState, now: Micros) {
        let limit = min(told.limit, told.learned ?? told.limit)
        let index = state.state(
            figures(
                BucketFigures(
                    name: told.name,
                    limit: told.limit,
                    per: told.per,
                    guardInterval: told.life - told.per,
                    burst: told.burst,
                    reset: told.reset
                )
            )
        )
        if part.of(limit) == 0 { state.buckets[index].paused = true }
        if told.learned != nil {
            state.buckets[index].learned = part.of(limit)
            state.buckets[index].raiseAt = now + Pace.learnedWindows * told.per
        }
        // Where all is paused, so is each bucket as it was told.
        if told.paused, !state.isPaused { state.buckets[index].paused = true }
        state.buckets[index].hold = told.hold
        let booked = told.booked.reduce(0) { $0 + $1.units }
        if told.reset > 0 {
            // What is not booked until the reset counts after it too.
            state.buckets[index].used = part.of(limit) - part.of(limit - told.used)
            state.buckets[index].late = part.of(limit) - part.of(limit - (told.used - booked))
            return
        }
        var free = limit - booked
        for block in told.booked {
            let before = part.of(free)
            free += block.units
            let comesBack = part.of(free) - before
            guard comesBack > 0 else { continue }
            // Its sub-windows end a window and a guard before, the last of them maybe seconds ahead; nothing is booked so far
            // ahead, so none of it was used later than that.
            let end = min(block.at - told.life - 1, now + Pace.longestAllowance)
            state.buckets[index].book(comesBack, at: end, now: now)
        }
    }

    /// Whether the call is within the parts. What is not waits for the store: let through whole, each replica would take
    /// more than its part.
    func fits(_ waiter: QueueWaiter) -> Bool {
        zip(waiter.lane.buckets, waiter.costs).allSatisfy { figures, cost in
            let limit = state.bucketIndex[figures.name].map { min(state.buckets[$0].effective, part.of(figures.limit)) }
            return cost <= limit ?? part.of(figures.limit)
        }
    }

    private func figures(_ whole: BucketFigures) -> BucketFigures {
        BucketFigures(
            name: whole.name,
            limit: part.of(whole.limit),
            per: whole.per,
            guardInterval: whole.guardInterval,
            burst: part.of(whole.burst),
            reset: whole.reset
        )
    }

    /// Books what the store granted since its last answer told how the buckets stand.
    mutating func book(_ lane: LaneFigures, costs: [Int], at time: Micros, now: Micros) {
        for (bucket, cost) in zip(lane.buckets, costs) {
            state.buckets[state.state(figures(bucket))].book(cost, at: min(time, now + Pace.allowance), now: now)
        }
    }

    mutating func call(lanes: [LaneFigures], operations: [QueueOperation], maxWaiting: Int, now: Micros) -> QueueReply {
        number += 1
        let parts = lanes.map { LaneFigures(key: $0.key, buckets: $0.buckets.map(figures), shared: $0.shared) }
        let call = QueueCall(
            replica: owner,
            number: number,
            run: Self.run,
            seen: 0,
            peers: 0,
            maxWaiting: maxWaiting,
            lanes: parts,
            operations: operations
        )
        // Nobody else calls: that it was quiet for long is no reason for a roll call.
        state.last = max(state.last, now)
        return state.call(call, now: now).reply
    }
}
