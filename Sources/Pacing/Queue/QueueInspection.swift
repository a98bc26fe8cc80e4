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

    package var isInRollCall: Bool { rollCall != nil }

    /// Sets of buckets of models' own that somebody waits for.
    package var waitingSets: Int { Set(lanes.filter { $0.waiting > 0 && $0.model != nil }.map(\.key.buckets)).count }

    /// How many of a replica's calls wait.
    package func waiting(of replica: String) -> Int { replicas[replica]?.tickets.count ?? 0 }

    /// What should be gone a while after the last call: all but calendar windows, whose count lasts until their reset.
    package var leftovers: [String] {
        var found: [String] = []
        func check(_ count: Int, _ what: String) { if count > 0 { found.append("\(count) \(what)") } }
        check(waiting, "waiters")
        check(lanes.count, "lanes")
        check(flows.count, "flows")
        check(shared.count, "shared tags")
        check(owed.count, "owed slots")
        check(buckets.indices.count { buckets[$0].reset == 0 }, "buckets")
        check(replicas.count - 1, "other replicas")
        return found
    }

    /// Undoes a grant as its owner would, and decides nothing.
    package mutating func takeBack(_ ticket: QueueTicket, _ stamp: GrantStamp, requeue: Bool) {
        me = ticket.owner
        let call = QueueCall(
            replica: me,
            number: 0,
            run: run,
            seen: 0,
            peers: 0,
            maxWaiting: 0,
            lanes: [],
            operations: []
        )
        _ = perform(.back(ticket, stamp, requeue: requeue), of: call)
    }

    /// Who goes next, and when its buckets will have room for it by all that is known at that time.
    package func firstInOrder(at time: Micros) -> (ticket: QueueTicket, fits: Micros)? {
        guard rollCall == nil, !isPaused, waiting > 0 else { return nil }
        var copy = self
        copy.now = time
        copy.advanced = []
        copy.heads = [:]
        for lane in copy.lanes where lane.waiting > 0 {
            for bucket in lane.buckets { copy.advance(bucket) }
        }
        guard let first = copy.order().first else { return nil }
        let ticket = copy.head(of: copy.lanes[first].key)
        let fits = zip(copy.lanes[first].buckets, ticket.costs).reduce(time) {
            max($0, copy.buckets[$1.0].ready($1.1, now: time))
        }
        return (ticket, fits)
    }

    /// The first call of a lane that waits.
    package struct Head {
        package let ticket: QueueTicket
        /// When its buckets let it go, by their windows, holds, pauses and spreading, if nothing happens until then.
        package let fits: Micros
        /// Lanes ahead of it whose heads it would delay: what they need is kept for them.
        package let behind: [LaneKey]
    }

    /// In order, the next one first; empty while all stands still.
    package func heads(at time: Micros) -> [Head] {
        guard rollCall == nil, !isPaused else { return [] }
        var copy = self
        copy.now = time
        copy.advanced = []
        copy.heads = [:]
        for lane in copy.lanes where lane.waiting > 0 {
            for bucket in lane.buckets { copy.advance(bucket) }
        }
        var kept: [Int: (units: Int, spare: Int, by: [LaneKey])] = [:]
        var heads: [Head] = []
        for lane in copy.order().map({ copy.lanes[$0] }) {
            let ticket = copy.head(of: lane.key)
            let needs = zip(lane.buckets, ticket.costs).map { (bucket: $0, cost: $1, before: kept[$0]?.units ?? 0) }
            let behind = needs.flatMap { need in kept[need.bucket].map { need.cost > $0.spare ? $0.by : [] } ?? [] }
            let fits = needs.reduce(time) { max($0, copy.buckets[$1.bucket].ready($1.cost, now: time)) }
            heads.append(Head(ticket: ticket, fits: fits, behind: behind))
            let isHeldUp = fits > time || !behind.isEmpty
            let isSoon = needs.allSatisfy { $0.before == 0 || $0.cost + $0.before <= copy.buckets[$0.bucket].effective }
            guard isHeldUp, isSoon else { continue }
            let after = needs.reduce(time) { max($0, copy.buckets[$1.bucket].ready($1.cost + $1.before, now: time)) }
            for need in needs where !copy.buckets[need.bucket].isBack(by: after, now: time) {
                let units = need.cost + need.before
                let spare = min(kept[need.bucket]?.spare ?? .max, copy.buckets[need.bucket].room(at: after) - units)
                kept[need.bucket] = (units, spare, (kept[need.bucket]?.by ?? []) + [lane.key])
            }
        }
        return heads
    }

    /// When whoever is to call next is to; nil: nobody.
    package var nextDecision: Micros? { pacer == nil || due == Pace.never ? nil : due }

    /// When the buckets let that call go, if nothing happens until that time; nil: its lane is not known.
    package func fits(_ ticket: QueueTicket, at time: Micros) -> Micros? {
        guard let lane = laneIndex(ticket.lane) else { return nil }
        return zip(lanes[lane].buckets, ticket.costs).reduce(time) { fits, need in
            var bucket = buckets[need.0]
            bucket.advance(now: time)
            return max(fits, bucket.ready(need.1, now: time))
        }
    }
}
