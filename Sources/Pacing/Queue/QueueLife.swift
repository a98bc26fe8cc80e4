/// Another store, another clock, dead replicas, and what nobody needs any more.
extension QueueState {
    mutating func checkLife(_ call: QueueCall, wentBack: Bool, silence: Micros) {
        if call.run != run {
            run = call.run
            startRollCall(forced: wentBack)
        } else if wentBack {
            startRollCall(forced: true)
        } else if rollCall != nil, silence > Pace.silence {
            // The clock may have jumped: what was answered before is by the other one.
            startRollCall(forced: true)
        } else if rollCall == nil, call.seen > seq || silence > Pace.silence {
            // Lost writes; or nobody was served for a while, and each went on by itself.
            startRollCall(forced: false)
        }
        if var roll = rollCall {
            roll.seen = max(roll.seen, call.seen)
            roll.need = max(roll.need, call.peers)
            if call.peers > 0 { roll.expected.insert(me) }
            let isConfirmed = roll.expected.isSubset(of: roll.confirmed)
            if roll.closing > 0, call.number > 0 { roll.confirmed.insert(me) }
            if !isConfirmed, roll.closing > 0, roll.expected.isSubset(of: roll.confirmed) {
                roll.ends = min(roll.ends, now + Pace.rollCallClosing)
            }
            rollCall = roll
        }
    }

    /// - Parameter forced: the clock jumped, so what is booked is wrong; a new epoch makes grants on their way stale.
    mutating func startRollCall(forced: Bool) {
        let span = setBack
        rollCall = RollCall(
            began: now,
            ends: now + Pace.rollCall,
            forced: forced || rollCall?.forced == true,
            before: rollCall?.before ?? known + (now < former.until ? former.known : []),
            living: rollCall?.living ?? Set(live),
            back: (rollCall?.back ?? 0) + span,
            bookings: rollCall?.bookings ?? 0
        )
        setBack = 0
        if forced {
            let before = rollCall?.before ?? []
            rollCall?.expected = Set(before)
            epoch = max(epoch + 1, now)
        }
        for index in buckets.indices {
            buckets[index].restate(since: previous - Pace.stated, now: now)
            buckets[index].setBack(by: span)
        }
        pushes.append(("", .rollCall))
    }

    /// - Parameters:
    ///   - peers: whom the replica knew, itself among them; a newcomer's answer says nothing of who is missing.
    ///   - full: when buckets had last started as full; 0: not known.
    mutating func answer(_ reports: [BucketReport], peers: [String], full: Micros) {
        guard rollCall?.answered.insert(me).inserted == true else { return }
        if !peers.isEmpty { rollCall?.informed += 1 }
        rollCall?.expected.formUnion(peers)
        if full > rollCall?.full ?? 0 { rollCall?.full = min(full, now) }
        for report in reports {
            let name = report.figures.name
            var known = rollCall?.known[name] ?? RollCall.Known(figures: report.figures)
            known.told = max(known.told, report.told)
            known.since += report.since
            known.hold = max(known.hold, report.hold)
            if report.learned > 0, known.learned == 0 || report.learned < known.learned {
                known.learned = report.learned
            }
            known.sent.append(contentsOf: report.sent)
            if report.figures.limit < known.figures.limit { known.figures = report.figures }
            rollCall?.known[name] = known
        }
    }

    /// What a replica that has answered used since, cut off once more: else the answers would miss it.
    mutating func addToRollCall(_ figures: BucketFigures, _ uses: [BucketUse]) {
        guard rollCall?.answered.contains(me) == true else { return }
        var known = rollCall?.known[figures.name] ?? RollCall.Known(figures: figures)
        known.sent += uses
        known.since += uses.reduce(0) { $0 + $1.units }
        rollCall?.known[figures.name] = known
    }

    /// Over when its time is up, or all who have to answer did.
    mutating func endRollCall() {
        guard let call = rollCall else { return }
        let isLost = call.forced || call.seen > seq
        let isKnown = max(call.need, call.expected.count) > 0
        let all =
            isLost
            ? call.informed >= call.need && call.expected.isSubset(of: call.answered)
            : call.expected.intersection(call.living).isSubset(of: call.answered)
        if call.closing == 0 {
            guard now >= call.ends || all && isKnown && now >= call.began + Pace.shortestRollCall else { return }
            rollCall?.closing = now
            rollCall?.confirmed = [me]
            rollCall?.ends = now + Pace.rollCallClosing
            if isLost, now < call.ends, !call.expected.isSubset(of: [me]) {
                rollCall?.ends = max(call.ends, now + Pace.rollCallClosing)
                pushes.append(("", .rollCall))
            }
            return
        }
        guard now >= call.ends else { return }
        rollCall = nil
        former = (call.before, now + Pace.dead)
        seq = max(seq, call.seen) + call.bookings
        if isLost || !all { restart(call, isLost: isLost, rebuild: isLost && all && isKnown) }
    }

