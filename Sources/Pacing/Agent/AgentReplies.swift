/// What the store says.
extension AgentState {
    /// - Parameter sent: when the call left, by the monotonic clock.
    package mutating func receive(_ reply: QueueReply, sent: Micros, now: Micros) {
        let wasConnected = mode == .connected
        // Where all were out of reach, all still count each other.
        if joined == nil || now > lastReply + Self.longestSilence && reply.rollCall == nil { joined = now }
        lastReply = now
        latest = now
        let jumped = !learnTime(reply, sent: sent, now: now)
        seen = max(seen, reply.seq)
        let mine = land(reply)
        learnBuckets(reply, jumped: jumped, comparing: wasConnected, now: now)
        inRollCall = reply.rollCall != nil
        noteBookings(of: mine, reply)
        if owesUse, mine != nil { owesUse = isTellingUse }
        if reply.rollCall == nil, !jumped, !untold.isEmpty, !owesUse {
            let names = Set(reply.buckets.map { ExactName($0.name) })
            untold.removeAll { $0.isTold(by: reply, names) }
        }
        guard wasConnected else {
            // It lives. What it granted meanwhile did not know of what was used here.
            for (ticket, stamp) in zip(reply.grants, reply.stamps) {
                pending.append(Item(operation: .back(ticket, stamp, requeue: false)))
            }
            if reply.number == 0 { connect(now: now) } else { nextProbe = min(nextProbe, now) }
            return
        }
        if let mine {
            for (index, (item, result)) in zip(mine.items, reply.results).enumerated() {
                if let id = item.waiter, reply.entered.indices.contains(index), !reply.entered[index].isEmpty {
                    waiters[id]?.arrival = (reply.entered[index], reply.epoch)
                }
                take(result, for: item, now: now)
            }
        }
        for (ticket, stamp) in zip(reply.grants, reply.stamps) {
            grant(ticket, stamp, localLife: 0, now: now)
        }
        compareCount(reply, now: now)
        answerRollCall(reply, jumped: jumped, now: now)
        schedule(reply, now: now)
    }

    /// - Returns: what the answer is to; nil where a later one was answered before.
    private mutating func land(_ reply: QueueReply) -> Flight? {
        var mine: Flight?
        while let first = flying.first, reply.number > 0, first.number <= reply.number {
            mine = first.number == reply.number ? first : nil
            flying.removeFirst()
        }
        return mine
    }

    /// What the store told before it was lost is what a roll call asks for; by a clock that jumped, buckets have let go of
    /// what still counts.
    private mutating func learnBuckets(_ reply: QueueReply, jumped: Bool, comparing: Bool, now: Micros) {
        let isLasting = reply.rollCall == nil && !jumped
        if let peers = reply.peers {
            expected.keep { $1.at + $1.wait > now }
            if isLasting {
                told.removeAll(keepingCapacity: true)
                learn(reply.pauses)
                if peers.full > 0 { full = max(full ?? 0, now - (reply.now - peers.full)) }
            }
            count(peers, inRollCall: reply.rollCall != nil, now: now)
        }
        guard isLasting else {
            if !jumped { learnTaught(reply) }
            return
        }
        for bucket in reply.buckets { told[bucket.name] = bucket }
        if reply.peers != nil, comparing { compareFigures(reply.buckets, now: now) }
    }

    /// But for orders that are on their way to the store.
    private mutating func learn(_ told: [QuotaPause]) {
        var ordered: Set<ExactName> = []
        for case .pause(let quota, _) in (flying.flatMap(\.items) + pending).map(\.operation) {
            ordered.insert(ExactName(quota))
        }
        let kept = pauses.filter { ordered.contains(ExactName($0.quota)) }
        pauses = told.filter { !ordered.contains(ExactName($0.quota)) } + kept
    }

    private mutating func count(_ living: QueueReply.Peers, inRollCall: Bool, now: Micros) {
        guard inRollCall else {
            peers = living
            return
        }
        // Fewer: the others have not called yet. More: one came, or was taken for dead, and they must hear of each other
        // before a part is theirs. Who has to answer are still those that were known before.
        guard let before = peers, living.count > before.count else { return }
        peers = QueueReply.Peers(count: living.count, rank: living.rank, full: before.full, known: before.known)
        joined = now
    }

    private var isTellingUse: Bool {
        (flying.flatMap(\.items) + pending).contains { if case .used = $0.operation { true } else { false } }
    }

