internal import NIOCore

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

    /// What 429s taught and operators ordered within a roll call: the store may be lost again before that is over.
    private mutating func learnTaught(_ reply: QueueReply) {
        for pause in reply.pauses {
            let known = pauses.firstIndex { $0.quota.isExactly(pause.quota) }
            if let known, pauses[known].at < pause.at { pauses[known] = pause }
            if known == nil { pauses.append(pause) }
        }
        for bucket in reply.buckets {
            guard let known = told[bucket.name] else {
                told[bucket.name] = bucket
                continue
            }
            told[bucket.name]?.hold = max(known.hold, bucket.hold)
            if let learned = bucket.learned { told[bucket.name]?.learned = min(known.learned ?? learned, learned) }
        }
    }

    /// But for orders that are on their way to the store.
    private mutating func learn(_ told: [QuotaPause]) {
        var ordered: Set<String> = []
        for case .pause(let quota, _) in (flying.flatMap(\.items) + pending).map(\.operation) { ordered.insert(quota) }
        pauses = told.filter { !ordered.contains($0.quota) } + pauses.filter { ordered.contains($0.quota) }
    }

    /// Of what a roll call heard of that counts only when it is over, no number shows whether the store still knows it.
    private mutating func noteBookings(of mine: Flight?, _ reply: QueueReply) {
        let asked = RollCallAsked(run: run, epoch: reply.epoch)
        if let told = toldInRollCall, told.run != run || reply.rollCall != nil && told != asked {
            // The store is another, or fell back, within the roll call.
            seen = max(seen, reply.seq + 1)
        }
        if reply.rollCall == nil || toldInRollCall != asked { toldInRollCall = nil }
        let isCounted = mine?.items.contains(where: \.operation.isCounted) == true
        if reply.rollCall != nil, isCounted { toldInRollCall = asked }
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

    /// - Returns: false where the store's clock jumped.
    private mutating func learnTime(_ reply: QueueReply, sent: Micros, now: Micros) -> Bool {
        let (before, slack) = (clock.latest(at: now), clock.slack(at: now))
        let isAnother = epoch != reply.epoch
        let asked = epoch.map { RollCallAsked(run: run, epoch: $0) }
        let isAnswered = reply.rollCall == nil && asked != nil && answeredRollCall == asked
        var isOlder = false
        if isAnother {
            clock.forget()
            toldJump = nil
            if let epoch {
                isOlder = reply.epoch < epoch
                if mode == .connected { resync(now: now) }
            }
            epoch = reply.epoch
        }
        guard clock.observe(reply.now, sent: sent, now: now) else {
            tellJump(reply.epoch)
            return false
        }
        if isAnother, let before, let after = clock.latest(at: now) {
            moveTold(by: after - before, slack: slack)
            if isAnswered, reply.now > before + StoreClock.tolerance {
                // It jumped after this replica's answer, from which the buckets were rebuilt.
                tellJump(reply.epoch)
                return false
            }
        }
        // Fallen back to before a clock's jump: what it holds is by the old clock.
        if isOlder { tellJump(reply.epoch) }
        return !isOlder
    }

    /// The store's clock jumped: what it told before was by the other one.
    private mutating func moveTold(by span: Micros, slack: Micros) {
        for name in Array(told.names) {
            // Rather longer than shorter.
            if told[name]?.hold != 0 { told[name]?.hold += span + slack }
            guard told[name]?.reset == 0 else { continue }
            told[name]?.next += span
            let booked = told[name]?.booked ?? []
            told[name]?.booked = booked.map { BucketUse(at: $0.at + span, units: $0.units) }
        }
    }

    private var isTellingUse: Bool {
        (flying.flatMap(\.items) + pending).contains { if case .used = $0.operation { true } else { false } }
    }

    /// Once an epoch: the store starts another with it.
    private mutating func tellJump(_ epoch: Micros) {
        guard toldJump != epoch else { return }
        toldJump = epoch
        counters.jumps += 1
        pending.append(Item(operation: .jump(epoch: epoch)))
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

    private mutating func answerRollCall(_ reply: QueueReply, jumped: Bool, now: Micros) {
        guard let ends = reply.rollCall else {
            answeredRollCall = nil
            return
        }
        nextCall = min(nextCall, now + max(1000, ends - reply.now))
        let asked = RollCallAsked(run: run, epoch: reply.epoch)
        guard !jumped, answeredRollCall != asked, let time = clock.latest(at: now) else { return }
        answeredRollCall = asked
        if !pauses.isEmpty { pending.append(Item(operation: .pauses(pauses))) }
        let (known, before) = (peers?.known ?? [], full.map { max(0, $0 + time - now) } ?? 0)
        pending.append(Item(operation: .report(reports(time: time, now: now), peers: known, full: before)))
        // It may be over as soon as all have answered.
        nextCall = min(nextCall, now + Pace.shortestRollCall)
    }

    private mutating func reports(time: Micros, now: Micros) -> [BucketReport] {
        var reports: NameMap<BucketReport> = [:]
        var since: NameMap<Int> = [:]
        for use in untold {
            for (bucket, units) in zip(use.lane.buckets, use.costs) { since[bucket.name, default: 0] += units }
        }
        for (figures, uses) in ledger.uses(now: now, convert: { $0 + time - now }) {
            reports[figures.name] = BucketReport(
                figures: figures,
                told: told[figures.name]?.used ?? 0,
                since: since[figures.name] ?? 0,
                learned: told[figures.name]?.learned ?? 0,
                hold: told[figures.name]?.hold ?? 0,
                sent: uses
            )
        }
        for bucket in told.values where reports[bucket.name] == nil && bucket.isWorthTelling(at: time) {
            let figures = BucketFigures(
                name: bucket.name,
                limit: bucket.limit,
                per: bucket.per,
                guardInterval: bucket.life - bucket.per,
                burst: bucket.burst,
                reset: bucket.reset
            )
            reports[bucket.name] = BucketReport(
                figures: figures,
                told: bucket.used,
                since: 0,
                learned: bucket.learned ?? 0,
                hold: bucket.hold,
                sent: []
            )
        }
        return reports.values.sorted { $0.figures.name.utf8Precedes($1.figures.name) }
    }

    private mutating func schedule(_ reply: QueueReply, now: Micros) {
        // Any call confirms a push and asks again for what is due.
        if reply.rollCall == nil, mismatch == nil { nextCall = Pace.never }
        nextSlot = (Pace.never, Pace.never)
        if let due = reply.due, due < Pace.never { nextSlot = (now + max(500, due - reply.now), due) }
    }

    package mutating func receive(_ push: QueuePush, now: Micros) {
        latest = now
        switch push {
        case .rollCall:
            // Also where one came of whom the others have to know.
            if mode == .connected { (owesCall, nextBeat) = (true, min(nextBeat, now)) }
        case .relieved(let due):
            if nextSlot.due == due { nextSlot = (Pace.never, Pace.never) }
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
        if case .waitingShared = result, let id = item.waiter { share(id) }
        guard let id = item.waiter, let waiting = waiters[id] else { return }
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

    /// It waits in the lane that its set shares.
    private mutating func share(_ id: WaiterID) {
        guard let waiting = waiters[id], let shared = waiting.waiter.shared else { return }
        waiters[id]?.waiter = shared
        waiters[id]?.ticket = QueueTicket(waiting.ticket, lane: shared.lane.key)
    }

    private mutating func expect(_ wait: Micros, _ waiter: QueueWaiter, now: Micros) {
        for bucket in waiter.lane.buckets { expected[bucket.name] = (wait, now) }
    }

    /// A slot for one of ours: is it still good?
    mutating func grant(_ ticket: QueueTicket, _ stamp: GrantStamp, localLife life: Int, now: Micros) {
        let id = WaiterID(value: ticket.id)
        // The answer that told so may have been lost.
        if waiters[id]?.waiter.shared?.lane.key == ticket.lane { share(id) }
        guard let waiting = waiters[id], waiting.ticket.allowance == ticket.allowance else {
            return giveBack(ticket, stamp, requeue: false, life: life, now: now)
        }
        let deadline: Micros
        if life > 0 {
            deadline = now + ticket.allowance
        } else {
            // A call from before the loss was carried out only now, and could not know of what was used meanwhile.
            if owesUse { return giveBack(ticket, stamp, requeue: true, life: life, now: now) }
            guard stamp.epoch == epoch, let latest = clock.latest(at: now),
                stamp.time <= latest + StoreClock.tolerance, latest < stamp.time + ticket.allowance
            else {
                counters.stale += 1
                if stamp.epoch == epoch, let latest = clock.latest(at: now), stamp.time > latest + StoreClock.tolerance
                {
                    tellJump(stamp.epoch)
                }
                return giveBack(ticket, stamp, requeue: true, life: life, now: now)
            }
            let left = stamp.time + ticket.allowance - latest
            deadline = now + min(ticket.allowance, left - left / 1000)
        }
        remove(id)
        counters.grants += 1
        countMoves(waiting, stamp)
        ledger.record(waiting.waiter.lane, costs: waiting.waiter.costs, at: deadline, sign: 1)
        if life > 0 {
            localUse.record(waiting.waiter.lane, costs: waiting.waiter.costs, at: deadline, sign: 1)
        } else {
            let (lane, costs) = (waiting.waiter.lane, waiting.waiter.costs)
            untold.append(Untold(lane: lane, costs: costs, at: deadline, booked: stamp.time))
        }
        let grant = Grant(
            deadline: NIODeadline(micros: deadline),
            waited: .microseconds(now - waiting.waiter.entered),
            waiter: waiting.waiter,
            ticket: ticket,
            stamp: stamp,
            localLife: life
        )
        outbox.append((waiting.waiter, .granted(grant)))
    }

    private mutating func giveBack(
        _ ticket: QueueTicket,
        _ stamp: GrantStamp,
        requeue: Bool,
        life: Int,
        now: Micros
    ) {
        let item = Item(
            operation: .back(ticket, stamp, requeue: requeue),
            lane: waiters[WaiterID(value: ticket.id)]?.waiter.stated
        )
        if life == 0 { pending.append(item) } else { callLocal([item], now: now) }
    }
}

extension BucketState {
    /// A store that lost it has to hear of it.
    fileprivate func isWorthTelling(at time: Micros) -> Bool { used > 0 || learned != nil || hold > time }
}
