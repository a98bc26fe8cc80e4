/// Which sets of buckets have buckets of their own. Callers choose the models, so their number has an end.
///
/// Exact: a set whose own buckets hold anything stays with them; while the shared ones hold anything, a set that has none
/// goes there. So no model's calls count in two places within one window.
extension QueueState {
    /// The lane that its callers wait in, its buckets found or made.
    mutating func state(_ figures: LaneFigures) {
        var figures = figures
        if laneIndex(figures.key) == nil, let shared = figures.sharedLane {
            let names = zip(figures.buckets, shared.buckets).filter { $0.name != $1.name }.map { ($0.name, $1.name) }
            if names.contains(where: { bucketIndex[$0.0] != nil })
                || sets.count < Pace.sets && !names.contains(where: { isInUse($0.1) })
            {
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

    /// Holds units, or somebody waits for it.
    private mutating func isInUse(_ name: String) -> Bool {
        guard let index = bucketIndex[name] else { return false }
        advance(index)
        return buckets[index].used > 0 || lanes.contains { $0.waiting > 0 && $0.buckets.contains(index) }
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
