/// How long a call would wait.
extension QueueState {
    struct Estimate {
        var wait: Micros
        var ahead: Int
    }

    /// The virtual time to go, over the speed at which it goes.
    mutating func estimate(_ ticket: QueueTicket, lane: Int) -> Estimate {
        let own = lanes[lane]
        let root = flows[own.root]
        let weight = Double(ticket.weight)
        let share = share(lane, ticket)
        var ready: Micros = 0
        // How long the quota takes for a whole share of it, in the bucket that counts.
        var slowness = Double.infinity
        for (bucket, cost) in zip(own.buckets, ticket.costs) {
            advance(bucket)
            var open = buckets[bucket]
            open.paused = false
            ready = max(ready, open.ready(cost, now: now))
            if Double(cost) / Double(open.limit.value) == share {
                slowness = min(slowness, Double(open.per.value) * Double(open.limit.value) / Double(open.effective))
            }
        }
        let soon = Double(max(0, ready - now))
        var above = 0
        for other in lanes where other.key.urgency < own.key.urgency && other.waiting > 0 {
            if other.buckets.contains(where: own.buckets.contains) { above += other.waiting }
        }
        guard own.waiting > 0 else {
            return Estimate(wait: Self.micros(max(soon, Double(above) * share * slowness)), ahead: above)
        }
        if fitTogether(ticket, own, count: own.waiting + above + 1) {
            return Estimate(wait: Self.micros(soon), ahead: own.waiting + above)
        }
        let clientIndex = flows.child(of: own.root, ticket.client)
        let client = clientIndex.map { flows[$0] }
        let userWaiting = clientIndex.flatMap { flows.child(of: $0, ticket.user) }.map { flows[$0].waiting } ?? 0
        var start = max(root.virtual, client?.finish ?? 0)
        var ahead = 0
        var weights = Double(root.weights)
        if let client, client.waiting > 0 {
            let users = client.active + (userWaiting > 0 ? 0 : 1)
            ahead = min(client.waiting, userWaiting * users + users - 1)
            start = client.start
        } else {
            weights += weight
        }
        let virtual = max(0, start - own.smooth + Double(ahead) * share / weight)
        var speed = 1 / slowness / weights
        if own.smooth > own.older.smooth, Double(now) > Double(own.older.time) + slowness / 4 {
            speed = (own.smooth - own.older.smooth) / Double(now - own.older.time)
        }
        let wait = max(soon, virtual / speed + share / weight / speed * 0.5)
        let before = min(Double(own.waiting + above), virtual * weights / share)
        return Estimate(wait: Self.micros(wait), ahead: Int((before + 0.5).rounded(.down)))
    }

    /// Whether so many calls like this one may leave now: those that came to an idle bucket in the same batch have not
    /// been granted yet, and are not to be taken for a backlog.
    private func fitTogether(_ ticket: QueueTicket, _ lane: Lane, count: Int) -> Bool {
        zip(lane.buckets, ticket.costs).allSatisfy { bucket, cost in
            var open = buckets[bucket]
            open.paused = false
            let units = cost * count
            return units <= open.effectiveBurst && open.ready(units, now: now) <= now
        }
    }

    private static func micros(_ value: Double) -> Micros {
        value < Double(Pace.never) ? Micros(value.rounded(.down)) : Pace.never
    }
}
