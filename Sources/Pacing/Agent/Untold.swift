/// What this replica used and the store had not told of yet: where the store is lost, nothing else knows of it.
struct Untold: Sendable {
    let lane: LaneFigures
    let costs: [Int]
    /// When it counts, by the monotonic clock.
    let at: Micros
    /// By the store's clock; 0 where the store did not book it.
    let booked: Micros

    /// - Parameter names: of the buckets that the reply tells of.
    func isTold(by reply: QueueReply, _ names: Set<ExactName>) -> Bool {
        // A reply may have left before a push that came earlier; what is further ahead is of a clock that jumped.
        let isOlder = reply.now < booked && booked < reply.now + Pace.longestAllowance
        return !isOlder && lane.buckets.allSatisfy { names.contains(ExactName($0.name)) }
    }
}
