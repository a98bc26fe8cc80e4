/// Which sets of buckets have buckets of their own. Callers choose the models, so their number has an end.
///
/// Exact: a model of which any quota has a bucket stays with its own; while any shared bucket holds anything, a model that
/// has none goes there. So no model's calls count in two places within one window, whichever quotas each of them needs.
extension QueueState {
    /// The lane that its callers wait in, its buckets found or made.
    mutating func state(_ figures: LaneFigures) {
        var figures = figures
        if laneIndex(figures.key) == nil, let shared = figures.sharedLane {
            let names = zip(figures.buckets, shared.buckets).filter { $0.name != $1.name }.map { ($0.name, $1.name) }
            if isKnown(names.map(\.0)) || sets.count < Pace.sets && !isInUse(names.map(\.1)) {
                sets[figures.key.buckets] = names.map(\.0)
            } else {
                redirected[figures.key] = shared.key
                figures = shared
            }
        }
        let indices = figures.buckets.map { state($0) }
        guard laneIndex(figures.key) == nil else { return }
        let lane = Lane(key: figures.key, buckets: indices, root: flows.addRoot(), now: now)
        lanes.insert(lane, at: lanes.firstIndex { figures.key < $0.key } ?? lanes.count)
    }

    /// Any quota has a bucket of their model.
    private func isKnown(_ names: [String]) -> Bool {
        names.contains { bucketIndex[$0] != nil } || !indices(ofModels: names).isEmpty
    }

    /// Any quota's shared bucket holds units, or somebody waits for it.
    private mutating func isInUse(_ names: [String]) -> Bool {
        let indices = indices(ofModels: names)
        for index in indices { advance(index) }
        return indices.contains { index in
            buckets[index].used > 0 || lanes.contains { $0.waiting > 0 && $0.buckets.contains(index) }
        }
    }

    private func indices(ofModels names: [String]) -> [Int] {
        let models = names.compactMap { BucketName.parts(of: $0).model.map(ExactName.init) }
        return bucketIndex.filter { name, _ in
            BucketName.parts(of: name).model.map { models.contains(ExactName($0)) } ?? false
        }
        .map(\.value)
    }

    /// The ticket as it waits: in the shared lane where its set has none of its own.
    func placed(_ ticket: QueueTicket) -> QueueTicket {
        redirected[ticket.lane].map { QueueTicket(ticket, lane: $0) } ?? ticket
    }

    /// Buckets that hold nothing, that nobody needs and that taught nothing are forgotten, and sets of which none is left.
    mutating func lookAtAllBuckets() {
        let needed = Set(lanes.flatMap(\.buckets))
        for index in buckets.indices {
            advance(index)
            let bucket = buckets[index]
            if bucket.used == 0, bucket.learned == 0, bucket.hold <= now, !needed.contains(index),
                bucket.limit.at < now - Pace.laneMemory, !shared.keys.contains(where: { $0.bucket == index })
            {
                bucketIndex[bucket.name] = nil
                buckets.remove(index)
                advanced.remove(index)
                owed = owed.filter { $0.key.bucket != index }
            }
        }
        sets = sets.filter { $0.value.contains { bucketIndex[$0] != nil } }
        pauses = pauses.filter { $0.value.paused || $0.value.at > now - Pace.pauseMemory }
    }
}
