/// What a store that lost something is told, and what it may lose again within the roll call.
extension AgentState {
    mutating func answerRollCall(_ reply: QueueReply, jumped: Bool, now: Micros) {
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

    /// What 429s taught and operators ordered within a roll call: the store may be lost again before that is over.
    mutating func learnTaught(_ reply: QueueReply) {
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

    /// Of what a roll call heard of that counts only when it is over, no number shows whether the store still knows it.
    mutating func noteBookings(of mine: Flight?, _ reply: QueueReply) {
        let asked = RollCallAsked(run: run, epoch: reply.epoch)
        if let told = toldInRollCall, told.run != run || reply.rollCall != nil && told != asked {
            // The store is another, or fell back, within the roll call.
            seen = max(seen, reply.seq + 1)
        }
        if reply.rollCall == nil || toldInRollCall != asked { toldInRollCall = nil }
        let isCounted = mine?.items.contains(where: \.operation.isCounted) == true
        if reply.rollCall != nil, isCounted { toldInRollCall = asked }
    }
}

extension BucketState {
    /// A store that lost it has to hear of it.
    fileprivate func isWorthTelling(at time: Micros) -> Bool { used > 0 || learned != nil || hold > time }
}
