/// Which sets of buckets have buckets of their own. Callers choose the models, so their number has an end: so many sets may
/// wait at once, so many buckets may be known. Calls of models beyond that wait for, and count in, their quotas' shared
/// buckets; what goes at once has nothing to wait for.
///
/// Exact: a model that used a shared bucket is bound to it while any shared bucket holds anything or has waiters, and what its
/// own buckets held counts there too from then on. So at any time one bucket counts all that a model used within the window.
extension QueueState {
    /// Who is bound to the shared buckets.
    struct Sharing {
        var models: Set<ExactName> = []
        /// Those that `models` would have no room for too.
        var isFull = false
        /// Who used them is not known: after a restart, and of replicas that were cut off.
        var isEveryone = false

        var isNobody: Bool { models.isEmpty && !isFull && !isEveryone }
    }

    /// A set of which a model has buckets, as a call states it: it has them by itself or shares them.
    struct StatedSet {
        let own: LaneFigures
        let shared: LaneFigures
        let model: ExactName
        var isStated = false
    }

    private static let all = ExactName("*")

    mutating func state(_ figures: LaneFigures) {
        if let shared = figures.sharedLane, shared.key != figures.key,
            let (own, _) = zip(figures.buckets, shared.buckets).first(where: { !$0.name.isExactly($1.name) }),
            let model = BucketName.parts(of: own.name).model
        {
            stated[figures.key] = StatedSet(own: figures, shared: shared, model: ExactName(model))
        } else {
            makeLane(figures, model: nil)
        }
    }

    /// The ticket as it is to wait, and whether it has to be granted without waiting.
    mutating func place(_ ticket: QueueTicket) -> (ticket: QueueTicket, goesAtOnce: Bool) {
        guard let set = stated[ticket.lane] else { return (ticket, false) }
        var waiting: Set<UInt64> = []
        var modelWaits = false
        for lane in lanes where lane.waiting > 0 {
            guard let model = lane.model else { continue }
            waiting.insert(lane.key.buckets)
            modelWaits = modelWaits || model == set.model
        }
        if !modelWaits {
            guard !isBound(set.model), laneIndex(ticket.lane) != nil || isKnown(set.model) || hasRoom(for: set) else {
                return (share(ticket, set), false)
            }
        }
        useOwn(ticket.lane)
        if modelWaits || waiting.count < bounds.sets { return (ticket, false) }
        return goesNow(ticket) ? (ticket, true) : (share(ticket, set), false)
    }

    /// The same for one that is put back: where its model waits by now, or has to wait, else where it was granted. Nil: whose
    /// it is the call does not state; its owner misses it and enters it again.
    mutating func placeAgain(_ ticket: QueueTicket, of own: LaneKey) -> QueueTicket? {
        if let set = stated[own] {
            if !waits(set.model), ticket.lane != own || isBound(set.model) { return share(ticket, set) }
            useOwn(own)
            return ticket.lane == own ? ticket : QueueTicket(ticket, lane: own)
        }
        guard let lane = laneIndex(ticket.lane), lanes[lane].model == nil else { return nil }
        let isShared = lanes[lane].buckets.contains {
            BucketName.parts(of: buckets[$0].name).model.map(ExactName.init) == Self.all
        }
        return isShared ? nil : ticket
    }

    private func waits(_ model: ExactName) -> Bool { lanes.contains { $0.waiting > 0 && $0.model == model } }

    /// Of a ticket that was granted: a long answer outlives what is remembered of an idle lane.
    mutating func laneOrOwn(_ key: LaneKey) -> Int? {
        if let set = stated[key] {
            if laneIndex(key) != nil || isKnown(set.model) { stateOwn(key) }
        } else if laneIndex(key) == nil,
            let set = stated.values.filter({ $0.shared.key == key }).min(by: { $0.own.key < $1.own.key })
        {
            makeLane(set.shared, model: nil)
        }
        return laneIndex(key)
    }

    // MARK: Who shares

    private func hasRoom(for set: StatedSet) -> Bool {
        bucketIndex.count + set.own.buckets.count <= bounds.buckets
    }