    /// - Parameters:
    ///   - isLost: what the store knew, or by which clock.
    ///   - rebuild: all that were known told what they sent. Else short windows start as full.
    private mutating func restart(_ call: RollCall, isLost: Bool, rebuild: Bool) {
        epoch = max(epoch + 1, now)
        full = rebuild ? call.full : now
        pacer = nil
        due = Pace.never
        nextSweep = now
        // Whose call it is lives, or said good-bye.
        for id in replicas.keys where id != me {
            replicas[id]?.last = now
            replicas[id]?.pushed = 0
        }
        for known in call.known.values { state(known.figures, fill: false) }
        for lane in lanes.indices {
            lanes[lane].touched = now
            lanes[lane].older = mark(lane)
            lanes[lane].newer = lanes[lane].older
        }
        let shortLimits = buckets.indices.map { buckets[$0] }.filter { !$0.isLong }.map(\.limit.value)
        for index in buckets.indices {
            let had = buckets[index].used
            let known = call.known[buckets[index].name]
            let told = max(had, known?.told ?? 0)
            let sent = known?.sent ?? []
            buckets[index].clear(now: now)
            if isLost { buckets[index].learnAgain(known?.learned ?? 0, hold: known?.hold ?? 0, now: now) }
            if rebuild {
                buckets[index].rebuild(sent: sent, of: told + (known?.since ?? 0), now: now)
                if startsFull(buckets[index]) { buckets[index].fill(told: nil, margin: 0, at: full, now: now) }
            } else if buckets[index].isLong {
                let units = buckets[index].running(sent, now: now).reduce(0) { $0 + $1.units }
                let margin = shortLimits.min() ?? buckets[index].burst.value
                buckets[index].fill(told: max(told, units), margin: margin, at: now, now: now)
            } else {
                buckets[index].fill(told: nil, margin: 0, at: now, now: now)
            }
        }
        shareAfterRestart()
        advanced.removeAll(keepingCapacity: true)
    }

    /// Four times a second at most: drops the waiters of the dead, counts the living, forgets what is empty.
    mutating func sweep() {
        var dead: Set<String> = []
        live = []
        known = []
        nextDeath = Pace.never
        for id in replicas.keys.sorted(by: { $0.utf8Precedes($1) }) {
            guard let record = replicas[id] else { continue }
            if record.last >= now - Pace.dead || id == me && !record.tickets.isEmpty {
                live.append(id)
                known.append(id)
                if id != me, !record.tickets.isEmpty { nextDeath = min(nextDeath, record.last + Pace.dead + 1) }
                continue
            }
            if record.granted > 0, record.granted > now - longestLife { known.append(id) }
            if !record.tickets.isEmpty {
                dead.insert(id)
            } else if record.last < now - Pace.short {
                replicas[id] = nil
            }
        }
        drop(dead)
        nextSweep = isDropping ? now : now + Pace.sweepInterval
        sweepLanes()
    }

    private mutating func drop(_ dead: Set<String>) {
        isDropping = false
        if dead.isEmpty {
            scanned = nil
        } else {
            scanned = scan(from: scanned, budget: Pace.dropsPerCall, dead.contains).next
            isDropping = scanned != nil || dead.contains { replicas[$0]?.tickets.isEmpty == false }
        }
    }

    private mutating func sweepLanes() {
        for lane in lanes.indices.reversed()
        where lanes[lane].waiting == 0 && lanes[lane].touched < now - memory { forget(lane: lane) }
        for key in Array(shared.keys) where sharers(key) < 2 {
            shared[key]?.purge(atMost: 50, ahead: true)
            if shared[key]?.isEmpty == true { shared[key] = nil }
        }
        owed = owed.filter { sharers($0.key) > 0 }
    }

    /// Its clients first, a page at a time.
    mutating func forget(lane: Int) {
        let root = lanes[lane].root
        flows.purge(root, atMost: 50, ahead: true)
        guard flows[root].idle.isEmpty else { return }
        flows.removeRoot(root)
        lanes.remove(at: lane)
    }

    /// Lanes of that urgency that wait for the bucket.
    private func sharers(_ key: BucketUrgency) -> Int {
        lanes.count { $0.waiting > 0 && $0.key.urgency == key.urgency && $0.buckets.contains(key.bucket) }
    }
}

extension Bucket {
    /// Those uses that count in the running window.
    func running(_ uses: [BucketUse], now: Micros) -> [BucketUse] {
        let edge = reset > 0 ? began - Pace.calendarSkew : now - life
        return uses.filter { $0.at > edge }
    }

    /// Books what replicas sent. Of a long window also what others had sent that are gone since, as far as the store had
    /// told of it; when they did is not known.
    ///
    /// - Parameters:
    ///   - sent: each at the end of its slot in a ledger.
    ///   - all: units that were used, at least.
    mutating func rebuild(sent: [BucketUse], of all: Int, now: Micros) {
        var others = all
        for use in running(sent, now: now) {
            book(use.units, at: min(use.at, now + Pace.longestAllowance), now: now)
            // Not where the store may have let go of it, in the end before it told.
            let isTold = reset > 0 ? use.at - width > began : use.at - width > now - per.value
            if isTold { others -= use.units }
        }
        others = min(others, effective - used)
        if isLong, others > 0 { book(others, at: now, now: now) }
    }

    /// Books what may have been used while nobody counted: all of it, or the most that was told and a margin.
    mutating func fill(told: Int?, margin: Int, at time: Micros, now: Micros) {
        var amount = effective - used
        if let told { amount = min(amount, max(0, told - used) + margin) }
        if amount > 0 { book(amount, at: time, now: now) }
    }
}
