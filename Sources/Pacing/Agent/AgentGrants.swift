internal import NIOCore

/// Slots that the store gives.
extension AgentState {
    /// A slot for one of ours: is it still good?
    mutating func grant(_ ticket: QueueTicket, _ stamp: GrantStamp, localLife life: Int, now: Micros) {
        let id = WaiterID(value: ticket.id)
        // The answer that told so may have been lost.
        if let waiting = waiters[id], waiting.ticket.lane != ticket.lane {
            if waiting.waiter.shared?.lane.key == ticket.lane { share(id) }
            if waiting.waiter.stated.key == ticket.lane { unshare(id) }
        }
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
        let id = WaiterID(value: ticket.id)
        let own = waiters[id]?.waiter.stated
        let back = QueueOperation.back(ticket, stamp, requeue: requeue, of: own?.key)
        let item = Item(operation: back, waiter: id, lane: own)
        if life == 0 { pending.append(item) } else { callLocal([item], now: now) }
    }
}
