import Pacing

enum Fault: String, CaseIterable { case delay, double, lose, kill, pause, store, clock, strict }

/// A random configuration, load and choice of faults, run to its end and checked at every step.
final class Schedule {
    let seed: Int
    let world: World
    let store: SimulatedStore
    let upstream: SimulatedUpstream
    private(set) var faults: Set<Fault> = []
    private var sets: [[BucketSpec]] = []
    private var buckets: [BucketSpec] = []
    private let settings: QueueSettings
    private var nextReplica = 0
    private var stuckSince: Micros = 0
    private var stuckGrants = 0
    private static let span: Micros = 14_000_000

    init(seed: Int) {
        self.seed = seed
        world = World(seed: seed)
        if seed % 4 > 0 {
            for fault in Fault.allCases where world.generator.chance(0.35) { faults.insert(fault) }
        }
        store = SimulatedStore(world: world)
        let guardInterval = world.generator.pick([20_000, 50_000])
        upstream = SimulatedUpstream(world: world, jitter: guardInterval)
        settings = QueueSettings(upstream: "sim", policy: world.generator.chance(0.7) ? .closed : .local)
        configure(guardInterval: .microseconds(guardInterval))
    }

    private func configure(guardInterval: Duration) {
        func bucket(_ name: String, _ limit: Int, _ seconds: Int) -> BucketSpec {
            let burst = max(1, Int(Double(limit) * world.generator.pick([0.1, 0.5, 1])))
            let bucket = BucketSpec(
                name: name,
                limit: limit,
                per: .seconds(seconds),
                burst: burst,
                guardInterval: guardInterval
            )
            buckets.append(bucket)
            return bucket
        }
        let all =
            world.generator.chance(0.5)
            ? bucket("up", world.generator.int(10...60), world.generator.pick([2, 5])) : nil
        for model in ["flash", "pro", "lite"].prefix(world.generator.int(1...3)) {
            var set = [all].compactMap(\.self)
            if set.isEmpty || world.generator.chance(0.8) {
                set.append(bucket("rpm/" + model, world.generator.int(3...40), world.generator.pick([1, 2, 5])))
            }
            if world.generator.chance(0.5) {
                set.append(bucket("tpm/" + model, world.generator.pick([1000, 5000]), world.generator.pick([2, 5])))
            }
            sets.append(set)
        }
    }

    private var living: [SimulatedReplica] {
        store.replicas.values.filter { !$0.isDead }.sorted { $0.id < $1.id }
    }

    private func spawn() {
        nextReplica += 1
        _ = SimulatedReplica(
            id: "r\(nextReplica)",
            world: world,
            store: store,
            upstream: upstream,
            settings: settings,
            faults: faults
        )
    }

    /// - Returns: what was violated; empty where nothing was.
    func run() -> [String] {
        for _ in 0..<world.generator.int(1...4) { spawn() }
        planRequests()
        planFaults()
        watch()
        world.after(Self.span + 36_000_000) { [self] in world.isQuiet = true }
        world.run(until: Self.span + 41_000_000)
        conclude()
        return world.failures
    }

    private func planRequests() {
        let clients = (0..<world.generator.int(1...6)).map { ("c\($0)", world.generator.pick([1, 1, 2, 5])) }
        for _ in 0..<world.generator.int(1...4) {
            let start = world.generator.int(0...Self.span * 7 / 10)
            let spread = world.generator.pick([0.01, 1, 3])
            for _ in 0..<world.generator.int(3...30) {
                let delay = start + Micros(world.generator.exponential(spread) * 1e6)
                world.after(delay) { [self] in ask(clients) }
            }
        }
    }

