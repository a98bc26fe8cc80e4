import Pacing

/// By how much a quota may be exceeded because replicas were cut off: by what others were granted, or told that they had
/// used by themselves, between a replica's last reply and its loss, and, where others were still served, by its part.
final class LocalOracle {
    private struct Loss {
        var replica: String
        var from: Micros
        /// When the store heard of it again.
        var until = Micros.max
        /// It died before that: it is cut off for good, and its part was used.
        var isUntold = false
        /// Units granted to others since it was last told, by the bucket that the upstream counts.
        var missed: [String: Int]
        var count: Int
        /// Others heard from the store for so long after it that they took it for dead, and took its part: before it went
        /// on by itself, or while it did, and then were cut off too.
        var isTakenForDead = false
    }

    /// Units of a bucket that the upstream counts, and where the store counts them: there, or in the one that its model
    /// shares.
    struct Booking {
        var name: String
        var storeName: String
        var units: Int
    }

    private struct Grant {
        var at: Micros
        var owner: String
        var bookings: [Booking]
    }

    /// The store counts who said nothing for longer as dead.
    private static let dead: Micros = 2_750_000
    /// From a slot to the arrival at the upstream.
    static let longestArrival: Micros = 250_000

    private let world: World
    private var grants: [Grant] = []
    private var toldAt: [String: [String: Micros]] = [:]
    private var losses: [Loss] = []
    private var calledAt: [String: Micros] = [:]
    /// What replicas told that they had used by themselves.
    private var uses: [Grant] = []
    /// What their calls used by themselves, and took beyond what was booked, of buckets that may be shared: what they tell
    /// of a shared one names no model.
    private var untold: [String: [String: Int]] = [:]
    /// Whose calls a shared bucket counts.
    private let sharers: [String: [String]]
    /// When data was lost.
    private var storeLosses: [Micros] = []
    private var replicas: [String: SimulatedReplica] = [:]
    /// How many replicas each was last told of.
    private var counts: [String: Int] = [:]
    /// When the store last said so.
    private var countedAt: [String: Micros] = [:]

    /// - Parameter sharers: the buckets that the upstream counts, by the one in which the store may count them instead.
    init(world: World, sharers: [String: [String]] = [:]) {
        self.world = world
        self.sharers = sharers
    }

    func granted(_ owner: String, _ bookings: [Booking]) {
        grants.append(Grant(at: world.time, owner: owner, bookings: bookings))
    }

    /// A call of its took so much that the store has to be told of as its own use, if at all.
    func took(_ owner: String, _ name: String, _ units: Int) {
        guard units > 0, !sharers.isEmpty else { return }
        untold[owner, default: [:]][name, default: 0] += units
    }

    /// - Parameter told: units by the store's name of the bucket, in one call.
    func used(_ owner: String, _ told: [(name: String, units: Int)]) {
        var bookings: [Booking] = []
        func add(_ name: String, _ storeName: String, _ units: Int) {
            bookings.append(Booking(name: name, storeName: storeName, units: units))
            untold[owner]?[name] = max(0, (untold[owner]?[name] ?? 0) - units)
        }
        for use in told where sharers[use.name] == nil { add(use.name, use.name, use.units) }
        for use in told {
            for name in sharers[use.name] ?? [] {
                add(name, use.name, min(use.units, untold[owner]?[name] ?? 0))
            }
        }
        if !bookings.isEmpty { uses.append(Grant(at: world.time, owner: owner, bookings: bookings)) }
    }

    func told(_ id: String, _ names: [String], count: Int?, processed: Micros) {
        if let count { (counts[id], countedAt[id]) = (count, processed) }
        for name in names { toldAt[id, default: [:]][name] = processed }
    }

    func wentLocal(_ id: String) {
        var missed: [String: Int] = [:]
        for grant in grants + uses where grant.owner != id {
            for booking in grant.bookings where grant.at > toldAt[id]?[booking.storeName] ?? -1 {
                missed[booking.name, default: 0] += booking.units
            }
        }
        var loss = Loss(replica: id, from: world.time, missed: missed, count: counts[id] ?? 1)
        loss.isTakenForDead = calledAt.contains { $0.key != id && $0.value > (calledAt[id] ?? 0) + Self.dead }
        // What others use by themselves meanwhile it is never told of: the part that this one goes by holds theirs too.
        for index in losses.indices where losses[index].replica != id {
            let other = losses[index]
            guard other.until == .max || other.isUntold else { continue }
            if countedAt[id] ?? 0 > (calledAt[other.replica] ?? 0) + Self.dead { losses[index].isTakenForDead = true }
        }
        losses.append(loss)
    }

    /// A call of it was carried out.
    ///
    /// - Parameter isLocal: it had left before the loss, which is not over.
    func called(_ id: String, isLocal: Bool) {
        calledAt[id] = world.time
        guard !losses.isEmpty, !isLocal else { return }
        for index in losses.indices where losses[index].replica == id && losses[index].until == .max {
            losses[index].until = world.time
        }
    }

    func died(_ id: String) {
        for index in losses.indices where losses[index].replica == id && losses[index].until == .max {
            losses[index].until = world.time
            losses[index].isUntold = true
        }
    }

    func storeLost(_ replicas: [String: SimulatedReplica]) {
        storeLosses.append(world.time)
        self.replicas = replicas
    }

    /// All who had used the quota in the window, until its data was lost, died, or stood still, or were cut off then: nobody
    /// can know of it.
    private func isBlind(_ window: Micros) -> Bool {
        storeLosses.contains { lostAt in
            // The last slots before the loss arrive after it.
            guard window < lostAt + Self.longestArrival else { return false }
            let before = grants.filter { $0.at > window - Self.longestArrival && $0.at <= lostAt }
            return !before.isEmpty
                && before.allSatisfy { grant in
                    guard let owner = replicas[grant.owner] else { return true }
                    return owner.isDead || owner.pausedSince != nil || owner.isCutOff || owner.silentAt >= lostAt
                }
        }
    }

    /// - Parameter window: its beginning.
    func excess(_ name: String, limit: Int, window: Micros) -> Int {
        if isBlind(window) { return .max / 2 }
        var excess = 0
        for loss in losses where loss.until == .max || loss.until > window - 1_000_000 {
            excess += loss.missed[name] ?? 0
            let othersServed = grants.contains { grant in
                grant.owner != loss.replica && grant.at > loss.from && (grant.at <= loss.until || loss.isUntold)
                    && grant.bookings.contains { $0.name == name }
            }
            if othersServed || loss.isTakenForDead { excess += (limit + loss.count - 1) / loss.count }
        }
        return excess
    }
}
