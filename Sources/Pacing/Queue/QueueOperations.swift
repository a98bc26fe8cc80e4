/// What replicas ask for.
extension QueueState {
    mutating func perform(_ operation: QueueOperation, of call: QueueCall) -> QueueResult {
        switch operation {
        case .enter(let ticket, let patience): return enter(ticket, patience: patience, maxWaiting: call.maxWaiting)
        case .leave(let ticket): part(ticket)
        case .back(let ticket, let stamp, let requeue, let own):
            guard let lane = laneOrOwn(ticket.lane) else { return .none }
            if stamp.epoch == epoch {
                for (bucket, units) in zip(lanes[lane].buckets, stamp.units(of: ticket)) {
                    buckets[bucket].book(-units, at: stamp.time + ticket.allowance, now: now)
                }
            }
            return undo(ticket, lane: lane, requeue: requeue, of: own)
        case .refused(let ticket, let stamp, let names, let hold, let learned, let requeue, let own):
            guard let lane = laneOrOwn(ticket.lane) else { return .none }
            for name in names {
                guard let index = bucketIndex[name] else { continue }
                advance(index)
                buckets[index].refuse(granted: stamp.time, hold: hold, learned: learned, now: now)
                teachWhereMoved(index)
            }
            countBooking()
            return undo(ticket, lane: lane, requeue: requeue, of: own)
        case .settle(let ticket, let stamp, let costs): settle(ticket, stamp, costs: costs)
        case .estimate(let ticket):
            guard let lane = laneIndex(ticket.lane) else { return .none }
            let estimate = estimate(ticket, lane: lane, place: place(ticket, lane: lane))
            return .waiting(estimate.wait, ahead: estimate.ahead)
        case .beat: break
        case .jump(let old): if old == epoch { startRollCall(forced: true) }
        case .reset:
            let me = me
            let page = scan(from: replicas[me]?.scanned, budget: Pace.resetsPerCall) { $0 == me }
            replicas[me]?.scanned = page.next
            return page.next == nil ? .none : .resetting
        case .bye:
            // A ticket that an answer on its way made is nobody's.
            let me = me
            _ = scan(from: nil, budget: Pace.resetsPerCall) { $0 == me }
            if replicas[me]?.tickets.isEmpty == true { replicas[me]?.last = now - Pace.dead - 1 }
            // The others are fewer from now on.
            nextSweep = now
        case .pause(let quota, let paused):
            pause(QuotaPause(quota: quota, paused: paused, at: max(now, (pauses[quota]?.at ?? 0) + 1)))
        case .pauses(let told):
            for pause in told where pause.at > pauses[pause.quota]?.at ?? 0 { self.pause(pause) }
        case .state(let figures): _ = state(figures)
        case .used(let figures, let uses):
            noteSent(uses)
            let index = state(figures)
            for use in uses { bookUse(use.units, of: index, at: min(use.at, now + Pace.allowance)) }
            countBooking()
            addToRollCall(figures, uses)
        case .report(let reports, let peers, let full):
            for report in reports { noteSent(report.sent) }
            answer(reports, peers: peers, full: full)
        }
        return .none
    }

    /// What it sent without this store's grant is missed with it too.
    private mutating func noteSent(_ uses: [BucketUse]) {
        let last = uses.filter { $0.units > 0 }.map { min($0.at, now) }.max() ?? 0
        let known = replicas[me]?.granted ?? 0
        replicas[me]?.granted = max(known, last)
    }

    private mutating func enter(_ entering: QueueTicket, patience: Micros?, maxWaiting: Int) -> QueueResult {
        let (ticket, goesAtOnce) = place(entering)
        func waits(_ wait: Micros, ahead: Int) -> QueueResult {
            ticket === entering ? .waiting(wait, ahead: ahead) : .waitingShared(wait, ahead: ahead)
        }
        guard let lane = laneIndex(ticket.lane) else { return .none }
        if patience != nil { enteredBefore = lanes[lane].buckets.map { buckets[$0].entered } }
        if isWaiting(ticket) { return waits(0, ahead: 0) }
        func join() {
            self.join(ticket, lane: lane, front: false)
            if goesAtOnce { grant(ticket, lane: lane, kept: [:]) }
        }
        guard let patience else {
            join()
            return waits(0, ahead: 0)
        }
        let estimate = estimate(ticket, lane: lane)
        // There is a place once one goes, and that is soon enough then.
        if waiting >= maxWaiting { return .full(max(estimate.soon, estimate.wait - patience)) }
        if estimate.wait > patience { return .tooLong(estimate.wait) }
        join()
        return waits(estimate.wait, ahead: estimate.ahead)
    }

