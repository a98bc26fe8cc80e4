/// How long a call would wait.
///
/// What goes before it, client by client: as much of a client's backlog as its order lets through before the call, and of
/// what comes meanwhile as much as comes again for what is served: all of it in a closed loop, nothing of a backlog that
/// only drains. Then how long the slowest of its buckets takes for that, in the part of it that the lane gets.
extension QueueState {
    struct Estimate {
        var wait: Micros
        /// Until the first call of its lane may go.
        var soon: Micros
        var ahead: Int
    }

    /// Of a call that waits: how many go before it, of its user's, or of those who were put back if it was.
    enum Place {
        case putBack(Int)
        case ofUser(Int)
    }

    func place(_ ticket: QueueTicket, lane: Int) -> Place? {
        if let rank = lanes[lane].front.rank(of: ticket) { return .putBack(rank) }
        guard let client = flows.child(of: lanes[lane].root, ticket.client),
            let user = flows.child(of: client, ticket.user), let rank = flows[user].tickets.rank(of: ticket)
        else { return nil }
        return .ofUser(rank)
    }

    /// - Parameter place: nil: it comes behind all that its user has waiting.
    mutating func estimate(_ ticket: QueueTicket, lane: Int, place: Place? = nil) -> Estimate {
        let mean = lanes[lane].load > 0 ? lanes[lane].load / Double(lanes[lane].waiting) : share(lane, ticket)
        let before = before(ticket, place: place, lane: lane, mean: mean)
        var longest = 0.0
        var soonest = 0.0
        var most = before.calls
        for (position, index) in lanes[lane].buckets.enumerated() {
            advance(index)
            var bucket = buckets[index]
            bucket.paused = false
            let cost = min(ticket.costs[position], bucket.effective)
            let load = lanes[lane].loads[position]
            let each = load > 0 ? Double(load) / Double(lanes[lane].waiting) : Double(cost)
            var units = each * (before.shares / mean) + Double(cost)
            if let part = part(of: lane, position: position, cost: cost) {
                units = min(units / part, unitsWithBacklogs(besides: lane, bucket: index, units: units, part: part))
            } else {
                let others = unitsOfOthers(than: lane, bucket: index, units: units)
                units += others
                if each > 0 { most = max(most, before.calls + others / each) }
            }
            let time = now + (bucket.reset == 0 ? rollCall?.back ?? 0 : 0)
            let soon = Double(bucket.ready(cost, now: time) - time)
            soonest = max(soonest, soon)
            longest = max(longest, soon, bucket.span(units, now: time))
        }
        if let rollCall {
            soonest = max(soonest, Double(rollCall.ends - now))
            longest = max(longest, soonest)
        }
        return Estimate(
            wait: Self.micros(longest),
            soon: Self.micros(soonest),
            ahead: Int((min(most, Double(waiting)) + 0.5).rounded(.down))
        )
    }

    /// What goes before it in its lane.
    private func before(_ ticket: QueueTicket, place: Place?, lane: Int, mean: Double) -> FlowTree.Ahead {
        if case .putBack(let rank) = place { return FlowTree.Ahead(calls: Double(rank), shares: Double(rank) * mean) }
        let root = lanes[lane].root
        let front = lanes[lane].front.count
        let client = flows.child(of: root, ticket.client)
        var ahead = FlowTree.Ahead(calls: Double(front), shares: Double(front) * mean)
        var waiting = 0
        var weight = 0
        var tag = flows[root].virtual
        if let client {
            waiting = flows[client].waiting
            if waiting > 0 {
                weight = flows[client].weight
                let load = flows[client].load
                let each = load > 0 ? load / Double(waiting) : mean
                let own = before(ticket, place: place, ofItsClient: client, mean: each, root: root)
                ahead.calls += own.calls
                ahead.shares += own.shares
                tag = flows[client].tag + own.shares / Double(ticket.weight)
            } else {
                tag = max(tag, flows[client].tag)
            }
        }
        let others = flows.before(
            tag,
            of: ticket.client,
            in: root,
            mean: mean,
            waiting: lanes[lane].waiting - front - waiting,
            weights: flows[root].weights - weight,
            count: flows[root].active - (waiting > 0 ? 1 : 0),
            returns: nil
        )
        return FlowTree.Ahead(calls: ahead.calls + others.calls, shares: ahead.shares + others.shares)
    }

    private func before(
        _ ticket: QueueTicket,
        place: Place?,
        ofItsClient client: Int,
        mean: Double,
        root: Int
    ) -> FlowTree.Ahead {
        let user = flows.child(of: client, ticket.user)
        let waiting = user.map { flows[$0].waiting } ?? 0
        var own = Double(waiting)
        if case .ofUser(let rank) = place { own = Double(rank) }
        var tag = max(flows[client].virtual, user.map { flows[$0].tag } ?? 0)
        if let user, waiting > 0 { tag = flows[user].tag + own * mean }
        let others = flows.before(
            tag,
            of: ticket.user,
            in: client,
            mean: mean,
            waiting: flows[client].waiting - waiting,
            weights: flows[client].weights - (waiting > 0 ? 1 : 0),
            count: flows[client].active - (waiting > 0 ? 1 : 0),
            returns: flows[client].returns(in: flows[root])
        )
        return FlowTree.Ahead(calls: own + others.calls, shares: own * mean + others.shares)
    }

    /// What part of a bucket's units the lane got of late; nil where that is not known.
    private func part(of lane: Int, position: Int, cost: Int) -> Double? {
        let lane = lanes[lane]
        let total = buckets[lane.buckets[position]].total - lane.older.totals[position]
        guard lane.waiting > 0, total >= Pace.partCalls * cost, total > 0 else { return nil }
        let served = lane.served[position] - lane.older.served[position]
        return min(1, max(Pace.leastPart, Double(served) / Double(total)))
    }

    /// What goes of a bucket until this lane has taken so many units, where other lanes take no more than waits in them, as
    /// long as that lasts, and those without waiters what they took of late: what is left of the parts of all that wait.
    private func unitsWithBacklogs(besides lane: Int, bucket: Int, units: Double, part: Double) -> Double {
        var sum = units
        var parts = part
        for other in lanes where other.waiting > 0 && other.key != lanes[lane].key {
            guard let position = other.buckets.firstIndex(of: bucket) else { continue }
            sum += Flow.lasting(Double(other.loads[position]), returns: flows[other.root].returns)
            let total = buckets[bucket].total - other.older.totals[position]
            // Not by chance.
            guard total > 0, total * other.waiting >= Pace.partCalls * other.loads[position] else { continue }
            parts += Double(other.served[position] - other.older.served[position]) / Double(total)
        }
        return sum / min(1, parts)
    }

    /// What other lanes will take of a bucket before this one has taken so many units: more urgent ones all but a
    /// twentieth, as urgent ones as much as this one.
    private func unitsOfOthers(than lane: Int, bucket: Int, units: Double) -> Double {
        let own = lanes[lane].key
        var sum = 0.0
        for other in lanes where other.waiting > 0 && other.key != own && other.key.urgency <= own.urgency {
            guard let position = other.buckets.firstIndex(of: bucket) else { continue }
            let lasting = Flow.lasting(Double(other.loads[position]), returns: flows[other.root].returns)
            sum += min(lasting, other.key.urgency < own.urgency ? units / Pace.floor : units)
        }
        return sum
    }

    private static func micros(_ value: Double) -> Micros {
        value < Double(Pace.never) ? Micros(value.rounded(.down)) : Pace.never
    }
}
