import Pacing

/// A caller of the simulation.
final class SimulatedRequest {
    unowned let world: World
    let id: WaiterID
    let request: QueueRequest
    weak var replica: SimulatedReplica?
    var endings: [String] = []
    let born: Micros
    /// What the call really takes, where it is not what was asked for.
    var actual: [String: Int] = [:]

    init(world: World, id: WaiterID, request: QueueRequest) {
        self.world = world
        self.id = id
        self.request = request
        born = world.time
    }

    func end(_ how: String) {
        endings.append(how)
        if endings.count > 1 { world.fail("request \(id.value) ended \(endings)") }
    }
}

/// Counts what arrives, as strictly as the quota is meant, and refuses where it was told to be stricter still.
final class SimulatedUpstream {
    private unowned let world: World
    /// The arrival delay varies by so much.
    let jitter: Micros
    private(set) var requests: [SimulatedRequest] = []
    /// By bucket: when, how many units.
    private(set) var arrivals: [String: [(time: Micros, units: Int)]] = [:]
    /// Quotas that the upstream enforces below what is configured.
    var stricter: [String: Int] = [:]

    init(world: World, jitter: Micros) {
        self.world = world
        self.jitter = jitter
    }

    func request(_ id: WaiterID) -> SimulatedRequest { requests[id.value] }

    func ask(_ request: QueueRequest, at replica: SimulatedReplica, actual: [String: Int] = [:]) -> SimulatedRequest {
        let id = WaiterID(value: requests.count)
        let simulated = SimulatedRequest(world: world, id: id, request: request)
        simulated.replica = replica
        simulated.actual = actual
        requests.append(simulated)
        guard !replica.isDead else {
            simulated.end("refused")
            return simulated
        }
        replica.perform {
            guard simulated.endings.isEmpty else { return }
            let waiter = QueueWaiter(id: id, request: request, now: replica.now, loop: nil) { _ in }
            replica.act { $0.enter(waiter, now: replica.now) }
        }
        return simulated
    }

    func leave(_ request: SimulatedRequest) {
        guard let replica = request.replica else { return }
        replica.perform {
            guard request.endings.isEmpty, replica.agent.waiters[request.id] != nil else { return }
            request.end("left")
            replica.act { $0.leave(request.id, now: replica.now) }
        }
    }

    func deliver(_ event: QueueEvent, to waiter: QueueWaiter, at replica: SimulatedReplica) {
        let request = request(waiter.id)
        switch event {
        case .position: break
        case .refused(let refusal): request.end("\(refusal.reason)")
        case .granted(let grant):
            // The last check is made by the process's clock, when it writes.
            world.after(world.generator.int(0...500)) { [self] in
                replica.perform { [self] in write(request, grant, at: replica) }
            }
        }
    }

    private func write(_ request: SimulatedRequest, _ grant: Grant, at replica: SimulatedReplica) {
        guard request.endings.isEmpty else { return }
        guard replica.now <= grant.deadline.micros else {
            return replica.act { $0.handBack(grant, requeue: true, allowance: nil, now: replica.now) }
        }
        world.after(5000 + world.generator.int(0...jitter)) { [self] in arrive(request, grant, at: replica) }
    }

    private func arrive(_ request: SimulatedRequest, _ grant: Grant, at replica: SimulatedReplica) {
        for cost in request.request.costs {
            guard let limit = stricter[cost.bucket.name] else { continue }
            let edge = world.time - cost.bucket.per.micros
            let used = (arrivals[cost.bucket.name] ?? []).reduce(0) { $0 + ($1.time > edge ? $1.units : 0) }
            if used + (request.actual[cost.bucket.name] ?? cost.units) > limit {
                return answer(request, grant, at: replica, refusedBy: cost.bucket, limit: limit)
            }
        }
        for cost in request.request.costs {
            let units = request.actual[cost.bucket.name] ?? min(cost.units, cost.bucket.limit)
            arrivals[cost.bucket.name, default: []].append((world.time, units))
        }
        answer(request, grant, at: replica, refusedBy: nil, limit: 0)
    }

    private func answer(
        _ request: SimulatedRequest,
        _ grant: Grant,
        at replica: SimulatedReplica,
        refusedBy bucket: BucketSpec?,
        limit: Int
    ) {
        world.after(5000) {
            replica.perform {
                guard request.endings.isEmpty else { return }
                guard let bucket else {
                    if !request.actual.isEmpty {
                        replica.act { $0.settle(grant, costs: request.actual, now: replica.now) }
                    }
                    return request.end("done")
                }
                replica.act {
                    $0.upstreamRefused(
                        grant,
                        bucket: bucket.name,
                        hold: bucket.per.micros / 2,
                        learned: limit,
                        requeue: true,
                        now: replica.now
                    )
                }
            }
        }
    }

    /// The first window, at any position, that holds more than its limit.
    func firstExceeded(_ buckets: [BucketSpec], times factor: Int = 1) -> String? {
        for bucket in buckets {
            let seen = arrivals[bucket.name] ?? []
            var first = 0
            var sum = 0
            for arrival in seen {
                sum += arrival.units
                while seen[first].time <= arrival.time - bucket.per.micros {
                    sum -= seen[first].units
                    first += 1
                }
                if sum > bucket.limit * factor {
                    return "\(bucket.name): \(sum) of \(bucket.limit) in the window to \(Double(arrival.time) / 1e6)"
                }
            }
        }
        return nil
    }
}