    /// Where it waits; tickets of two lanes may be equal.
    private func isWaiting(_ ticket: QueueTicket) -> Bool {
        guard let lane = laneIndex(ticket.lane) else { return false }
        if lanes[lane].front.contains(ticket) { return true }
        guard let client = flows.child(of: lanes[lane].root, ticket.client),
            let user = flows.child(of: client, ticket.user)
        else { return false }
        return flows[user].tickets.contains(ticket)
    }

    /// Its fairness charge is undone; what it was granted may stay booked.
    private mutating func undo(_ ticket: QueueTicket, lane: Int, requeue: Bool, of own: LaneKey?) -> QueueResult {
        let share = share(lane, ticket)
        flows.account(root: lanes[lane].root, ticket, waiters: 0, charge: -share, front: true)
        chargeShared(lane, ticket, costs: ticket.costs.map { -$0 })
        heads.removeAll(keepingCapacity: true)
        let own = own ?? ticket.lane
        guard requeue, let ticket = placeAgain(ticket, of: own), let lane = laneIndex(ticket.lane) else { return .none }
        // Its owner may have entered it again meanwhile.
        if !isWaiting(ticket) { join(ticket, lane: lane, front: true) }
        return ticket.lane == own ? .waiting(0, ahead: 0) : .waitingShared(0, ahead: 0)
    }

    private mutating func settle(_ ticket: QueueTicket, _ stamp: GrantStamp, costs: [Int]) {
        guard stamp.epoch == epoch, let lane = laneOrOwn(ticket.lane) else { return }
        for (bucket, (cost, units)) in zip(lanes[lane].buckets, zip(costs, stamp.units(of: ticket))) {
            advance(bucket)
            let time = stamp.time + ticket.allowance
            buckets[bucket].settle(units, to: cost, at: time, now: now)
            if cost > units { bookWhereMoved(cost - units, of: bucket, at: time) }
        }
        countBooking()
        let change = share(lane, costs: costs) - share(lane, ticket)
        guard change != 0 else { return }
        flows.account(root: lanes[lane].root, ticket, waiters: 0, charge: change, front: true)
        chargeShared(lane, ticket, costs: zip(costs, ticket.costs).map { $0 - $1 })
        heads.removeAll(keepingCapacity: true)
    }

    /// In a roll call only when that is over: until then a lower number shows what was lost.
    private mutating func countBooking() {
        if rollCall == nil { seq += 1 } else { rollCall?.bookings += 1 }
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

    /// All of the upstream.
    var isPaused: Bool { pauses[""]?.paused == true }

    mutating func pause(_ pause: QuotaPause) {
        pauses[pause.quota] = pause
        guard !pause.quota.isEmpty else { return }
        for index in buckets.indices where Self.bucket(buckets[index].name, isOf: pause.quota) {
            buckets[index].paused = pause.paused
        }
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
                lanes[lane].newer = mark(lane)
                lanes[lane].older = lanes[lane].newer
            }
            flows.account(root: lanes[lane].root, ticket, waiters: 1, load: share(lane, ticket), charge: 0)
            flows.arrived(root: lanes[lane].root, ticket)
            if let client = flows.child(of: lanes[lane].root, ticket.client),
                let user = flows.child(of: client, ticket.user)
            {
                flows[user].tickets.insert(ticket)
            }
        }
        for bucket in lanes[lane].buckets { buckets[bucket].entered += 1 }
        lanes[lane].waiting += 1
        lanes[lane].load += share(lane, ticket)
        for (position, cost) in ticket.costs.enumerated() { lanes[lane].loads[position] += cost }
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
            flows.account(root: root, ticket, waiters: -1, load: -share(lane, ticket), charge: charge)
        }
        for bucket in lanes[lane].buckets { buckets[bucket].gone += 1 }
        lanes[lane].waiting -= 1
        lanes[lane].load = lanes[lane].waiting > 0 ? max(0, lanes[lane].load - share(lane, ticket)) : 0
        for (position, cost) in ticket.costs.enumerated() { lanes[lane].loads[position] -= cost }
        lanes[lane].touched = now
        waiting -= 1
        heads[ticket.lane] = nil
    }
}