    /// Of each quota that has one for that model.
    private func indices(of model: ExactName) -> [Int] {
        quotas.compactMap { bucketIndex["\($0)/\(model)"] }
    }

    private func isKnown(_ model: ExactName) -> Bool { !indices(of: model).isEmpty }

    private mutating func isBound(_ model: ExactName) -> Bool {
        guard !sharing.isNobody else { return false }
        guard isSharedInUse() else {
            sharing = Sharing()
            return false
        }
        return sharing.isEveryone || sharing.isFull || sharing.models.contains(model)
    }

    /// Any quota's shared bucket holds units or what a 429 taught, or somebody waits for it.
    private mutating func isSharedInUse() -> Bool {
        let indices = indices(of: Self.all)
        for index in indices { advance(index) }
        return indices.contains { index in
            let bucket = buckets[index]
            return bucket.used > 0 || bucket.hold > now || bucket.learned > 0
                || lanes.contains { $0.waiting > 0 && $0.buckets.contains(index) }
        }
    }

    /// All of its buckets have room now, and nobody waits for any of them.
    private mutating func goesNow(_ ticket: QueueTicket) -> Bool {
        guard rollCall == nil, !isPaused, ticket.owner == me, let lane = laneIndex(ticket.lane) else { return false }
        for (bucket, cost) in zip(lanes[lane].buckets, ticket.costs) {
            advance(bucket)
            let isFree = !lanes.contains { $0.waiting > 0 && $0.buckets.contains(bucket) }
            guard isFree, buckets[bucket].ready(cost, now: now) <= now else { return false }
        }
        return true
    }

    private mutating func share(_ ticket: QueueTicket, _ set: StatedSet) -> QueueTicket {
        if sharing.models.count < bounds.buckets {
            sharing.models.insert(set.model)
        } else if !sharing.models.contains(set.model) {
            sharing.isFull = true
        }
        makeLane(set.shared, model: nil)
        for (own, common) in zip(set.own.buckets, set.shared.buckets) where !own.name.isExactly(common.name) {
            move(own.name, to: common.name)
        }
        return QueueTicket(ticket, lane: set.shared.key)
    }

    /// What the one holds counts in the other too, and what it is yet to hold.
    private mutating func move(_ own: String, to common: String) {
        guard let index = bucketIndex[own], buckets[index].moved == nil, let target = bucketIndex[common] else {
            return
        }
        advance(index)
        advance(target)
        for use in buckets[index].uses(now: now) { buckets[target].book(use.units, at: use.at, now: now) }
        buckets[index].moved = common
        teachWhereMoved(index)
    }

    /// What 429s taught it holds where its calls count by now.
    mutating func teachWhereMoved(_ index: Int) {
        guard let target = buckets[index].moved.flatMap({ bucketIndex[$0] }) else { return }
        advance(target)
        if buckets[index].learned > 0 {
            buckets[target].learn(buckets[index].learned, now: now)
            buckets[target].raiseAt = max(buckets[target].raiseAt, buckets[index].raiseAt)
        }
        buckets[target].hold = max(buckets[target].hold, buckets[index].hold)
    }

    // MARK: Bookings that no grant makes

    mutating func bookWhereMoved(_ units: Int, of index: Int, at time: Micros) {
        guard units > 0, let target = buckets[index].moved.flatMap({ bucketIndex[$0] }) else { return }
        buckets[target].book(units, at: time, now: now)
    }

    /// What a replica used by itself. In a shared bucket: whose calls these were is not known. In a model's own: it may
    /// share meanwhile, and wait there already.
    mutating func bookUse(_ units: Int, of index: Int, at time: Micros) {
        buckets[index].book(units, at: time, now: now)
        let (name, hasMoved) = (buckets[index].name, buckets[index].moved != nil)
        let (quota, model) = BucketName.parts(of: name)
        guard let model = model.map(ExactName.init) else { return }
        guard model == Self.all else {
            if hasMoved {
                bookWhereMoved(units, of: index, at: time)
            } else if units > 0, isBound(model), !waits(model) {
                move(name, to: "\(quota)/\(Self.all)")
            }
            return
        }
        sharing.isEveryone = true
        // What is taken back need not be what was booked there.
        guard units > 0 else { return }
        for own in waiting(ofQuota: ExactName(quota)) { buckets[own].book(units, at: time, now: now) }
    }

