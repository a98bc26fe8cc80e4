/// One upstream's queue and all its quota buckets, for all replicas: the embedded twin of `queue.lua`.
///
/// A pure state machine. A call is one batch of operations; every call also drops the dead and decides who may go. Time
/// is the argument and never goes behind the last time stored. Each operation costs O(log n) of the waiters, and nothing
/// of the number of clients, of replicas or of the quota's size.
package struct QueueState: Sendable {
    let bounds: QueueBounds

    // Kept from call to call.
    var run: String
    var last: Micros = 0
    /// By how much the clock was set back since the last call.
    var setBack: Micros = 0
    var epoch: Micros = 0
    /// Grants, settlements, 429s and reports of own use, ever: a store that fell back to before one of them is behind.
    var seq = 0
    /// All waiters.
    var waiting = 0
    /// When the buckets were last restarted as full; 0: never. Buckets that come up within a window of it start full.
    var full: Micros = 0
    var rollCall: RollCall?
    /// By quota; empty name: the whole upstream.
    var pauses: NameMap<QuotaPause> = [:]
    var pacer: String?
    var due = Pace.never
    var nextSweep: Micros = 0
    /// Where the search for the waiters of the dead goes on, while there are any.
    var scanned: [UInt8]?
    var isDropping = false
    /// When the first of the replicas with waiters is dead, if it says nothing more.
    var nextDeath = Pace.never
    /// The longest life of a short window.
    var longestLife: Micros = 0
    var live: [String] = []
    /// Who has to answer a roll call: who lives, and who is gone but used the running windows.
    var known: [String] = []
    /// Who was known before the last roll call, until that no longer matters: who told of a jump may have come late.
    var former: (known: [String], until: Micros) = ([], 0)
    var buckets = Arena<Bucket>()
    var bucketIndex: NameMap<Int> = [:]
    /// Sorted by key.
    var lanes: [Lane] = []
    /// Who has to use the shared buckets while these hold anything.
    var sharing = Sharing()
    /// That have, or had, a bucket for each model.
    var quotas: Set<ExactName> = []
    /// How many buckets there were at the last beat.
    var crowd = 0
    var flows = FlowTree()
    var shared: [BucketUrgency: SharedBucketTags] = [:]
    /// Slots owed to an urgency that was passed over in the bucket that blocks it.
    var owed: [BucketUrgency: Double] = [:]
    var replicas: [String: ReplicaRecord] = [:]

    // Of the running call.
    var now: Micros = 0
    /// When the call before was made.
    var previous: Micros = 0
    var me = ""
    var heads: [LaneKey: QueueTicket] = [:]
    var advanced: Set<Int> = []
    var stated: [LaneKey: StatedSet] = [:]
    /// How many had entered each bucket of a newcomer.
    var enteredBefore: [Int] = []
    var granted: [(ticket: QueueTicket, stamp: GrantStamp)] = []
    var pushes: [(replica: String, push: QueuePush)] = []

    /// - Parameter run: of the store that this is; another one in a call starts a roll call. Empty: the first one does.
    package init(run: String = "", bounds: QueueBounds = QueueBounds()) {
        self.run = run
        self.bounds = bounds
    }

    package struct Outcome: Sendable {
        package var reply: QueueReply
        /// For other replicas; empty `replica`: for all.
        package var pushes: [(replica: String, push: QueuePush)]
    }

    /// - Parameter isListening: whether a push to that replica reaches anybody now. A hint: false drops its ticket, which
    ///   it enters again if it lives.
    package mutating func call(_ call: QueueCall, now time: Micros, isListening: (String) -> Bool = { _ in false })
        -> Outcome
    {
        let wentBack = time < last - 1_000_000
        now = wentBack ? time : max(time, last)
        let silence = last > 0 ? now - last : 0
        setBack = wentBack ? last - now : 0
        previous = last
        last = now
        me = call.replica
        heads.removeAll(keepingCapacity: true)
        advanced.removeAll(keepingCapacity: true)
        granted = []
        stated = [:]
        pushes = []
        if epoch == 0 { epoch = now }
        var record = replicas[me] ?? ReplicaRecord(last: now)
        record.pushed = 0
        let isFresh = call.number > record.number
        // What comes twice is no sign of life: it may be a good-bye.
        let isHeard = isFresh || call.number == 0
        // Others may not know of it.
        let joins = isHeard && (replicas[me]?.last ?? .min) < now - Pace.dead
        if isHeard || record.last >= now - Pace.dead { record.last = now }
        record.number = max(record.number, call.number)
        replicas[me] = record

        checkLife(call, wentBack: wentBack, silence: silence)
        if joins, rollCall == nil { pushes.append(("", .rollCall)) }
        var results: [QueueResult] = []
        var entered: [[Int]] = []
        var tellsAll = false
        if isFresh {
            for lane in call.lanes { state(lane) }
            for operation in call.operations {
                if case .beat = operation { tellsAll = true }
                enteredBefore = []
                let result = perform(operation, of: call)
                results.append(result)
                entered.append(result.isNewcomer ? enteredBefore : [])
            }
        }
        endRollCall()
        if now >= min(nextSweep, nextDeath) || joins { sweep() }
        if tellsAll { lookAtAllBuckets() }
        if call.number > 0 { choosePacer(next: decide(isListening: isListening), isListening: isListening) }
        var reply = reply(call, results: results, tellsAll: tellsAll)
        reply.entered = entered
        return Outcome(reply: reply, pushes: pushes)
    }

    private mutating func choosePacer(next slot: Micros, isListening: (String) -> Bool) {
        let former = (pacer: pacer, due: due)
        let next = min(slot, isDropping ? now + Pace.scanInterval : nextDeath)
        let overdue = now > due + 100_000
        let isGone = pacer.map { replicas[$0]?.last ?? .min < now - Pace.dead } ?? false
        if waiting == 0 {
            pacer = nil
            due = Pace.never
        } else if pacer == nil || pacer == me || overdue || isGone || next < due - 1000 {
            pacer = me
            due = next
        }
        if let replica = former.pacer, replica != me, replica != pacer, former.due > now, former.due < Pace.never,
            isListening(replica)
        {
            pushes.append((replica, .relieved(due: former.due, at: now)))
        }
        // Who said good-bye will not call again, and the others have no timer.
        if pacer == me, replicas[me]?.last != now {
            pacer = nil
            due = Pace.never
            pushes.append(("", .rollCall))
        }
    }

    /// When the caller is to call again. Shortly before a replica is taken for dead all are: the pacer may be silent too.
    private var dueToCall: Micros? {
        if pacer == me { return due }
        return waiting > 0 && nextDeath < now + Pace.deathNotice ? nextDeath : nil
    }

    private func reply(_ call: QueueCall, results: [QueueResult], tellsAll: Bool) -> QueueReply {
        var peers: QueueReply.Peers?
        if tellsAll, let rank = live.firstIndex(of: me) {
            peers = QueueReply.Peers(count: live.count, rank: rank, full: full, known: known)
        }
        return QueueReply(
            now: now,
            number: call.number,
            seq: seq,
            epoch: epoch,
            results: results,
            mine: replicas[me]?.tickets.count ?? 0,
            waiting: waiting,
            due: dueToCall,
            rollCall: rollCall?.ends,
            grants: granted.map(\.ticket),
            stamps: granted.map(\.stamp),
            pauses: tellsAll ? pauses.values.sorted { $0.quota.utf8Precedes($1.quota) } : [],
            buckets: states(),
            peers: peers
        )
    }

    private func states() -> [BucketState] {
        advanced.map { index in
            var state = buckets[index].state(now: now)
            state.paused = state.paused || isPaused
            return state
        }
        .sorted { $0.name.utf8Precedes($1.name) }
    }

    // MARK: Buckets

    /// Lets go of what has left the bucket's window, once a call.
    mutating func advance(_ index: Int) {
        if advanced.insert(index).inserted { buckets[index].advance(now: now) }
    }

    /// Finds or makes the bucket and states its figures.
    @discardableResult
    mutating func state(_ figures: BucketFigures, fill: Bool = true) -> Int {
        if figures.per <= Pace.short { longestLife = max(longestLife, figures.per + figures.guardInterval) }
        if let index = bucketIndex[figures.name] {
            buckets[index].state(figures, now: now)
            return index
        }
        var bucket = Bucket(figures, now: now)
        bucket.paused = pauses.values.contains { $0.paused && Self.bucket(figures.name, isOf: $0.quota) }
        if fill, startsFull(bucket) {
            bucket.fill(told: nil, margin: 0, at: full, now: now)
        }
        let index = buckets.add(bucket)
        bucketIndex[figures.name] = index
        let (quota, model) = BucketName.parts(of: figures.name)
        if model != nil { quotas.insert(ExactName(quota)) }
        return index
    }

    /// Within a window of a restart as full: what those used who did not answer then still counts.
    func startsFull(_ bucket: Bucket) -> Bool { !bucket.isLong && full > 0 && now < full + bucket.life }

    static func bucket(_ name: String, isOf quota: String) -> Bool {
        guard name.utf8.starts(with: quota.utf8) else { return false }
        let rest = name.utf8.dropFirst(quota.utf8.count)
        return rest.isEmpty || rest.first == UInt8(ascii: "/")
    }

    func laneIndex(_ key: LaneKey) -> Int? {
        let index = lanePosition(key)
        return index < lanes.count && lanes[index].key == key ? index : nil
    }

    /// Of the first lane whose key is not before that one.
    func lanePosition(_ key: LaneKey) -> Int {
        var low = 0
        var high = lanes.count
        while low < high {
            let middle = (low + high) / 2
            if lanes[middle].key < key { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
