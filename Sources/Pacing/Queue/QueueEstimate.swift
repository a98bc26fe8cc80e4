/// How long a call would wait.
///
/// What goes before it, client by client: as much of a client's backlog as its order lets through before the call, and of
/// what comes meanwhile as much as comes again for what is served: all of it in a closed loop, nothing of a backlog that
/// only drains. Then how long the slowest of its buckets takes for that, in the part of it that the lane gets.
extension QueueState {
    struct Estimate {
        var wait: Micros
        var ahead: Int
    }

    mutating func estimate(_ ticket: QueueTicket, lane: Int) -> Estimate {
        let share = share(lane, ticket)
        let mean = lanes[lane].load > 0 ? lanes[lane].load / Double(lanes[lane].waiting) : share
        let before = callsBefore(ticket, lane: lane, mean: mean)
        var longest = 0.0
        var most = before
        for (position, cost) in ticket.costs.enumerated() {
            let index = lanes[lane].buckets[position]
            advance(index)
            var bucket = buckets[index]
            bucket.paused = false
            let unitsAShare = Double(cost) / share
            var shares = before * mean + share
            if let part = part(of: lane, position: position, unitsAShare: unitsAShare, cost: cost) {
                shares /= part
            } else {
                let others = sharesOfOthers(than: lane, bucket: index, shares: shares)
                shares += others
                most = max(most, before + others / mean)
            }
            let soon = Double(bucket.ready(cost, now: now) - now)
            longest = max(longest, soon, bucket.span(shares * unitsAShare, now: now))
        }
        return Estimate(wait: Self.micros(longest), ahead: Int((min(most, Double(waiting)) + 0.5).rounded(.down)))
    }

    /// Calls of its lane.
    private func callsBefore(_ ticket: QueueTicket, lane: Int, mean: Double) -> Double {
        let root = lanes[lane].root
        let front = lanes[lane].front.count
        let client = flows.child(of: root, ticket.client)
        var waiting = 0
        var weight = 0
        var own = 0.0
        var tag = flows[root].virtual
        if let client {
            waiting = flows[client].waiting
            if waiting > 0 {
                weight = flows[client].weight
                own = callsBefore(ticket, ofItsClient: client, mean: mean)
                tag = flows[client].start + own * mean / Double(ticket.weight)
            } else {
                tag = max(tag, flows[client].finish)
            }
        }
        let others = flows.callsBefore(
            tag,
            of: ticket.client,
            in: root,
            mean: mean,
            waiting: lanes[lane].waiting - front - waiting,
            weights: flows[root].weights - weight,
            returns: nil
        )
        return Double(front) + own + others
    }

    private func callsBefore(_ ticket: QueueTicket, ofItsClient client: Int, mean: Double) -> Double {
        let user = flows.child(of: client, ticket.user)
        let waiting = user.map { flows[$0].waiting } ?? 0
        var tag = max(flows[client].virtual, user.map { flows[$0].finish } ?? 0)
        if let user, waiting > 0 { tag = flows[user].start + Double(waiting) * mean }
        let others = flows.callsBefore(
            tag,
            of: ticket.user,
            in: client,
            mean: mean,
            waiting: flows[client].waiting - waiting,
            weights: flows[client].weights - (waiting > 0 ? 1 : 0),
            returns: flows[client].returns
        )
        return Double(waiting) + others
    }

    /// What part of a bucket's units the lane got of late; nil where that is not known.
    private func part(of lane: Int, position: Int, unitsAShare: Double, cost: Int) -> Double? {
        let lane = lanes[lane]
        let total = buckets[lane.buckets[position]].total - lane.older.totals[position]
        guard lane.waiting > 0, total >= Pace.partCalls * cost else { return nil }
        let served = (lane.served - lane.older.served) * unitsAShare
        return min(1, max(Pace.leastPart, served / Double(total)))
    }

    /// What other lanes will take of a bucket before this one has taken so many shares: more urgent ones all but a
    /// twentieth, as urgent ones as much as this one.
    private func sharesOfOthers(than lane: Int, bucket: Int, shares: Double) -> Double {
        let own = lanes[lane].key
        var sum = 0.0
        for other in lanes where other.waiting > 0 && other.key != own && other.key.urgency <= own.urgency {
            guard other.buckets.contains(bucket) else { continue }
            let lasting = Flow.lasting(other.load, returns: flows[other.root].returns)
            sum += min(lasting, other.key.urgency < own.urgency ? shares / Pace.floor : shares)
        }
        return sum
    }

    private static func micros(_ value: Double) -> Micros {
        value < Double(Pace.never) ? Micros(value.rounded(.down)) : Pace.never
    }
}

extension FlowTree {
    /// Calls of a flow's other children that go before one with that tag, if each call costs the mean. Looks at the first
    /// ones by tag only; the rest is taken to be like them.
    ///
    /// - Parameters:
    ///   - waiting: of the other children, and their weights in all.
    ///   - returns: of all of them; nil: each has its own.
    func callsBefore(
        _ tag: Double,
        of name: String,
        in parent: Int,
        mean: Double,
        waiting: Int,
        weights: Int,
        returns: Int?
    ) -> Double {
        guard waiting > 0 else { return 0 }
        var calls = 0.0
        var wanted = 0.0
        var last = 0.0
        var rest = waiting
        var restWeights = weights
        for entry in self[parent].busy.prefix(Pace.sample) {
            last = entry.tag
            guard entry.name != name else { continue }
            let child = self[entry.flow]
            rest -= child.waiting
            restWeights -= child.weight
            let turns = Self.turns(
                from: entry.tag,
                before: tag,
                step: mean / Double(child.weight),
                isFirst: entry.name.utf8Precedes(name)
            )
            wanted += turns
            calls += min(turns, Flow.lasting(Double(child.waiting), returns: returns ?? child.returns))
        }
        guard rest > 0, tag > last else { return calls }
        let more = (tag - last) * Double(restWeights) / mean
        let part = wanted > 0 ? calls / wanted : 1
        return calls + min(more * part, Flow.lasting(Double(rest), returns: returns ?? self[parent].returns))
    }

    /// How many tags, one every `step`, are before another; an equal one counts where its name is first.
    private static func turns(from start: Double, before tag: Double, step: Double, isFirst: Bool) -> Double {
        let steps = (tag - start) / step
        if steps < -1e-6 { return 0 }
        let whole = (steps + 1e-6).rounded(.down)
        return steps - whole > 1e-6 || isFirst ? whole + 1 : whole
    }
}

extension Flow {
    /// How much of a backlog will have been there until it is empty, where for what is served so much comes again.
    static func lasting(_ backlog: Double, returns: Int) -> Double {
        guard returns < Pace.returnUnit else { return .infinity }
        return backlog * Double(Pace.returnUnit) / Double(Pace.returnUnit - returns)
    }
}
