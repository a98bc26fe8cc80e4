import Pacing

/// Ways to break the algorithm, each of which one invariant has to notice: what cannot fail shows nothing.
enum Sabotage: String, CaseIterable {
    /// Slots are not counted. · A refused call's slot is given back. · A paused process uses one. · The day begins early.
    case unbooked, refundsRefused, sendsStale, resetsEarly
    /// Estimates are booked by half. · What was short is never charged.
    case halfEstimates, neverSettles
    /// A model that shares a bucket goes back to its own every other time.
    case splitsModels
    /// A lost store is not noticed. · Each replica takes the whole quota when cut off.
    case forgetsLosses, wholeParts
    /// A store that lost them hears of no order, hold or learned limit; nobody says that the clock jumped.
    case forgetsOrders, forgetsHolds, forgetsLearned, ignoresJumps
    /// The upstream's hold, its lower limit, an older configuration's lower limit, an operator's pause are not heard.
    case ignoresHold, ignoresLearned, ignoresLower, ignoresPause
    /// No slot reaches anybody. · Timers do not fire. · A refusal comes twice. · Calls are lost, with every recovery.
    case givesNothing, sleepyTimers, endsTwice, losesWaiters
    /// Who ends says no good-bye: nobody else is told to call for the next slot.
    case saysNoGoodbye
    /// Nobody leaves. · The dead go on calling.
    case keepsGhosts, keepsTheDead
    /// First come, first served between clients, between users; weights, the floor of urgencies are not kept.
    case oneClient, oneUser, equalWeights, starvesUrgency
    /// Small calls pass large ones for ever.
    case delaysLarge

    /// What the failure has to say.
    var notice: String {
        switch self {
        case .unbooked, .refundsRefused, .sendsStale, .resetsEarly, .halfEstimates, .neverSettles, .forgetsLosses,
            .wholeParts, .ignoresLearned, .ignoresLower, .forgetsLearned, .ignoresJumps, .splitsModels:
            "exceeded"
        case .ignoresHold, .forgetsHolds: "while the upstream holds it"
        case .ignoresPause, .forgetsOrders: "while it is paused"
        case .givesNothing: "stuck"
        case .saysNoGoodbye: "idle"
        case .sleepyTimers: "waits beyond its deadline"
        case .endsTwice: "ended"
        case .losesWaiters, .keepsGhosts: "the store counts"
        case .keepsTheDead: "waiters of the dead"
        case .oneClient: "of client"
        case .oneUser: "of user"
        case .equalWeights: "shares of"
        case .starvesUrgency: "starves"
        case .delaysLarge: "is first in order and delayed"
        }
    }

    /// Where the search for it begins: short jumps of the clock within a roll call are one schedule's in 10,000.
    var firstSeed: Int { self == .ignoresJumps ? 14_000 : 1 }

    func change(_ call: inout QueueCall) {
        switch self {
        case .resetsEarly:
            change(&call) { if $0.reset > 0 { $0.reset -= 4_000_000 } }
        case .ignoresLower:
            change(&call) { $0.limit = 1000 }
        case .splitsModels:
            guard call.number % 2 == 0 else { return }
            for lane in call.lanes.indices { call.lanes[lane].shared = nil }
        case .forgetsLosses:
            call.run = "1"
            call.seen = 0
            call.peers = 0
            call.operations.removeAll { if case .report = $0 { true } else { false } }
        default: call.operations = call.operations.compactMap(change)
        }
    }

    private func change(_ call: inout QueueCall, _ body: (inout BucketFigures) -> Void) {
        for lane in call.lanes.indices {
            for bucket in call.lanes[lane].buckets.indices { body(&call.lanes[lane].buckets[bucket]) }
        }
    }

