import Pacing
import TestSupport

/// A caller of the simulation.
final class SimulatedRequest {
    let id: WaiterID
    let request: QueueRequest
    let replica: SimulatedReplica
    var endings: [String] = []
    let born: Micros
    /// What the call really takes of each bucket.
    let actual: [String: Int]
    /// Waits for a slot.
    var isWaiting = true
    var isLocal = false

    init(id: WaiterID, request: QueueRequest, replica: SimulatedReplica, actual: [String: Int], born: Micros) {
        self.id = id
        self.request = request
        self.replica = replica
        self.actual = actual
        self.born = born
    }
}

/// Counts what arrives, as strictly as the quota is meant, and refuses where it was told to be stricter still.
final class SimulatedUpstream {
    private let world: World
    private let windows: WindowOracle
    private let sabotage: Sabotage?
    /// The arrival delay varies by so much.
    private let jitter: Micros
    private(set) var requests: [SimulatedRequest] = []
    /// How many have not ended.
    private(set) var open = 0
    /// What it let pass, by bucket.
    private var accepted: [String: [(time: Micros, units: Int)]] = [:]
    /// Quotas that it enforces below what is configured.
    var stricter: [String: Int] = [:]

    init(world: World, windows: WindowOracle, jitter: Micros, sabotage: Sabotage?) {
        self.world = world
        self.windows = windows
        self.jitter = jitter
        self.sabotage = sabotage
    }

    func ask(_ request: QueueRequest, at replica: SimulatedReplica, actual: [String: Int]) -> SimulatedRequest {
        let id = WaiterID(value: requests.count)
        let asked = SimulatedRequest(id: id, request: request, replica: replica, actual: actual, born: world.time)
        requests.append(asked)
        windows.came(asked)
        open += 1
        replica.perform { [self] in
            let waiter = QueueWaiter(id: id, request: request, now: replica.now, loop: nil) { _ in }
            if let patience = request.patience { watch(asked, until: max(patience.micros, 100_000)) }
            replica.act { $0.enter(waiter, now: replica.now) }
        }
        return asked
    }

    /// Nobody waits beyond its deadline, unless its process stood still.
    private func watch(_ request: SimulatedRequest, until patience: Micros) {
        // Its clock may be slower, and its timer fires a tick late.
        let slack: Micros = 1000 + patience / 4000
        world.after(patience + slack) { [self] in checkEnded(request, slack: slack) }
    }

    private func checkEnded(_ request: SimulatedRequest, slack: Micros) {
        guard request.endings.isEmpty, request.isWaiting, !request.replica.isDead else { return }
        if request.replica.pausedSince != nil || request.replica.silentAt > world.time - slack {
            return world.after(50_000) { [self] in checkEnded(request, slack: slack) }
        }
        world.fail("request \(request.id.value) waits beyond its deadline")
    }

    private func end(_ request: SimulatedRequest, _ how: String) {
        request.endings.append(how)
        request.isWaiting = false
        open -= 1
        world.say("request \(request.id.value) \(how)")
        if request.endings.count > 1 { world.fail("request \(request.id.value) ended \(request.endings)") }
    }

    func leave(_ request: SimulatedRequest) {
        let replica = request.replica
        replica.perform { [self] in
            guard request.endings.isEmpty, replica.agent.waiters[request.id] != nil else { return }
            end(request, "left")
            replica.act { $0.leave(request.id, now: replica.now) }
        }
    }

    func died(_ replica: SimulatedReplica) {
        for request in requests where request.replica === replica && request.endings.isEmpty { end(request, "killed") }
    }

    func isInUse(_ replica: SimulatedReplica) -> Bool {
        requests.contains { $0.replica === replica && $0.endings.isEmpty }
    }

    func deliver(_ event: QueueEvent, to waiter: QueueWaiter, at replica: SimulatedReplica) {
        let request = requests[waiter.id.value]
        if sabotage == .endsTwice, request.endings.isEmpty, case .refused = event { end(request, "refused") }
        switch event {
        case .position: break
        case .refused(let refusal):
            if case .tooLargeForQuota = refusal.reason, request.request.costs.allSatisfy({ isWithin($0, replica) }) {
                world.fail("request \(request.id.value) refused for an estimate")
            }
            end(request, "\(refusal.reason)")
        case .granted(let grant):
            if !request.isWaiting { world.fail("request \(request.id.value) was granted twice") }
            request.isWaiting = false
            request.isLocal = replica.agent.mode == .local
            if request.isLocal { windows.grantedByItself(request) }
            // The last check is made by the process's clock, when it writes.
            world.after(world.generator.int(0...500)) { [self] in
                replica.perform { [self] in write(request, grant, at: replica) }
            }
        }
    }

    private func isWithin(_ cost: QueueRequest.Cost, _ replica: SimulatedReplica) -> Bool {
        ScheduleConfiguration.isEstimated(cost.bucket) || cost.units <= cost.bucket.limit
    }

    private func write(_ request: SimulatedRequest, _ grant: Grant, at replica: SimulatedReplica) {
        guard request.endings.isEmpty else { return }
        guard replica.now <= grant.deadline.micros || sabotage == .sendsStale else {
            request.isWaiting = true
            return replica.act { $0.handBack(grant, requeue: true, allowance: nil, now: replica.now) }
        }
        world.after(5000 + world.generator.int(0...jitter)) { [self] in arrive(request, grant, at: replica) }
    }

    private func arrive(_ request: SimulatedRequest, _ grant: Grant, at replica: SimulatedReplica) {
        windows.arrived(request)
        var refusing: (bucket: BucketSpec, limit: Int)?
        for cost in request.request.costs {
            guard let limit = stricter[cost.bucket.name] else { continue }
            let edge = world.time - cost.bucket.per.micros
            let used = (accepted[cost.bucket.name] ?? []).reduce(0) { $0 + ($1.time > edge ? $1.units : 0) }
            if used + (request.actual[cost.bucket.name] ?? 0) > limit { refusing = (cost.bucket, limit) }
        }
        if refusing == nil {
            for cost in request.request.costs where stricter[cost.bucket.name] != nil {
                let units = request.actual[cost.bucket.name] ?? 0
                accepted[cost.bucket.name, default: []].append((world.time, units))
            }
        }
        world.after(5000) { [self] in
            replica.perform { [self] in
                guard request.endings.isEmpty else { return }
                if let refusing { return refuse(request, grant, at: replica, refusing.bucket, refusing.limit) }
                // A stream that broke never says what it took.
                if request.id.value % 8 > 0 {
                    windows.settles(request)
                    replica.act { $0.settle(grant, costs: request.actual, now: replica.now) }
                }
                end(request, "done")
            }
        }
    }

    private func refuse(
        _ request: SimulatedRequest,
        _ grant: Grant,
        at replica: SimulatedReplica,
        _ bucket: BucketSpec,
        _ limit: Int
    ) {
        request.isWaiting = true
        replica.act {
            $0.upstreamRefused(
                grant,
                bucket: bucket.name,
                hold: world.generator.pick([nil, bucket.per.micros / 2, bucket.per.micros * 2]),
                learned: world.generator.chance(0.7) ? limit : nil,
                requeue: true,
                now: replica.now
            )
        }
    }

    func close() { requests = [] }
}
