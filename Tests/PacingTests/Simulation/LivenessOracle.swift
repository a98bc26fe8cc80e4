import Pacing

/// Looks five times a second whether the queue moves and whether those who are gone are forgotten.
final class LivenessOracle {
    static let interval: Micros = 200_000
    /// Within so long of a slot being due.
    private static let patience: Micros = 3_000_000

    private let world: World
    private let store: SimulatedStore
    /// When the head of a lane is due.
    private struct Due {
        var head: QueueTicket
        /// By its buckets, as first reckoned since anything changed them.
        var fits: Micros
        /// When the last of those goes who are ahead of it and whom it would delay.
        var kept: Micros = 0
        var began: Micros = 0
    }

    private var due: [LaneKey: Due] = [:]
    /// The store's state at the last look, and when all had been disturbed by then.
    private var former: (state: QueueState, disturbedAt: Micros)?
    /// Since when the store counts other waiters than the replica has.
    private var mismatch: [String: Micros] = [:]

    init(world: World, store: SimulatedStore) {
        self.world = world
        self.store = store
    }

    func look() {
        checkDead()
        checkCounts()
        checkMotion()
    }

    private func checkMotion() {
        var waiting: Set<LaneKey> = []
        for replica in store.replicas.values where replica.isAble {
            for waiter in replica.agent.waiters.values { waiting.insert(waiter.ticket.lane) }
        }
        guard store.isUp, store.errorsUntil <= world.time, !waiting.isEmpty else {
            due = [:]
            former = nil
            return
        }
        // By a clock that jumped, nothing that was reckoned before holds.
        if former?.disturbedAt != store.disturbedAt {
            due = [:]
            former = nil
        }
        let silent = silentSince
        let heads = store.state.heads(at: store.now)
        due = due.filter { entry in heads.contains { $0.ticket.lane == entry.key } }
        for head in heads {
            let key = head.ticket.lane
            var entry = reckon(head)
            entry.kept = head.behind.reduce(entry.kept) { max($0, due[$1]?.began ?? 0) }
            entry.began = max(entry.fits, entry.kept, store.served[key] ?? 0, silent)
            due[key] = entry
            if waiting.contains(key), world.time - entry.began > Self.patience {
                world.fail("stuck: \(key) could go since \(World.seconds(entry.began))")
            }
        }
        former = (store.state, store.disturbedAt)
    }

    /// What is due stays due as long as it is so at each look. What is not may become due later only where something
    /// happened to its buckets.
    private func reckon(_ head: QueueState.Head) -> Due {
        let fits = head.fits - store.now + world.time
        guard var entry = due[head.ticket.lane] else { return Due(head: head.ticket, fits: fits) }
        let isUntouched = entry.head == head.ticket && former?.state.fits(head.ticket, at: store.now) == head.fits
        entry.fits = isUntouched || fits <= world.time ? min(entry.fits, fits) : fits
        entry.head = head.ticket
        return entry
    }

    /// What was kept for a waiter of a paused replica was due to others from the last word of it on: what it had sent
    /// before may arrive while it is paused already, and nobody can know then that it is.
    private var silentSince: Micros {
        store.replicas.values.reduce(0) { latest, replica in
            guard !replica.isAble, store.state.waiting(of: replica.id) > 0 else { return latest }
            return max(latest, store.heard[replica.id] ?? 0)
        }
    }

    /// A dead replica's waiters are gone within 3 s, where anybody is there to call.
    private func checkDead() {
        // One that was paused with all others is there to call only since then.
        guard store.isUp, store.errorsUntil <= world.time,
            let there = store.replicas.values.filter(\.isAble).map(\.silentAt).min()
        else { return }
        // Who was to call next may have died since.
        let died = store.replicas.values.reduce(store.disturbedAt) { $1.isDead ? max($0, $1.silentAt) : $0 }
        for replica in store.replicas.values where replica.isDead {
            let since = max(replica.silentAt, died, there)
            if world.time - since > 3_000_000 + Self.interval, store.state.waiting(of: replica.id) > 0 {
                world.fail("waiters of the dead \(replica.id)")
            }
        }
    }

    /// Who waits at a replica waits in the store, and nobody else does.
    private func checkCounts() {
        for replica in store.replicas.values where !replica.isDead {
            let isSettled =
                replica.isAble && store.isUp && store.errorsUntil <= world.time
                && store.state.waiting(of: replica.id) != replica.agent.waiters.count
            guard isSettled else {
                mismatch[replica.id] = nil
                continue
            }
            let began = max(mismatch[replica.id] ?? world.time, store.disturbedAt)
            mismatch[replica.id] = began
            if world.time - began > Self.patience {
                world.fail("the store counts \(store.state.waiting(of: replica.id)) waiters of \(replica.id)")
            }
        }
    }
}