    private func change(_ operation: QueueOperation) -> QueueOperation? {
        switch (self, operation) {
        case (.neverSettles, .settle), (.ignoresPause, .pause), (.forgetsOrders, .pauses), (.ignoresJumps, .jump): nil
        case (.forgetsHolds, .report(let reports, let peers, let full)):
            .report(reports.map { report($0, hold: 0) }, peers: peers, full: full)
        case (.forgetsLearned, .report(let reports, let peers, let full)):
            .report(reports.map { report($0, learned: 0) }, peers: peers, full: full)
        case (.refundsRefused, .refused(let ticket, let stamp, _, _, _, let requeue, let own)):
            .back(ticket, stamp, requeue: requeue, of: own)
        case (.ignoresHold, .refused(let ticket, let stamp, let buckets, _, let learned, let requeue, let own)):
            .refused(ticket, stamp, buckets: buckets, hold: 0, learned: learned, requeue: requeue, of: own)
        case (.ignoresLearned, .refused(let ticket, let stamp, let buckets, let hold, _, let requeue, let own)):
            .refused(ticket, stamp, buckets: buckets, hold: hold, learned: nil, requeue: requeue, of: own)
        case (.saysNoGoodbye, .bye): nil
        case (.keepsGhosts, .leave), (.keepsGhosts, .reset): nil
        case (.losesWaiters, .enter(let ticket, _)) where ticket.id % 3 == 0: nil
        case (_, .enter(let ticket, let patience)): .enter(change(ticket), patience: patience)
        default: operation
        }
    }

    private func report(_ report: BucketReport, learned: Int? = nil, hold: Micros? = nil) -> BucketReport {
        var report = report
        report.learned = learned ?? report.learned
        report.hold = hold ?? report.hold
        return report
    }

    private func change(_ ticket: QueueTicket) -> QueueTicket {
        QueueTicket(
            lane: ticket.lane,
            client: self == .oneClient ? "" : ticket.client,
            user: self == .oneUser || self == .oneClient ? "" : ticket.user,
            place: ticket.place,
            owner: ticket.owner,
            id: ticket.id,
            weight: self == .equalWeights ? 1 : ticket.weight,
            allowance: ticket.allowance,
            costs: self == .halfEstimates ? ticket.costs.map { ($0 + 1) / 2 } : ticket.costs
        )
    }

    func change(_ outcome: inout QueueState.Outcome, after call: QueueCall, in store: SimulatedStore) {
        switch self {
        case .wholeParts:
            if outcome.reply.peers != nil { outcome.reply.peers?.count = 1 }
            outcome.reply.peers?.rank = 0
        case .unbooked:
            for (ticket, stamp) in slots(outcome) { store.takeBack(ticket, stamp, requeue: false) }
        case .givesNothing: takeBack(&outcome, in: store) { _ in true }
        case .delaysLarge: takeBack(&outcome, in: store) { $0.costs.contains { $0 >= 900 } }
        case .starvesUrgency: takeBack(&outcome, in: store) { $0.lane.urgency == 6 }
        case .keepsTheDead:
            for replica in store.replicas.values where replica.isDead { store.probe(as: replica.id) }
        default: break
        }
    }

    private func slots(_ outcome: QueueState.Outcome) -> [(QueueTicket, GrantStamp)] {
        var slots = Array(zip(outcome.reply.grants, outcome.reply.stamps))
        for case (_, .grant(let ticket, let stamp, _)) in outcome.pushes { slots.append((ticket, stamp)) }
        return slots
    }

    private func takeBack(_ outcome: inout QueueState.Outcome, in store: SimulatedStore, _ which: (QueueTicket) -> Bool)
    {
        for (ticket, stamp) in slots(outcome) where which(ticket) {
            store.takeBack(ticket, stamp, requeue: true)
        }
        let kept = zip(outcome.reply.grants, outcome.reply.stamps).filter { !which($0.0) }
        outcome.reply.grants = kept.map(\.0)
        outcome.reply.stamps = kept.map(\.1)
        outcome.pushes.removeAll { if case .grant(let ticket, _, _) = $0.push { which(ticket) } else { false } }
    }
}