    /// The store holds more tickets: all out, then in again. Fewer: in again.
    private mutating func compareCount(_ reply: QueueReply, now: Micros) {
        // Counts can be compared only where nothing is on its way; a busy replica seldom sees that.
        guard flying.isEmpty, pending.isEmpty, entering.isEmpty else { return }
        guard reply.mine != waiters.count else {
            mismatch = nil
            return
        }
        guard let (since, seq) = mismatch else {
            mismatch = (now, reply.seq)
            nextCall = min(nextCall, now + Self.mismatchPatience + 1000)
            return
        }
        guard now > since + Self.mismatchPatience else { return }
        if reply.mine > waiters.count {
            pending.append(Item(operation: .reset))
        } else if reply.seq == seq || now > since + Self.longestMismatch {
            resync(now: now)
        } else {
            // A slot may be on its way to one of them.
            mismatch?.seq = reply.seq
            nextCall = min(nextCall, now + Self.mismatchInterval)
            return
        }
        mismatch = nil
    }

    private mutating func schedule(_ reply: QueueReply, now: Micros) {
        // Any call confirms a push and asks again for what is due.
        if reply.rollCall == nil, mismatch == nil { nextCall = Pace.never }
        nextSlot = Self.noSlot
        if let due = reply.due, due < Pace.never { nextSlot = (now + max(500, due - reply.now), due, reply.now) }
    }

    package mutating func receive(_ push: QueuePush, now: Micros) {
        latest = now
        switch push {
        case .rollCall:
            // Also where one came of whom the others have to know.
            if mode == .connected { (owesCall, nextBeat) = (true, min(nextBeat, now)) }
        case .relieved(let due, let at):
            if nextSlot.due == due, nextSlot.told < at { nextSlot = Self.noSlot }
        case .grant(let ticket, let stamp, let seq):
            seen = max(seen, seq)
            guard mode == .connected else {
                pending.append(Item(operation: .back(ticket, stamp, requeue: false)))
                return
            }
            grant(ticket, stamp, localLife: 0, now: now)
            nextCall = min(nextCall, now + Self.confirmWithin)
        }
    }

    /// Slots may have gone to callers that wait here as before.
    package mutating func missed(now: Micros) {
        latest = now
        if mode == .connected { resync(now: now) }
    }

    mutating func take(_ result: QueueResult, for item: Item, now: Micros) {
        if case .reset = item.operation {
            // All out first, then all in again.
            if result == .resetting { pending.append(Item(operation: .reset)) } else { resync(now: now) }
            return
        }
        learnLane(result, of: item, now: now)
        guard !item.operation.isUndoing, let id = item.waiter, let waiting = waiters[id] else { return }
        switch result {
        case .none, .resetting: break
        case .waiting(let wait, let ahead), .waitingShared(let wait, let ahead):
            expect(wait, waiting.waiter, now: now)
            if waiting.waiter.wantsPosition {
                outbox.append((waiting.waiter, .position(ahead + 1, wait: .microseconds(wait))))
            }
        case .tooLong(let wait):
            expect(wait, waiting.waiter, now: now)
            remove(id)
            let patience = max(0, waiting.waiter.deadline - now)
            refuse(waiting.waiter, .tooLong, wait: wait, retryAfter: wait - patience)
        case .full(let wait):
            remove(id)
            refuse(waiting.waiter, .queueFull, wait: wait, retryAfter: wait)
        }
    }

    /// Where a call that entered or was put back waits: by itself, or in the lane that its set shares.
    private mutating func learnLane(_ result: QueueResult, of item: Item, now: Micros) {
        guard let id = item.waiter, let ticket = item.operation.waiting, let own = item.lane else { return }
        let lane: LaneFigures?
        switch result {
        case .waiting: lane = own
        case .waitingShared: lane = own.sharedLane
        default: return
        }
        guard let lane else { return }
        if waiters[id] == nil {
            // It left, or went on, by the ticket that it had: there it was not.
            if lane.key != ticket.lane { tellLeft(QueueTicket(ticket, lane: lane.key), now: now) }
        } else if lane.key == own.key {
            unshare(id)
        } else {
            share(id)
        }
    }

    /// It waits in the lane that its set shares.
    mutating func share(_ id: WaiterID) {
        guard let waiting = waiters[id], let shared = waiting.waiter.shared else { return }
        waiters[id]?.waiter = shared
        waiters[id]?.ticket = QueueTicket(waiting.ticket, lane: shared.lane.key)
    }

    private mutating func expect(_ wait: Micros, _ waiter: QueueWaiter, now: Micros) {
        for bucket in waiter.lane.buckets { expected[bucket.name] = (wait, now) }
    }
}

extension QueueOperation {
    /// Undoes a grant.
    fileprivate var isUndoing: Bool {
        switch self {
        case .back, .refused: true
        default: false
        }
    }

    /// What waits after it, in one lane or another.
    fileprivate var waiting: QueueTicket? {
        switch self {
        case .enter(let ticket, _), .back(let ticket, _, true, _), .refused(let ticket, _, _, _, _, true, _): ticket
        default: nil
        }
    }
}
