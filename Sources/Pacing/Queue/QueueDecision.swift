/// Who goes next.
extension QueueState {
    private struct Need {
        var bucket: Int
        var cost: Int
    }

    /// Where a lane stands among the others; smaller goes first.
    private struct Rank: Comparable {
        var isOwed: Bool
        var urgency: Int
        var hasFront: Bool
        var lead: Double
        var place: Micros
        var key: LaneKey

        static func < (left: Rank, right: Rank) -> Bool {
            if left.isOwed != right.isOwed { return left.isOwed }
            if left.urgency != right.urgency { return left.urgency < right.urgency }
            if left.hasFront != right.hasFront { return left.hasFront }
            if left.lead != right.lead { return left.lead < right.lead }
            if left.place != right.place { return left.place < right.place }
            return left.key < right.key
        }
    }

    /// Grants what fits, at most `Pace.grantsPerCall`.
    ///
    /// Lanes in order: the first whose buckets all have room is granted. What a lane that is blocked needs, at the time
    /// when it fits, is kept for it: later lanes may take only what is to spare then. A blocked lane's waiters are never
    /// looked at, only its head.
    ///
    /// - Returns: when to decide again.
    mutating func decide(isListening: (String) -> Bool) -> Micros {
        if let rollCall { return rollCall.ends }
        if isPaused { return Pace.never }
        for lane in lanes.indices where lanes[lane].waiting > 0 {
            for bucket in lanes[lane].buckets { advance(bucket) }
        }
        var due = granted.isEmpty ? Pace.never : now
        for _ in 0..<max(0, Pace.grantsPerCall - granted.count) {
            due = Pace.never
            var kept: [Int: Int] = [:]
            guard let lane = firstThatFits(kept: &kept, due: &due) else { break }
            // The batch may be full.
            due = now
            let ticket = head(lane)
            if hand(ticket, isListening: isListening) { grant(ticket, lane: lane, kept: kept) }
        }
        return due
    }

    private mutating func firstThatFits(kept: inout [Int: Int], due: inout Micros) -> Int? {
        var spare: [Int: Int] = [:]
        for lane in order() {
            let ticket = head(lane)
            let needs = zip(lanes[lane].buckets, ticket.costs).map { Need(bucket: $0, cost: $1) }
            var blocker: (ready: Micros, bucket: Int)?
            var (alone, delaysOthers): (Micros, Bool) = (0, false)
            for need in needs {
                let ready = buckets[need.bucket].ready(need.cost, now: now)
                let isKept = need.cost > spare[need.bucket] ?? .max
                (alone, delaysOthers) = (max(alone, ready), delaysOthers || isKept)
                guard ready > now || isKept else { continue }
                // Of equal ones the last by name.
                if blocker == nil || ready >= blocker!.ready { blocker = (ready, need.bucket) }
            }
            guard let blocker else { return lane }
            var fits: Micros = 0
            var keeps = true
            for need in needs {
                let before = kept[need.bucket] ?? 0
                fits = max(fits, buckets[need.bucket].ready(need.cost + before, now: now))
                // A window later: nothing to keep yet.
                if before > 0, need.cost + before > buckets[need.bucket].effective { keeps = false }
            }
            // Who delays nobody goes before those who are ahead fit.
            let next = delaysOthers ? fits : alone
            if next > now {
                due = min(due, next)
                // A limit that rises may let it go before.
                for need in needs where buckets[need.bucket].learned > 0 {
                    due = min(due, buckets[need.bucket].raiseAt)
                }
            }
            lanes[lane].blocker = blocker.bucket
            guard keeps else { continue }
            for need in needs where !buckets[need.bucket].isBack(by: fits, now: now) {
                let before = kept[need.bucket] ?? 0
                let room = buckets[need.bucket].room(at: fits) - before - need.cost
                spare[need.bucket] = min(spare[need.bucket] ?? .max, room)
                kept[need.bucket] = before + need.cost
            }
        }
        return nil
    }

    /// Lanes with waiters, the next one first.
    mutating func order() -> [Int] {
        var ranked: [(rank: Rank, lane: Int)] = []
        for lane in lanes.indices where lanes[lane].waiting > 0 {
            let ticket = head(lane)
            let urgency = lanes[lane].key.urgency
            var lead = 0.0
            if !shared.isEmpty {
                for bucket in lanes[lane].buckets {
                    lead = max(lead, self.lead(bucket, urgency, ticket.client))
                }
            }
            let credit = debts(to: lanes[lane]).reduce(0) { max($0, owed[$1] ?? 0) }
            let rank = Rank(
                isOwed: credit >= 1,
                urgency: urgency,
                hasFront: !lanes[lane].front.isEmpty,
                lead: lead,
                place: ticket.place,
                key: lanes[lane].key
            )
            ranked.append((rank, lane))
        }
        if ranked.count > 1 { ranked.sort { $0.rank < $1.rank } }
        return ranked.map(\.lane)
    }

    private func lead(_ bucket: Int, _ urgency: Int, _ client: String) -> Double {
        shared[BucketUrgency(bucket: bucket, urgency: urgency)]?.lead(client) ?? 0
    }

    mutating func head(of key: LaneKey) -> QueueTicket {
        guard let lane = laneIndex(key) else { preconditionFailure("no such lane") }
        return head(lane)
    }