    private func ask(_ clients: [(String, Int)]) {
        let (client, weight) = world.generator.pick(clients)
        var actual: [String: Int] = [:]
        let settles = world.generator.chance(0.5)
        let costs = world.generator.pick(sets).map { bucket in
            guard bucket.name.hasPrefix("tpm") else { return QueueRequest.Cost(bucket) }
            let units = min(bucket.limit, world.generator.pick([10, 100, 100, 400, 900, 3000]))
            if settles { actual[bucket.name] = max(1, world.generator.int(units / 5...units)) }
            return QueueRequest.Cost(bucket, units: units, isEstimate: true)
        }
        let request = QueueRequest(
            costs: costs,
            client: client,
            weight: weight,
            user: world.generator.pick(["x", "y", "z"]),
            urgency: world.generator.pick([0, 3, 3, 3, 6]),
            patience: .microseconds(world.generator.pick([500_000, 2_000_000, 8_000_000, 20_000_000])),
            allowance: world.generator.chance(0.1) ? .milliseconds(150) : .milliseconds(20)
        )
        let simulated = upstream.ask(request, at: world.generator.pick(living), actual: actual)
        if world.generator.chance(0.1) {
            world.after(world.generator.int(0...2_000_000)) { [self] in upstream.leave(simulated) }
        }
    }

    private func planFaults() {
        func within(from: Micros = 1_000_000) -> Micros { world.generator.int(from...Self.span) }
        if faults.contains(.kill) {
            for _ in 0..<world.generator.int(1...2) {
                world.after(within()) { [self] in
                    guard living.count > 1 else { return }
                    world.generator.pick(living).kill()
                    spawn()
                }
            }
        }
        if faults.contains(.pause) {
            for _ in 0..<world.generator.int(1...3) {
                world.after(within()) { [self] in
                    let running = living.filter { $0.pausedSince == nil }
                    guard !running.isEmpty else { return }
                    world.generator.pick(running).pause(
                        for: world.generator.pick([50_000, 600_000, 4_000_000, 6_000_000])
                    )
                }
            }
        }
        if faults.contains(.store) {
            for _ in 0..<world.generator.int(1...2) {
                let loss = world.generator.pick(SimulatedStore.Loss.allCases)
                let down = world.generator.int(50_000...2_000_000)
                world.after(within(from: 2_000_000)) { [self] in if store.isUp { store.lose(loss, down: down) } }
            }
            if world.generator.chance(0.5) { world.after(within(from: 2_000_000)) { [self] in spawn() } }
        }
        if faults.contains(.clock) {
            let jump = world.generator.pick([-3_600_000_000, -5_000_000, -500_000, 500_000, 5_000_000, 3_600_000_000])
            world.after(within(from: 2_000_000)) { [self] in
                world.say("clock \(jump)")
                store.skew += jump
            }
        }
        if faults.contains(.strict) {
            let bucket = world.generator.pick(buckets)
            world.after(within(from: 0)) { [self] in upstream.stricter[bucket.name] = max(1, bucket.limit / 2) }
        }
    }

    /// The queue moves within 3 s, and its cost's part of the window where that is spread, of a slot being free.
    private func watch() {
        let able = living.filter { $0.pausedSince == nil && $0.isConnected && $0.agent.mode == .connected }
        let waiting = Set(able.flatMap { $0.agent.waiters.values.map(\.ticket.lane) })
        let isFree = store.isUp && !waiting.isEmpty && store.state.hasFreeSlot(at: store.now) { waiting.contains($0) }
        if !isFree || store.grants.count > stuckGrants {
            stuckSince = world.time
            stuckGrants = store.grants.count
        }
        let longest = buckets.map(\.per.micros).max() ?? 0
        if world.time - stuckSince > 3_000_000 + longest { world.fail("stuck since \(stuckSince)") }
        world.after(200_000) { [self] in watch() }
    }

    private func conclude() {
        // Whoever was cut off went on with a part of what was free: over by what others were granted meanwhile.
        let wentLocal = store.replicas.values.contains { $0.agent.counters.losses > 0 }
        if let exceeded = upstream.firstExceeded(buckets, times: wentLocal ? 2 : 1) {
            world.fail("exceeded \(exceeded)")
        }
        for request in upstream.requests where request.endings.count != 1 {
            world.fail("request \(request.id.value) of \(request.replica?.id ?? "-") ended \(request.endings)")
        }
        if !store.state.isEmpty { world.fail("left behind in the store") }
        for replica in living where replica.agent.mode != .connected {
            world.fail("\(replica.id) \(replica.agent.mode)")
        }
        for replica in living where !replica.agent.waiters.isEmpty { world.fail("left behind in \(replica.id)") }
    }
}
