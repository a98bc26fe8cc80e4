internal import DequeModule

/// Calls to the store, or to this replica's own pacing.
extension AgentState {
    /// Takes what is pending, in calls of a bounded size, and no more of it at a time: Redis answers calls that it finds
    /// together when it has carried out all of them, and slots of the first would be too old by then. The rest goes as
    /// answers come.
    package mutating func flush() {
        guard mode == .connected, !isEnded, owesCall || isUrgent else { return }
        isEnded = isEnding
        nextLeaving = Pace.never
        if nextBeat < latest + Self.earlyBeat { beat(now: latest) }
        settleAll()
        var room = max(0, Self.itemsAtOnce - flying.reduce(0) { $0 + $1.items.count })
        // Nothing was answered for a while: not for want of time.
        if latest > lastCall + Self.longestCall { room = max(room, Self.itemsAtOnce) }
        if isEnding { room = pending.count + entering.count }
        while !(pending.isEmpty && entering.isEmpty) && room > 0 || owesCall {
            let items = takeItems(atMost: min(room, Self.itemsAtOnce))
            guard owesCall || !items.isEmpty else { break }
            owesCall = false
            number += 1
            room -= items.count
            lastCall = latest
            let flight = Flight(number: number, items: items)
            flying.append(flight)
            calls.append(call(flight))
        }
    }

    /// Something is pending that cannot wait for another call.
    private var isUrgent: Bool {
        !entering.isEmpty || pending.count >= Self.itemsAtOnce
            || pending.contains { if case .leave = $0.operation { false } else { true } }
    }

    /// Who enters comes last, and only who still waits.
    private mutating func takeItems(atMost count: Int) -> [Item] {
        var items = Array(pending.prefix(count))
        pending.removeFirst(items.count)
        while items.count < count, let item = entering.popFirst() {
            if let id = item.waiter, waiters[id] != nil { items.append(item) }
        }
        return items
    }

    func call(_ flight: Flight) -> QueueCall {
        var lanes: [LaneFigures] = []
        for case let lane? in flight.items.map(\.lane) where !lanes.contains(lane) { lanes.append(lane) }
        return QueueCall(
            replica: id,
            number: flight.number,
            run: run,
            seen: seen,
            peers: peers?.known.count ?? 0,
            maxWaiting: settings.maxWaiting,
            lanes: lanes,
            operations: flight.items.map(\.operation)
        )
    }

    /// Whatever was lost: enters all again, at their old places.
    mutating func resync(now: Micros) {
        var underWay: Set<WaiterID> = []
        for item in flying.flatMap(\.items) + entering {
            if case .enter = item.operation, let id = item.waiter { underWay.insert(id) }
        }
        unshare { !underWay.contains($0) }
        for waiting in waiters.values.sorted(by: { $0.ticket < $1.ticket })
        where !underWay.contains(waiting.waiter.id) {
            let (waiter, ticket) = (waiting.waiter, waiting.ticket)
            entering.append(
                Item(operation: .enter(ticket, patience: nil), waiter: waiter.id, lane: waiter.lane)
            )
        }
        counters.resyncs += 1
    }

    /// Who waits in a lane that models share is to enter as whose call it is: which models share the other side, another
    /// store or this replica's own pacing, may not know, nor what their own buckets hold.
    mutating func unshare(_ which: (WaiterID) -> Bool = { _ in true }) {
        for id in Array(waiters.keys) where which(id) { unshare(id) }
    }

    mutating func unshare(_ id: WaiterID) {
        guard let waiting = waiters[id], let waiter = waiting.waiter.unshared else { return }
        waiters[id]?.waiter = waiter
        waiters[id]?.ticket = QueueTicket(waiting.ticket, lane: waiter.lane.key)
    }

    mutating func callLocal(_ items: [Item], now: Micros) {
        guard let time = clock.latest(at: now), var pacing = local else { return }
        // One owner: else the first change would copy all that wait.
        local = nil
        var lanes: [LaneFigures] = []
        for case let lane? in items.map(\.lane) where !lanes.contains(lane) { lanes.append(lane) }
        let reply = pacing.call(
            lanes: lanes,
            operations: items.map(\.operation),
            maxWaiting: settings.maxWaiting,
            now: time
        )
        local = pacing
        for (item, result) in zip(items, reply.results) { take(result, for: item, now: now) }
        for (ticket, stamp) in zip(reply.grants, reply.stamps) {
            grant(ticket, stamp, localLife: localLife, now: now)
        }
        localDue = reply.due.map { max($0 - time, 500) + now } ?? Pace.never
    }
}
