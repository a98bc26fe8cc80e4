internal import DequeModule

/// What an agent knows and wants: its waiters, its calls on their way, its idea of the store. No I/O; time is a parameter,
/// in microseconds of the monotonic clock.
///
/// Inputs are the methods; what is to be done piles up in `outbox` and `calls`, which the driver takes after each.
package struct AgentState: Sendable {
    /// Where slots come from.
    package enum Mode: Sendable, Equatable {
        /// Never reached the store yet, or this process was paused and has to hear from it first.
        case connecting(since: Micros)
        case connected
        /// Paces its part by itself.
        case local
        /// Out of reach, and no part: nobody is granted anything.
        case cut(since: Micros)
    }

    package struct Waiting: Sendable {
        package var waiter: QueueWaiter
        package var ticket: QueueTicket
        /// Of each of its buckets, how many had entered before it, in which life of the buckets; nil: not known.
        var arrival: (counts: [Int], epoch: Micros)?

        init(waiter: QueueWaiter, ticket: QueueTicket) {
            self.waiter = waiter
            self.ticket = ticket
        }
    }

    struct Deadline: Comparable, Sendable {
        var time: Micros
        var id: Int
        static func < (left: Deadline, right: Deadline) -> Bool { (left.time, left.id) < (right.time, right.id) }
    }

    struct Item: Sendable {
        var operation: QueueOperation
        var waiter: WaiterID?
        var lane: LaneFigures?
    }

    struct Flight: Sendable {
        var number: Int
        var items: [Item]
    }

    /// Which roll call it was: another one comes with another store or another epoch.
    struct RollCallAsked: Sendable, Equatable {
        var run: String
        var epoch: Micros
    }

    static let beatInterval: Micros = 1_000_000
    /// A beat goes with another call that leaves so long before it is due.
    static let earlyBeat: Micros = 500_000
    /// A pushed grant is confirmed by some call within this time.
    static let confirmWithin: Micros = 600_000
    /// That a caller left is told with another call that goes within this time, or in one of its own.
    static let leaveWithin: Micros = 20_000
    /// How long the store's count of this replica's tickets may differ.
    static let mismatchPatience: Micros = 250_000
    /// Slots that are on their way to it explain fewer, for so long at most; and how often it asks again meanwhile.
    static let longestMismatch: Micros = 1_000_000
    static let mismatchInterval: Micros = 20_000
    static let probeInterval: Micros = 200_000
    /// How long callers wait for the first connection, or for one that was lost under `closed`.
    static let connectPatience: Micros = 1_000_000
    static let lossPatience: Micros = 3_000_000
    /// The store answers once a second, or a call fails after half of one: who heard nothing for longer was itself paused.
    static let longestSilence: Micros = 2_000_000
    /// Within a beat, and the time that a call may take, all others have heard of a replica that is new.
    static let joining: Micros = 1_500_000
    static let itemsAtOnce = 24
    /// An answer that takes longer is lost rather than late.
    static let longestCall: Micros = 250_000
    static let estimatesPerBeat = 50
    static let noSlot: (call: Micros, due: Micros, told: Micros) = (Pace.never, Pace.never, 0)

    package let id: String
    let settings: QueueSettings
    package private(set) var mode: Mode
    package var outbox: [(waiter: QueueWaiter, event: QueueEvent)] = []
    package var calls: [QueueCall] = []
    package var waiters: [WaiterID: Waiting] = [:]
    package var counters = QueueCounters()
    /// Its last words are to be said, and then nothing more.
    var isEnding = false
    var isEnded = false
    var lastCall: Micros = 0
    /// Buckets of which the store told looser figures than this replica's, and until when it states its own.
    var disagreed: NameMap<Micros> = [:]
    /// What the store last told of each bucket.
    var told: NameMap<BucketState> = [:]

    var clock = StoreClock()
    var epoch: Micros?
    /// When the store last answered.
    var lastReply: Micros = 0
    /// When the store first heard of it, or again after others may have taken it for dead.
    var joined: Micros?
    var isStoreUp = false
    var run = ""
    var number = 0
    /// What is to be told, but for who enters.
    var pending: [Item] = []
    /// Who enters, and who asks for its place: thousands after a loss, so behind all else.
    var entering: Deque<Item> = []
    var flying: Deque<Flight> = []
    var seen = 0
    var peers: QueueReply.Peers?
    /// When the store's buckets last started as full, as far as it was told; nil: never.
    var full: Micros?
    var deadlines = SortedSet<Deadline>()
    var positioned: Deque<WaiterID> = []
    /// Since when the store counts other tickets of this replica than it has, and how many bookings there had been then.
    var mismatch: (since: Micros, seq: Int)?
    var answeredRollCall: RollCallAsked?
    var inRollCall = false
    /// In which roll call the store heard of bookings that it counts only when that is over.
    var toldInRollCall: RollCallAsked?
    /// What the last newcomer of a bucket was told, and when.
    var expected: NameMap<(wait: Micros, at: Micros)> = [:]
    /// The epoch of which the store was told that its clock jumped.
    var toldJump: Micros?
    var nextBeat: Micros = Pace.never
    /// When to call as a slot is due, by which time of the store, and when that said so: until another replica is to.
    var nextSlot = Self.noSlot
    /// When to call for another reason: a grant to be confirmed, a roll call over.
    var nextCall: Micros = Pace.never
    var nextProbe: Micros = Pace.never
    /// When to tell who left, if no call goes before.
    var nextLeaving: Micros = Pace.never
    /// A call is due although nothing is pending.
    var owesCall = false
    /// The time of the last input.
    var latest: Micros
    /// What calls really took, not yet told: it waits for another call, at most until `nextSettling`.
    var settlements: [(grant: Grant, actual: [Int])] = []
    var nextSettling: Micros = Pace.never
    /// What the store last told of pauses.
    var pauses: [QuotaPause] = []
    var moves: NameMap<QuotaMoves> = [:]
    var ledger = UseLedger()
    /// Used by local pacing and not yet told to the store.
    var localUse = UseLedger()
    /// Units that were granted, or settled above their estimate, since the store last told how the buckets stand.
    var untold: [Untold] = []
    /// What was used by its part is on its way to the store, or has still to go.
    var owesUse = false
    var local: LocalPacing?
    var localDue: Micros = Pace.never
    var localLife = 0

    package init(id: String, settings: QueueSettings, now: Micros) {
        self.id = id
        self.settings = settings
        latest = now
        mode = .connecting(since: now)
    }

    /// Whether newcomers may be granted: connected and no roll call, or local.
    package var isReady: Bool { mode == .connected && !inRollCall && epoch != nil || mode == .local }

    /// When `wake` has something to do.
    package var nextWake: Micros {
        var next = min(deadlines.first?.time ?? Pace.never, nextProbe)
        switch mode {
        case .connected:
            next = min(next, nextBeat, nextSlot.call, nextCall, nextLeaving, inRollCall ? Pace.never : nextSettling)
        case .local: next = min(next, localDue)
        case .connecting(let since):
            if !waiters.isEmpty || mayGoLocal { next = min(next, since + Self.connectPatience) }
        case .cut(let since):
            if !waiters.isEmpty { next = min(next, since + Self.lossPatience) }
        }
        return next
    }

    package mutating func wake(now: Micros) {
        latest = now
        while let first = deadlines.first, first.time <= now {
            let id = WaiterID(value: first.id)
            if let waiting = remove(id) {
                tellLeft(waiting.ticket, now: now)
                // It is near the front, where its slot would go to waste.
                owesCall = true
                refuse(waiting.waiter, .timedOut)
            } else {
                deadlines.remove(first)
            }
        }
        if now >= nextProbe { probe(now: now) }
        switch mode {
        case .connected:
            if now >= nextSlot.call {
                nextSlot = Self.noSlot
                owesCall = true
            }
            if now >= nextCall {
                nextCall = Pace.never
                owesCall = true
            }
            if now >= nextLeaving { owesCall = true }
            if now >= nextSettling, !inRollCall { owesCall = true }
            if now >= nextBeat { beat(now: now) }
        case .local:
            if now >= localDue { callLocal([], now: now) }
        case .connecting(let since):
            if now >= since + Self.connectPatience, !goLocal(now: now) { refuseAll() }
        case .cut(let since):
            if now >= since + Self.lossPatience { refuseAll() }
        }
    }

    mutating func beat(now: Micros) {
        nextBeat = now + Self.beatInterval
        pending.append(Item(operation: .beat))
        ledger.purge(now: now)
        stateFigures(now: now)
        for _ in 0..<min(Self.estimatesPerBeat, positioned.count) {
            guard let id = positioned.popFirst(), let waiting = waiters[id] else { continue }
            positioned.append(id)
            entering.append(Item(operation: .estimate(waiting.ticket), waiter: id))
        }
    }

    // MARK: The store comes and goes

    package mutating func storeUp(run: String, now: Micros) {
        isStoreUp = true
        self.run = run
        if case .connecting = mode {
            connect(now: now)
        } else {
            probe(now: now)
        }
    }

    package mutating func storeDown(now: Micros) {
        isStoreUp = false
        nextProbe = Pace.never
        lose(now: now)
    }

    /// A call was not answered in time.
    package mutating func callFailed(now: Micros) {
        counters.failures += 1
        lose(now: now)
        if isStoreUp { nextProbe = min(nextProbe, now + Self.probeInterval) }
    }

    private mutating func lose(now: Micros) {
        switch mode {
        case .local, .cut: return
        case .connecting:
            // What was sent on a connection that broke before its first answer goes out again with the next one.
            return
        case .connected: break
        }
        if mayGoLocal, now > lastReply + Self.longestSilence {
            // Others went on meanwhile: what it was told of the buckets is no longer true.
            mode = .connecting(since: now)
        } else if !goLocal(now: now) {
            mode = .cut(since: now)
        }
    }

    private var mayGoLocal: Bool { settings.policy == .local && peers != nil && clock.isKnown }

    /// Whether the others' parts are of what leaves one for this replica: they have to have heard of it.
    private func isPeer(at now: Micros) -> Bool {
        peers?.count == 1 || joined.map { now >= $0 + Self.joining } ?? false
    }

    /// - Returns: false where it may not, or was told nothing to go by.
    private mutating func goLocal(now: Micros) -> Bool {
        guard settings.policy == .local, let peers, let time = clock.latest(at: now), isPeer(at: now) else {
            return false
        }
        mode = .local
        counters.losses += 1
        localLife += 1
        var pacing = LocalPacing(
            owner: id,
            part: LocalPacing.Part(count: max(1, peers.count), rank: peers.rank),
            buckets: told.values.sorted { $0.name.utf8Precedes($1.name) },
            pauses: pauses,
            now: time
        )
        for use in untold { pacing.book(use.lane, costs: use.costs, at: time + use.at - now, now: time) }
        local = pacing
        unshare()
        let operations = waiters.values.filter { pacing.fits($0.waiter) }.sorted { $0.ticket < $1.ticket }
            .map { Item(operation: .enter($0.ticket, patience: nil), waiter: $0.waiter.id, lane: $0.waiter.lane) }
        entering.removeAll()
        callLocal(operations, now: now)
        return true
    }

    /// Asks whether the store answers, without doing anything: what was used meanwhile is told before a grant.
    private mutating func probe(now: Micros) {
        nextProbe = isStoreUp ? now + Self.probeInterval : Pace.never
        guard isStoreUp else { return }
        calls.append(
            QueueCall(
                replica: id,
                number: 0,
                run: run,
                seen: seen,
                peers: peers?.known.count ?? 0,
                maxWaiting: settings.maxWaiting,
                lanes: [],
                operations: []
            )
        )
    }

    /// The store answers: unanswered calls again, in order, then what was used, then who waits.
    mutating func connect(now: Micros) {
        answeredRollCall = nil
        mode = .connected
        local = nil
        localDue = Pace.never
        nextProbe = Pace.never
        mismatch = nil
        for index in flying.indices {
            flying[index].items.removeAll { item in
                guard case .enter = item.operation, let id = item.waiter else { return false }
                return waiters[id] == nil
            }
            calls.append(call(flying[index]))
        }
        let kept = pending
        pending = []
        if let time = clock.latest(at: now) {
            for (figures, uses) in localUse.uses(now: now, convert: { $0 + time - now }) {
                pending.append(Item(operation: .used(figures, uses)))
                owesUse = true
            }
            for (figures, uses) in localUse.uses(now: now, convert: { $0 }) {
                let lane = LaneFigures(key: LaneKey(names: [figures.name], urgency: 0), buckets: [figures])
                for use in uses { untold.append(Untold(lane: lane, costs: [use.units], at: use.at, booked: 0)) }
            }
            localUse = UseLedger()
        }
        pending += kept
        resync(now: now)
        beat(now: now)
    }
}
