/// What replicas ask for.
extension QueueState {
    mutating func perform(_ operation: QueueOperation, of call: QueueCall) -> QueueResult {
        switch operation {
        case .enter(let ticket, let patience): return enter(ticket, patience: patience, maxWaiting: call.maxWaiting)
        case .leave(let ticket): part(ticket)
        case .back(let ticket, let stamp, let requeue):
            guard let lane = laneIndex(ticket.lane) else { return .none }
            if stamp.epoch == epoch {
                for (bucket, cost) in zip(lanes[lane].buckets, ticket.costs) {
                    let amount = min(cost, buckets[bucket].effective)
                    buckets[bucket].book(-amount, at: stamp.time + ticket.allowance, now: now)
                }
            }
            undo(ticket, lane: lane, requeue: requeue)
        case .refused(let ticket, let stamp, let names, let hold, let learned, let requeue):
            guard let lane = laneIndex(ticket.lane) else { return .none }
            for name in names {
                guard let index = bucketIndex[name] else { continue }
                buckets[index].refuse(granted: stamp.time, hold: hold, learned: learned, now: now)
            }
            undo(ticket, lane: lane, requeue: requeue)
        case .settle(let ticket, let stamp, let costs): settle(ticket, stamp, costs: costs)
        case .estimate(let ticket):
            guard let lane = laneIndex(ticket.lane) else { return .none }
            let estimate = estimate(ticket, lane: lane)
            return .waiting(estimate.wait, ahead: estimate.ahead)
        case .beat: break
        case .jump(let old): if old == epoch { startRollCall(forced: true) }
        case .reset:
            for ticket in replicas[me]?.tickets.prefix(Pace.resetsPerCall) ?? [] { part(ticket) }
        case .bye: if replicas[me]?.tickets.isEmpty == true { replicas[me]?.last = now - Pace.dead - 1 }
        case .pause(let quota, let paused): pause(quota, paused)
        case .used(let figures, let uses):
            let index = state(figures)
            for use in uses { buckets[index].book(use.units, at: min(use.at, now + Pace.allowance), now: now) }
        case .report(let reports): answer(reports, isInformed: call.peers > 0)
        }
        return .none
    }

    private mutating func enter(_ ticket: QueueTicket, patience: Micros?, maxWaiting: Int) -> QueueResult {
        guard let lane = laneIndex(ticket.lane) else { return .none }
        if replicas[me]?.tickets.contains(ticket) == true { return .waiting(0, ahead: 0) }
        guard let patience else {
            join(ticket, lane: lane, front: false)
            return .waiting(0, ahead: 0)
        }
        let estimate = estimate(ticket, lane: lane)
        if waiting >= maxWaiting { return .full(estimate.wait) }
        if estimate.wait > patience { return .tooLong(estimate.wait) }
        join(ticket, lane: lane, front: false)
        return .waiting(estimate.wait, ahead: estimate.ahead)
    }

    /// Its fairness charge is undone; what it was granted may stay booked.
    private mutating func undo(_ ticket: QueueTicket, lane: Int, requeue: Bool) {
        let share = share(lane, ticket)
        flows.account(root: lanes[lane].root, ticket, waiters: 0, charge: -share, front: true)
        chargeShared(lane, ticket, costs: ticket.costs.map { -$0 })
        heads.removeAll(keepingCapacity: true)
        // Its owner may have entered it again meanwhile.
        if requeue, replicas[me]?.tickets.contains(ticket) != true { join(ticket, lane: lane, front: true) }
    }

    private mutating func settle(_ ticket: QueueTicket, _ stamp: GrantStamp, costs: [Int]) {
        guard stamp.epoch == epoch, let lane = laneIndex(ticket.lane) else { return }
        var differences: [Int] = []
        for (index, bucket) in lanes[lane].buckets.enumerated() where index < costs.count {
            let difference = costs[index] - min(ticket.costs[index], buckets[bucket].effective)
            differences.append(costs[index] - ticket.costs[index])
            if difference != 0 {
                buckets[bucket].book(difference, at: stamp.time + ticket.allowance, now: now)
            }
        }
        let change = share(lane, costs: costs) - share(lane, ticket)
        guard change != 0 else { return }
        flows.account(root: lanes[lane].root, ticket, waiters: 0, charge: change, front: true)
        chargeShared(lane, ticket, costs: differences)
        heads.removeAll(keepingCapacity: true)
    }

    /// Corrects its client's tags in buckets that lanes share; where there is none, none is made.
    private mutating func chargeShared(_ lane: Int, _ ticket: QueueTicket, costs: [Int]) {
        for (bucket, cost) in zip(lanes[lane].buckets, costs) where cost != 0 {
            let key = BucketUrgency(bucket: bucket, urgency: ticket.lane.urgency)
            guard shared[key]?.contains(ticket.client) == true else { continue }
            let part = Double(cost) / Double(buckets[bucket].limit.value)
            shared[key]?.charge(ticket.client, weight: ticket.weight, by: part)
        }
    }

    private mutating func pause(_ quota: String, _ paused: Bool) {
        guard !quota.isEmpty else {
            self.paused = paused
            return
        }
        if paused { pausedQuotas.insert(quota) } else { pausedQuotas.remove(quota) }
        for (name, index) in bucketIndex where Self.bucket(name, isOf: quota) { buckets[index].paused = paused }
    }

    // MARK: Joining and leaving

    func share(_ lane: Int, _ ticket: QueueTicket) -> Double { share(lane, costs: ticket.costs) }

    /// What a call costs in fairness: the largest part of a quota that it takes.
    func share(_ lane: Int, costs: [Int]) -> Double {
        var share = 0.0
        for (bucket, cost) in zip(lanes[lane].buckets, costs) {
            share = max(share, Double(cost) / Double(buckets[bucket].limit.value))
        }
        return share
    }

    mutating func join(_ ticket: QueueTicket, lane: Int, front: Bool) {
        replicas[ticket.owner]?.tickets.insert(ticket)
        if front {
            lanes[lane].front.insert(ticket)
        } else {
            if lanes[lane].waiting == 0 {
                let virtual = flows[lanes[lane].root].virtual
                lanes[lane].smooth = virtual
                lanes[lane].older = Lane.Mark(time: now, smooth: virtual)
                lanes[lane].newer = lanes[lane].older
            }
            flows.account(root: lanes[lane].root, ticket, waiters: 1, charge: 0)
            if let client = flows.child(of: lanes[lane].root, ticket.client),
                let user = flows.child(of: client, ticket.user)
            {
                flows[user].tickets.insert(ticket)
            }
        }
        lanes[lane].waiting += 1
        lanes[lane].touched = now
        waiting += 1
        heads[ticket.lane] = nil
    }

    /// Leaves the queue: served (charged), gone, or dropped.
    mutating func part(_ ticket: QueueTicket, charge: Double = 0) {
        guard replicas[ticket.owner]?.tickets.remove(ticket) == true, let lane = laneIndex(ticket.lane) else { return }
        let root = lanes[lane].root
        if lanes[lane].front.remove(ticket) {
            if charge != 0 { flows.account(root: root, ticket, waiters: 0, charge: charge, front: true) }
        } else {
            if let client = flows.child(of: root, ticket.client), let user = flows.child(of: client, ticket.user) {
                flows[user].tickets.remove(ticket)
            }
            flows.account(root: root, ticket, waiters: -1, charge: charge)
        }
        lanes[lane].waiting -= 1
        lanes[lane].touched = now
        waiting -= 1
        heads[ticket.lane] = nil
    }
}
