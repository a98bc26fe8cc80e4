import Pacing

/// Looks five times a second whether the queue moves and whether those who are gone are forgotten.
final class LivenessOracle {
    static let interval: Micros = 200_000
    /// Within so long of a slot being due.
    private static let patience: Micros = 3_000_000

    private let world: World
    private let store: SimulatedStore
    /// Since when a lane's head could go and did not: by its buckets' room, and by their pace too.
    private var free: [LaneKey: Micros] = [:]
    private var due: [LaneKey: Micros] = [:]
    /// Since when the store counts other waiters than the replica has.
    private var mismatch: [String: Micros] = [:]
    private let longest: Micros
    /// What a call needs elsewhere may be kept until a bucket that is spread lets it go.
    private let spread: Micros

    init(world: World, store: SimulatedStore, configuration: ScheduleConfiguration) {
        self.world = world
        self.store = store
        longest = configuration.buckets.values.filter { $0.reset == nil }.map(\.per.micros).max() ?? 0
        let all = Array(configuration.buckets.values) + Array(configuration.older.values)
        spread = all.filter { $0.reset == nil && $0.burst < $0.limit }.map(\.per.micros).max() ?? 0
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
            free = [:]
            due = [:]
            return
        }
        let lanes = store.state.lanesThatFit(at: store.now) { waiting.contains($0) }
        let silent = silentSince
        // Urgent calls may take the slots of one that is spread, for a while.
        check(&free, lanes.map(\.key), within: Self.patience + longest) { _ in max(store.lastServed, silent) }
        check(&due, lanes.filter(\.isDue).map(\.key), within: Self.patience + spread) {
            max(store.served[$0] ?? 0, silent)
        }
    }

    /// What was kept for a waiter of a paused replica was due to others from the last word of it on: what it had sent
    /// before may arrive while it is paused already, and nobody can know then that it is.
    private var silentSince: Micros {
        store.replicas.values.reduce(0) { latest, replica in
            guard !replica.isAble, store.state.waiting(of: replica.id) > 0 else { return latest }
            return max(latest, store.heard[replica.id] ?? 0)
        }
    }

    private func check(
        _ since: inout [LaneKey: Micros],
        _ lanes: [LaneKey],
        within patience: Micros,
        served: (LaneKey) -> Micros
    ) {
        for key in Array(since.keys) where !lanes.contains(key) { since[key] = nil }
        for key in lanes {
            let began = max(since[key] ?? world.time, served(key))
            since[key] = began
            if world.time - began > patience { world.fail("stuck: \(key) could go since \(World.seconds(began))") }
        }
    }

    /// A dead replica's waiters are gone within 3 s, where anybody is there to call.
    private func checkDead() {
        guard store.isUp, store.errorsUntil <= world.time, store.replicas.values.contains(where: \.isAble) else {
            return
        }
        // Who was to call next may have died since.
        let died = store.replicas.values.reduce(store.disturbedAt) { $1.isDead ? max($0, $1.silentAt) : $0 }
        for replica in store.replicas.values where replica.isDead {
            let since = max(replica.silentAt, died)
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
