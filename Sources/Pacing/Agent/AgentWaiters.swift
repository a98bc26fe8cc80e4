internal import NIOCore

/// What the callers ask for.
extension AgentState {
    package mutating func enter(_ waiter: QueueWaiter, now: Micros) {
        latest = now
        if let bucket = waiter.tooLargeFor { return refuse(waiter, .tooLargeForQuota(bucket: bucket)) }
        switch mode {
        case .cut: return refuse(waiter, .unavailable)
        case .connecting(let since) where now >= since + Self.connectPatience: return refuse(waiter, .unavailable)
        default: break
        }
        counters.entered += 1
        let spent = waiter.patience < Pace.never ? now - waiter.entered : 0
        add(waiter, patience: max(0, waiter.patience - spent), now: now)
    }

    /// - Parameter patience: nil where it was in the queue before.
    private mutating func add(_ waiter: QueueWaiter, patience: Micros?, now: Micros) {
        guard waiter.deadline > now else { return refuse(waiter, .timedOut) }
        // Whether it shares is for the store to say anew.
        let waiter = waiter.unshared ?? waiter
        let place = (clock.latest(at: now) ?? now) - (now - waiter.entered)
        let ticket = waiter.ticket(owner: id, place: place)
        insert(waiter, ticket)
        let item = Item(operation: .enter(ticket, patience: patience), waiter: waiter.id, lane: waiter.lane)
        if mode != .local {
            entering.append(item)
        } else if local?.fits(waiter) == true {
            callLocal([item], now: now)
        }
    }

    private mutating func insert(_ waiter: QueueWaiter, _ ticket: QueueTicket) {
        waiters[waiter.id] = Waiting(waiter: waiter, ticket: ticket)
        if waiter.deadline < Pace.never { deadlines.insert(Deadline(time: waiter.deadline, id: waiter.id.value)) }
        if waiter.wantsPosition { positioned.append(waiter.id) }
    }

    @discardableResult
    mutating func remove(_ id: WaiterID) -> Waiting? {
        guard let waiting = waiters.removeValue(forKey: id) else { return nil }
        deadlines.remove(Deadline(time: waiting.waiter.deadline, id: id.value))
        return waiting
    }

    package mutating func leave(_ id: WaiterID, now: Micros) {
        latest = now
        guard let waiting = remove(id) else { return }
        counters.left += 1
        tellLeft(waiting.ticket, now: now)
    }

    mutating func tellLeft(_ ticket: QueueTicket, now: Micros) {
        let item = Item(operation: .leave(ticket))
        switch mode {
        case .local: callLocal([item], now: now)
        case .connected:
            pending.append(item)
            nextLeaving = min(nextLeaving, now + Self.leaveWithin)
        case .connecting:
            // It may be there since before this process was paused.
            if epoch != nil { pending.append(item) }
        case .cut: break
        }
    }

    /// A grant that no byte was written for.
    ///
    /// - Parameters:
    ///   - requeue: its caller still wants a slot: to the front, by arrival.
    ///   - allowance: how long the next grant has to live, where this one was too short.
    package mutating func handBack(_ grant: Grant, requeue: Bool, allowance: Micros?, now: Micros) {
        counters.handBacks += 1
        let waiter = grant.waiter
        let at = grant.deadline.micros
        ledger.record(waiter.lane, costs: waiter.costs, at: at, sign: -1)
        let wanted = min(max(1, allowance ?? waiter.allowance), Pace.longestAllowance)
        let sameTicket = wanted == waiter.allowance
        let waits = requeue && waiter.deadline > now
        let isOurs = grant.localLife > 0
        if isOurs { localUse.record(waiter.lane, costs: waiter.costs, at: at, sign: -1) }
        if isOurs, grant.localLife != localLife || mode != .local {
            // Granted by a pacing that is over: nothing to unbook.
        } else {
            let item = Item(
                operation: .back(grant.ticket, grant.stamp, requeue: waits && sameTicket, of: waiter.stated.key),
                waiter: waiter.id,
                lane: waiter.stated
            )
            if isOurs {
                if waits && sameTicket { insert(waiter, grant.ticket) }
                callLocal([item], now: now)
                if waits && sameTicket { return }
            } else if mode == .connected, waits, sameTicket {
                insert(waiter, grant.ticket)
                pending.append(item)
                return
            } else {
                pending.append(
                    Item(operation: .back(grant.ticket, grant.stamp, requeue: false), lane: waiter.stated)
                )
            }
        }
        if requeue { add(sameTicket ? waiter : waiter.living(wanted), patience: nil, now: now) }
    }