    /// After a restart whoever waits for a bucket of its own may have used the shared one. What those had used that came to
    /// share during the roll call was not known before.
    mutating func shareAfterRestart() {
        for quota in quotas {
            guard let shared = bucketIndex["\(quota)/\(Self.all)"] else { continue }
            for own in waiting(ofQuota: quota) {
                for use in buckets[shared].uses(now: now) { buckets[own].book(use.units, at: use.at, now: now) }
            }
            for index in buckets.indices where index != shared {
                let parts = BucketName.parts(of: buckets[index].name)
                guard let model = parts.model.map(ExactName.init), ExactName(parts.quota) == quota,
                    sharing.isFull || sharing.models.contains(model), !waits(model)
                else { continue }
                move(buckets[index].name, to: buckets[shared].name)
            }
        }
        sharing.isEveryone = true
    }

    /// Buckets of models' own that somebody waits for.
    private func waiting(ofQuota quota: ExactName) -> Set<Int> {
        var found: Set<Int> = []
        for lane in lanes where lane.waiting > 0 && lane.model != nil {
            for index in lane.buckets {
                let parts = BucketName.parts(of: buckets[index].name)
                if parts.model != nil, ExactName(parts.quota) == quota { found.insert(index) }
            }
        }
        return found
    }

    // MARK: Lanes and buckets

    /// What it holds from now on no shared bucket counts.
    private mutating func useOwn(_ key: LaneKey) {
        stateOwn(key)
        guard let lane = laneIndex(key) else { return }
        for index in lanes[lane].buckets { buckets[index].moved = nil }
    }

    private mutating func stateOwn(_ key: LaneKey) {
        guard let set = stated[key], !set.isStated || laneIndex(key) == nil else { return }
        stated[key]?.isStated = true
        makeLane(set.own, model: set.model)
    }

    /// The lane and its buckets are found or made.
    private mutating func makeLane(_ figures: LaneFigures, model: ExactName?) {
        let indices = figures.buckets.map { state($0) }
        if let lane = laneIndex(figures.key) {
            lanes[lane].touched = now
            return
        }
        let idle = lanes.indices.filter { lanes[$0].waiting == 0 }
        // Not one that this call needs.
        if idle.count >= bounds.idleLanes, let oldest = idle.min(by: { lanes[$0].touched < lanes[$1].touched }),
            lanes[oldest].touched < now
        {
            forget(lane: oldest)
        }
        let lane = Lane(key: figures.key, model: model, buckets: indices, root: flows.addRoot(), now: now)
        lanes.insert(lane, at: lanePosition(figures.key))
    }

    /// How long what nobody needs is remembered.
    var memory: Micros { crowd > bounds.buckets / 2 ? Pace.crowdedMemory : Pace.laneMemory }

    /// Buckets that hold nothing, that nobody needs and that taught nothing are forgotten.
    mutating func lookAtAllBuckets() {
        let needed = Set(lanes.flatMap(\.buckets))
        quotas = []
        for index in buckets.indices {
            advance(index)
            let bucket = buckets[index]
            if bucket.used == 0, bucket.learned == 0, bucket.hold <= now, !needed.contains(index),
                bucket.limit.at < now - memory, !shared.keys.contains(where: { $0.bucket == index })
            {
                bucketIndex[bucket.name] = nil
                buckets.remove(index)
                advanced.remove(index)
                owed = owed.filter { $0.key.bucket != index }
                continue
            }
            let (quota, model) = BucketName.parts(of: bucket.name)
            if model != nil { quotas.insert(ExactName(quota)) }
        }
        crowd = bucketIndex.count
        let edge = now - Pace.pauseMemory
        pauses.keep { $1.paused || $1.at > edge }
    }
}
