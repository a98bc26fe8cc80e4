/// The store's clock, and its jumps.
extension AgentState {
    /// - Returns: false where the store's clock jumped.
    mutating func learnTime(_ reply: QueueReply, sent: Micros, now: Micros) -> Bool {
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

    /// Once an epoch: the store starts another with it.
    mutating func tellJump(_ epoch: Micros) {
        guard toldJump != epoch else { return }
        toldJump = epoch
        counters.jumps += 1
        pending.append(Item(operation: .jump(epoch: epoch)))
    }
}
