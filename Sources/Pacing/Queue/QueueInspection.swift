/// What must hold whatever happens, for tests.
extension QueueState {
    /// Contradictions between counts, tags and records; empty where all is well.
    package func contradictions() -> [String] {
        var found: [String] = []
        func check(_ holds: Bool, _ what: @autoclosure () -> String) { if !holds { found.append(what()) } }
        check(waiting == lanes.reduce(0) { $0 + $1.waiting }, "waiting \(waiting)")
        check(waiting == replicas.values.reduce(0) { $0 + $1.tickets.count }, "tickets of replicas")
        var below = 0
        for lane in lanes {
            let inFlows = flows[lane.root].busy.prefix(.max).reduce(0) { $0 + flows[$1.flow].waiting }
            check(lane.waiting == lane.front.count + inFlows, "lane \(lane.key) \(lane.waiting)")
            check(flows[lane.root].active == flows[lane.root].busy.count, "active clients")
            let clients = flows[lane.root].busy.prefix(.max) + flows[lane.root].idle.prefix(.max)
            for client in clients {
                let users = flows[client.flow].busy.prefix(.max) + flows[client.flow].idle.prefix(.max)
                below += 1 + users.count
                let tickets = users.reduce(0) { $0 + flows[$1.flow].tickets.count }
                check(tickets == flows[client.flow].waiting, "client \(client.name)")
            }
        }
        check(below == flows.count, "flows \(below) of \(flows.count)")
        for index in buckets.indices where buckets[index].reset == 0 {
            let bucket = buckets[index]
            let sum = bucket.units.values.reduce(0, +)
            check(
                sum == bucket.used && sum == bucket.coarse.reduce(0, +),
                "bucket \(bucket.name) \(sum) \(bucket.used)"
            )
            check(bucket.units.values.allSatisfy { $0 >= 0 }, "bucket \(bucket.name) below zero")
        }
        return found
    }

    /// Nothing waits, and nobody is remembered as waiting.
    package var isEmpty: Bool {
        waiting == 0 && lanes.allSatisfy { $0.waiting == 0 && $0.front.isEmpty && flows[$0.root].busy.isEmpty }
    }

    /// Whether the head of a lane has room in all its buckets at that time, and no head before it needs one of them.
    ///
    /// - Parameter counts: whether a lane's head may be waited for.
    package func hasFreeSlot(at time: Micros, counts: (LaneKey) -> Bool) -> Bool {
        guard rollCall == nil, !paused else { return false }
        var copy = self
        copy.now = time
        copy.advanced = []
        copy.heads = [:]
        var blocked: Set<Int> = []
        var free: [Set<Int>] = []
        for lane in copy.lanes where lane.waiting > 0 && counts(lane.key) {
            let ticket = copy.head(of: lane.key)
            var fits = true
            for (bucket, cost) in zip(lane.buckets, ticket.costs) {
                copy.advance(bucket)
                let now = copy.buckets[bucket]
                if now.hold > time || now.paused || now.used + min(cost, now.effective) > now.effective { fits = false }
            }
            if fits { free.append(Set(lane.buckets)) } else { blocked.formUnion(lane.buckets) }
        }
        return free.contains { $0.isDisjoint(with: blocked) }
    }
}