    /// First come of the first user of the first client. Where lanes share the bucket that blocks: of the first four
    /// clients the one least ahead in it.
    private mutating func head(_ lane: Int) -> QueueTicket {
        let key = lanes[lane].key
        if let head = heads[key] { return head }
        let head = lanes[lane].front.first ?? firstInOrder(lane)
        heads[key] = head
        return head
    }

    private func firstInOrder(_ lane: Int) -> QueueTicket {
        let root = lanes[lane].root
        let urgency = lanes[lane].key.urgency
        var client: Int?
        if let blocker = lanes[lane].blocker, let tags = shared[BucketUrgency(bucket: blocker, urgency: urgency)] {
            var least = Double.infinity
            for tag in flows[root].busy.prefix(4) {
                let lead = tags.lead(tag.name)
                if lead < least {
                    least = lead
                    client = tag.flow
                }
            }
        } else {
            client = flows[root].busy.first?.flow
        }
        guard let client, let user = flows[client].busy.first, let ticket = flows[user.flow].tickets.first else {
            preconditionFailure("a lane with waiters has no head")
        }
        return ticket
    }

    /// Can its owner take it? If not, the slot is the next one's: an owner that lives misses the ticket and enters it again.
    private mutating func hand(_ ticket: QueueTicket, isListening: (String) -> Bool) -> Bool {
        if ticket.owner == me { return true }
        guard let owner = replicas[ticket.owner], owner.last >= now - Pace.dead,
            owner.pushed == 0 || owner.pushed >= now - Pace.silent, isListening(ticket.owner)
        else {
            part(ticket)
            return false
        }
        pushes.append((ticket.owner, .grant(ticket, stamp(for: ticket), seq: seq + 1)))
        if owner.pushed == 0 { replicas[ticket.owner]?.pushed = now }
        return true
    }

    mutating func grant(_ ticket: QueueTicket, lane: Int, kept: [Int: Int]) {
        seq += 1
        replicas[ticket.owner]?.granted = now
        if ticket.owner == me { granted.append((ticket, stamp(for: ticket))) }
        if lanes.count > 1 { settleWithOthers(ticket, lane: lane) }
        for key in debts(to: lanes[lane]) {
            if let owing = owed[key] { owed[key] = max(0, owing - 1) }
        }
        let share = share(lane, ticket)
        if now - ticket.place >= Pace.shortestWait, !lanes[lane].front.contains(ticket) {
            flows.served(root: lanes[lane].root, ticket)
        }
        part(ticket, charge: share)
        for (position, cost) in ticket.costs.enumerated() { lanes[lane].served[position] += cost }
        var longest: Micros = 0
        for (bucket, cost) in zip(lanes[lane].buckets, ticket.costs) {
            let amount = min(cost, buckets[bucket].effective)
            let passing = kept[bucket] ?? 0 > 0
            buckets[bucket].take(amount, allowance: ticket.allowance, passing: passing, now: now)
            longest = max(longest, buckets[bucket].per.value)
        }
        if lanes[lane].waiting == 0 { lanes[lane].blocker = nil }
        if now > lanes[lane].newer.time + min(Pace.short, longest) / 2 {
            lanes[lane].older = lanes[lane].newer
            lanes[lane].newer = mark(lane)
        }
    }

    func mark(_ lane: Int) -> Lane.Mark {
        Lane.Mark(time: now, served: lanes[lane].served, totals: lanes[lane].buckets.map { buckets[$0].total })
    }

    private func stamp(for ticket: QueueTicket) -> GrantStamp {
        let own = laneIndex(ticket.lane).map { lanes[$0].buckets } ?? []
        let booked = zip(own, ticket.costs).map { min($1, buckets[$0].effective) }
        return GrantStamp(
            time: now,
            epoch: epoch,
            gone: own.map { buckets[$0].gone },
            booked: booked == ticket.costs ? [] : booked
        )
    }

    /// Where its urgency may be owed a slot. Which bucket blocks it changes from slot to slot: all that it needs count.
    private func debts(to lane: Lane) -> [BucketUrgency] {
        owed.isEmpty ? [] : lane.buckets.map { BucketUrgency(bucket: $0, urgency: lane.key.urgency) }
    }

    /// Urgencies that it passed by in a bucket that they wait for are owed; the client is charged in shared buckets.
    private mutating func settleWithOthers(_ ticket: QueueTicket, lane: Int) {
        let own = lanes[lane]
        var passed: Set<BucketUrgency> = []
        var sharing: Set<Int> = []
        for other in lanes where other.waiting > 0 && other.key != own.key {
            if other.key.urgency == own.key.urgency {
                sharing.formUnion(other.buckets)
            } else {
                for bucket in other.buckets where own.buckets.contains(bucket) {
                    passed.insert(BucketUrgency(bucket: bucket, urgency: other.key.urgency))
                }
            }
        }
        for key in passed { owed[key] = min(2, (owed[key] ?? 0) + Pace.floor) }
        for (bucket, cost) in zip(own.buckets, ticket.costs) where sharing.contains(bucket) {
            let part = Double(cost) / Double(buckets[bucket].limit.value)
            let key = BucketUrgency(bucket: bucket, urgency: own.key.urgency)
            shared[key, default: SharedBucketTags()].charge(ticket.client, weight: ticket.weight, by: part)
            heads.removeAll(keepingCapacity: true)
        }
    }
}
