import Pacing
import TestSupport

/// A random configuration, load and choice of faults, run to its end and checked at every step.
final class Schedule {
    let configuration: ScheduleConfiguration
    let world: World
    let store: SimulatedStore
    let upstream: SimulatedUpstream
    private let liveness: LivenessOracle
    private let promptness: PromptnessOracle
    private let windows: WindowOracle
    private let settings: QueueSettings
    private let sabotage: Sabotage?
    private var nextReplica = 0
    private var eventsLeft: Int
    /// The network and all that could fail is left alone from here on.
    private var quietSince: Micros?
    /// And everybody is in reach since.
    private var calmSince: Micros = 0

    init(_ configuration: ScheduleConfiguration, sabotage: Sabotage? = nil) {
        self.configuration = configuration
        self.sabotage = sabotage
        world = World(seed: configuration.seed)
        windows = WindowOracle(world: world, configuration: configuration)
        let limits = configuration.sets[0].map(\.limit)
        let order =
            configuration.profile == .fair
            ? OrderOracle(world: world, limits: limits, checksShares: limits.count == 1) : nil
        let longest = configuration.buckets.values.map(\.per.micros).max() ?? 0
        store = SimulatedStore(
            world: world,
            windows: windows,
            order: order,
            reservation: configuration.isCalm ? ReservationOracle(world: world, longest: longest) : nil,
            sabotage: sabotage,
            bounds: configuration.bounds
        )
        upstream = SimulatedUpstream(
            world: world,
            windows: windows,
            jitter: configuration.guardInterval,
            sabotage: sabotage
        )
        liveness = LivenessOracle(world: world, store: store)
        promptness = PromptnessOracle(world: world, store: store)
        settings = QueueSettings(upstream: "sim", policy: configuration.policy)
        eventsLeft = configuration.events.count
    }

    convenience init(seed: Int) { self.init(ScheduleConfiguration(seed: seed)) }

    /// - Returns: what was violated; empty where nothing was.
    func run() -> [String] {
        store.keepSnapshots()
        for _ in 0..<configuration.replicas { spawn(isOlder: world.generator.chance(0.5)) }
        for event in configuration.events {
            world.after(event.at) { [self] in
                eventsLeft -= 1
                perform(event)
            }
        }
        watch()
        world.run(until: 90_000_000)
        if world.failures.isEmpty { conclude() }
        return world.failures
    }

    /// All of it holds each other.
    func close() {
        world.close()
        store.close()
        upstream.close()
    }

    private var living: [SimulatedReplica] {
        store.replicas.values.filter { !$0.isDead && !$0.isLeaving }.sorted { $0.id < $1.id }
    }

    private func spawn(isOlder: Bool) {
        nextReplica += 1
        _ = SimulatedReplica(
            id: "r\(nextReplica)",
            isOlder: isOlder,
            world: world,
            store: store,
            upstream: upstream,
            settings: settings,
            faults: configuration.faults,
            sabotage: sabotage
        )
    }

    private func perform(_ event: ScheduleEvent) {
        let living = living
        let picked = living[event.pick % living.count]
        switch event.kind {
        case .ask(let ask): perform(ask, at: picked)
        case .kill:
            guard living.count > 1 else { return }
            picked.kill()
            spawn(isOlder: false)
        case .replace:
            let oldest = living.first(where: \.isOlder) ?? living[0]
            spawn(isOlder: false)
            oldest.leave()
        case .spawn: spawn(isOlder: false)
        case .pause(let span): picked.pause(for: span)
        case .partition(let span): picked.partition(for: span)
        case .store(let loss, let down): store.lose(loss, down: down)
        case .errors(let span): store.fail(for: span)
        case .clock(let span): store.jump(span)
        case .strict(let bucket, let limit): upstream.stricter[bucket] = limit
        case .hold(let quota, let span):
            pause(quota, true, at: picked)
            eventsLeft += 1
            world.after(span) { [self] in
                eventsLeft -= 1
                pause(quota, false, at: self.living[0])
            }
        }
    }

    private func pause(_ quota: String, _ paused: Bool, at replica: SimulatedReplica) {
        world.say("\(paused ? "pause" : "resume") quota \(quota)")
        replica.perform { replica.act { $0.pause(quota: quota, paused: paused, now: replica.now) } }
    }

    private func perform(_ ask: ScheduleEvent.Ask, at replica: SimulatedReplica) {
        var actual: [String: Int] = [:]
        var costs: [QueueRequest.Cost] = []
        for (index, spec) in configuration.sets[ask.set].enumerated() {
            var bucket = replica.isOlder ? configuration.older[spec.name] ?? spec : spec
            if let reset = spec.reset { bucket.reset = nextReset(reset) }
            let isEstimate = ScheduleConfiguration.isEstimated(spec)
            costs.append(QueueRequest.Cost(bucket, units: ask.units[index], isEstimate: isEstimate))
            actual[spec.name] = ask.actual[index]
        }
        let request = QueueRequest(
            costs: costs,
            client: "c\(ask.client)",
            weight: configuration.weights[ask.client],
            user: ask.user,
            urgency: ask.urgency,
            patience: .microseconds(ask.patience),
            allowance: .microseconds(ask.allowance)
        )
        let asked = upstream.ask(request, at: replica, actual: actual)
        if let span = ask.leaves { world.after(span) { [self] in upstream.leave(asked) } }
    }

    /// As the replica's own clock has it.
    private func nextReset(_ first: Duration) -> Duration {
        first.micros > SimulatedStore.start + world.time ? first : first + .seconds(86_400)
    }

    // MARK: Watching

    private func watch() {
        liveness.look()
        promptness.look()
        if quietSince == nil, eventsLeft == 0, upstream.open == 0 {
            world.isQuiet = true
            quietSince = world.time
        }
        if quietSince == nil || !isCalm { calmSince = world.time }
        if world.time > max(calmSince, store.disturbedAt) + rest { world.isOver = true }
        world.after(LivenessOracle.interval) { [self] in watch() }
    }

    /// Long enough for the dead to be forgotten.
    private var rest: Micros {
        if store.replicas.values.contains(where: \.isDead) { return 3_500_000 }
        return configuration.faults.isEmpty ? 800_000 : 1_600_000
    }

    private var isCalm: Bool {
        store.isUp && store.errorsUntil <= world.time
            && store.replicas.values.allSatisfy { $0.isDead || $0.isAble && !$0.isLeaving }
    }

    private func conclude() {
        for request in upstream.requests where request.endings.count != 1 {
            world.fail("request \(request.id.value) ended \(request.endings)")
        }
        if !isCalm { world.fail("not calm: \(living.map { "\($0.id) \($0.agent.mode)" })") }
        if !store.state.isEmpty { world.fail("left behind in the store") }
        for replica in living where !replica.agent.waiters.isEmpty { world.fail("left behind in \(replica.id)") }
        guard world.failures.isEmpty, configuration.seed % 8 < 2 else { return }
        store.outlive()
        let left = store.state.leftovers
        if !left.isEmpty { world.fail("not forgotten: \(left)") }
    }
}