    /// The upstream answered 429.
    ///
    /// - Parameters:
    ///   - bucket: which the answer named; nil: all that count requests.
    ///   - hold: for how long nothing may go; nil: one emission interval, doubling.
    ///   - learned: the limit that the answer stated.
    package mutating func upstreamRefused(
        _ grant: Grant,
        bucket: String?,
        hold: Micros?,
        learned: Int?,
        requeue: Bool,
        now: Micros
    ) {
        counters.refusals += 1
        let waiter = grant.waiter
        let names = waiter.buckets(named: bucket)
        var waits = requeue && waiter.deadline > now + (hold ?? 0)
        if let learned {
            for (figures, cost) in zip(waiter.lane.buckets, waiter.costs)
            where names.contains(where: figures.name.isExactly) && cost > learned {
                waits = false
            }
        }
        let isOurs = grant.localLife > 0 && grant.localLife == localLife && mode == .local
        let toFront = waits && (isOurs || grant.localLife == 0 && mode == .connected)
        let part = local?.part
        let taught = isOurs ? learned.map { max(1, part?.of($0) ?? $0) } : learned
        let item = Item(
            operation: .refused(
                grant.ticket,
                grant.stamp,
                buckets: names,
                hold: hold,
                learned: taught,
                requeue: toFront,
                of: waiter.stated.key
            ),
            waiter: waiter.id,
            lane: waiter.stated
        )
        if toFront { insert(waiter, grant.ticket) }
        if isOurs { callLocal([item], now: now) } else { pending.append(item) }
        if waits, !toFront { add(waiter, patience: nil, now: now) }
        if requeue, !waits {
            refuse(waiter, .upstreamRefused, wait: hold ?? 0, retryAfter: hold ?? 1_000_000)
        }
    }

    /// An upstream's 429 named a second bucket of the call. It is told of a ticket that costs nothing, so that no charge
    /// is undone twice.
    package mutating func teach(_ grant: Grant, bucket: String, hold: Micros?, learned: Int?, now: Micros) {
        let isOurs = grant.localLife > 0 && grant.localLife == localLife && mode == .local
        let part = local?.part
        let ticket = QueueTicket(
            lane: grant.ticket.lane,
            client: grant.ticket.client,
            user: grant.ticket.user,
            place: grant.ticket.place,
            owner: grant.ticket.owner,
            id: grant.ticket.id,
            weight: grant.ticket.weight,
            allowance: grant.ticket.allowance,
            costs: grant.ticket.costs.map { _ in 0 }
        )
        let item = Item(
            operation: .refused(
                ticket,
                grant.stamp,
                buckets: grant.waiter.buckets(named: bucket),
                hold: hold,
                learned: isOurs ? learned.map { max(1, part?.of($0) ?? $0) } : learned,
                requeue: false
            ),
            lane: grant.waiter.lane
        )
        if isOurs { callLocal([item], now: now) } else { pending.append(item) }
    }

    package mutating func pause(quota: String, paused: Bool, now: Micros) {
        latest = now
        let item = Item(operation: .pause(quota: quota, paused: paused))
        guard let time = clock.latest(at: now) else { return pending.append(item) }
        // An order given elsewhere meanwhile may be the later one. The store dated the last one when it heard of it.
        let last = pauses.first { $0.quota.isExactly(quota) }?.at ?? 0
        let order = QuotaPause(quota: quota, paused: paused, at: time > last ? time : last + Self.longestSilence)
        pauses.removeAll { $0.quota.isExactly(quota) }
        pauses.append(order)
        if mode == .connected { return pending.append(item) }
        if mode == .local { callLocal([item], now: now) }
        pending.append(Item(operation: .pauses([order])))
    }

    // MARK: Refusing

    mutating func refuse(
        _ waiter: QueueWaiter,
        _ reason: QueueRefusal.Reason,
        wait: Micros = 0,
        retryAfter: Micros = 1_000_000
    ) {
        counters.count(reason)
        // Where nobody can say when: a day.
        func told(_ span: Micros) -> Duration { .microseconds(span < Pace.never / 2 ? span : 86_400_000_000) }
        let refusal = QueueRefusal(reason: reason, expectedWait: told(wait), retryAfter: told(max(1, retryAfter)))
        outbox.append((waiter, .refused(refusal)))
    }

    /// The last words of a process that ends.
    package mutating func close() {
        isEnding = true
        for waiting in waiters.values { tellLeft(waiting.ticket, now: 0) }
        refuseAll()
        if mode == .connected { pending.append(Item(operation: .bye)) }
    }

    mutating func refuseAll() {
        for waiting in waiters.values.sorted(by: { $0.ticket < $1.ticket }) {
            remove(waiting.waiter.id)
            refuse(waiting.waiter, .unavailable)
        }
        entering.removeAll()
    }
}
