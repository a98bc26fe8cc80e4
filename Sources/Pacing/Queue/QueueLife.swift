/// Another store, another clock, dead replicas, and what nobody needs any more.
extension QueueState {
    mutating func checkLife(_ call: QueueCall, wentBack: Bool, silence: Micros) {
        if call.run != run {
            run = call.run
            startRollCall(forced: wentBack)
        } else if wentBack {
            startRollCall(forced: true)
        } else if rollCall == nil, call.seen > seq || silence > Pace.silence {
            // Lost writes; or nobody was served for a while, and each went on by itself.
            startRollCall(forced: false)
        }
        if var roll = rollCall {
            roll.seen = max(roll.seen, call.seen)
            roll.need = max(roll.need, call.peers)
            rollCall = roll
        }
    }

    /// - Parameter forced: the clock jumped, so what is booked is wrong; a new epoch makes grants on their way stale.
    mutating func startRollCall(forced: Bool) {
        rollCall = RollCall(
            began: now,
            ends: now + Pace.rollCall,
            forced: forced || rollCall?.forced == true,
            back: (rollCall?.back ?? 0) + setBack,
            bookings: rollCall?.bookings ?? 0
        )
        setBack = 0
        if forced {
            rollCall?.need = known
            epoch = max(epoch + 1, now)
        }
        pushes.append(("", .rollCall))
    }

    mutating func answer(_ reports: [BucketReport], isInformed: Bool) {
        guard rollCall?.answered.insert(me).inserted == true else { return }
        if isInformed { rollCall?.informed += 1 }
        for report in reports {
            let name = report.figures.name
            var known = rollCall?.known[name] ?? RollCall.Known(figures: report.figures, told: 0, sent: [])
            known.told = max(known.told, report.told)
            known.sent.append(contentsOf: report.sent)
            if report.figures.limit < known.figures.limit { known.figures = report.figures }
            rollCall?.known[name] = known
        }
    }

    /// What a replica that has answered used since, cut off once more: else the answers would miss it.
    mutating func addToRollCall(_ figures: BucketFigures, _ uses: [BucketUse]) {
        guard rollCall?.answered.contains(me) == true else { return }
        rollCall?.known[figures.name, default: RollCall.Known(figures: figures, told: 0, sent: [])].sent += uses
    }

    /// Over when its time is up, or all who have to answer did.
    mutating func endRollCall() {
        guard let call = rollCall else { return }
        let all = call.informed >= call.need
        if call.closing == 0 {
            guard now >= call.ends || all && call.need > 0 && now >= call.began + Pace.shortestRollCall else { return }
            rollCall?.closing = now
            rollCall?.ends = now + Pace.rollCallClosing
            return
        }
        guard now >= call.ends else { return }
        rollCall = nil
        let isLost = call.forced || call.seen > seq || !all
        seq = max(seq, call.seen) + call.bookings
        if isLost { restart(call, rebuild: all && call.need > 0) }
    }

    /// - Parameter rebuild: all that were known told what they sent. Else short windows start as full.
    private mutating func restart(_ call: RollCall, rebuild: Bool) {
        epoch = max(epoch + 1, now)
        full = rebuild ? 0 : now
        pacer = nil
        due = Pace.never
        nextSweep = now
        for id in replicas.keys {
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
            let known = call.known[buckets[index].name]
            if buckets[index].isLong {
                let margin = shortLimits.min() ?? buckets[index].burst.value
                let sent = known.map { buckets[index].running($0.sent, now: now) } ?? 0
                let told = max(buckets[index].used, known?.told ?? 0, sent)
                buckets[index].clear(now: now)
                buckets[index].fill(told: told, margin: margin, at: now, now: now)
            } else {
                buckets[index].clear(now: now)
                if !rebuild { buckets[index].fill(told: nil, margin: 0, at: now, now: now) }
                for use in rebuild ? known?.sent ?? [] : [] {
                    buckets[index].book(use.units, at: min(use.at, now + Pace.longestAllowance), now: now)
                }
            }
        }
        advanced.removeAll(keepingCapacity: true)
    }

    /// Four times a second at most: drops the waiters of the dead, counts the living, forgets what is empty.
    mutating func sweep() {
        var dead: Set<String> = []
        live = []
        known = 0
        nextDeath = Pace.never
        for id in replicas.keys.sorted(by: { $0.utf8Precedes($1) }) {
            guard let record = replicas[id] else { continue }
            if id == me || record.last >= now - Pace.dead {
                live.append(id)
                known += 1
                if id != me, !record.tickets.isEmpty { nextDeath = min(nextDeath, record.last + Pace.dead + 1) }
                continue
            }
            if record.granted > 0, record.granted > now - longestLife { known += 1 }
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
        for lane in lanes.indices.reversed() where lanes[lane].waiting == 0 {
            guard lanes[lane].touched < now - Pace.laneMemory else { continue }
            let root = lanes[lane].root
            flows.purge(root, atMost: 50, ahead: true)
            if flows[root].idle.isEmpty {
                flows.removeRoot(root)
                lanes.remove(at: lane)
            }
        }
        for key in Array(shared.keys) where sharers(key) < 2 {
            shared[key]?.purge(atMost: 50, ahead: true)
            if shared[key]?.isEmpty == true { shared[key] = nil }
        }
        owed = owed.filter { sharers($0.key) > 0 }
    }

    /// Lanes of that urgency that wait for the bucket.
    private func sharers(_ key: BucketUrgency) -> Int {
        lanes.count { $0.waiting > 0 && $0.key.urgency == key.urgency && $0.buckets.contains(key.bucket) }
    }
}

extension Bucket {
    /// Units of those uses that count in the running window.
    func running(_ uses: [BucketUse], now: Micros) -> Int {
        let edge = reset > 0 ? reset - per.value - Pace.calendarSkew : now - life
        return uses.reduce(0) { $1.at > edge ? $0 + $1.units : $0 }
    }

    /// Books what may have been used while nobody counted: all of it, or the most that was told and a margin.
    mutating func fill(told: Int?, margin: Int, at time: Micros, now: Micros) {
        var amount = effective - used
        if let told { amount = min(amount, max(0, told - used) + margin) }
        if amount > 0 { book(amount, at: time, now: now) }
    }
}
