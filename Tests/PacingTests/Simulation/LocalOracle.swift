import Pacing

/// By how much a quota may be exceeded because replicas were cut off: by what others were granted between a replica's
/// last reply and its loss, and, where others were still served, by its part.
final class LocalOracle {
    private struct Loss {
        var replica: String
        var from: Micros
        /// When the store heard of it again.
        var until = Micros.max
        /// It died before that: it is cut off for good, and its part was used.
        var isUntold = false
        /// Units granted to others since it was last told, by bucket.
        var missed: [String: Int]
        var count: Int
    }

    private struct Grant {
        var at: Micros
        var owner: String
        var units: [(String, Int)]
    }

    private let world: World
    private var grants: [Grant] = []
    private var toldAt: [String: [String: Micros]] = [:]
    private var losses: [Loss] = []
    /// When data was lost, and who had used the quota in the window before.
    private var blind: (at: Micros, users: [String])?
    private var replicas: [String: SimulatedReplica] = [:]
    /// Most replicas at a time.
    var count = 1

    init(world: World) { self.world = world }

    func granted(_ owner: String, _ units: [(String, Int)]) {
        grants.append(Grant(at: world.time, owner: owner, units: units))
    }

    func told(_ id: String, _ names: [String], processed: Micros) {
        for name in names { toldAt[id, default: [:]][name] = processed }
    }

    func wentLocal(_ id: String) {
        var missed: [String: Int] = [:]
        for grant in grants where grant.owner != id {
            for (name, units) in grant.units where grant.at > toldAt[id]?[name] ?? -1 {
                missed[name, default: 0] += units
            }
        }
        losses.append(Loss(replica: id, from: world.time, missed: missed, count: count))
    }

    /// A call of it was carried out.
    func called(_ id: String) {
        guard !losses.isEmpty else { return }
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
        let recently = grants.filter { $0.at > world.time - 6_000_000 }
        blind = (world.time, Set(recently.map(\.owner)).sorted())
        self.replicas = replicas
    }

    /// All who had used the quota died, or stood still, when its data was lost: nobody can know.
    private var isBlind: Bool {
        guard let blind, world.time < blind.at + 12_000_000 else { return false }
        return blind.users.allSatisfy { id in
            replicas[id].map { $0.isDead || $0.pausedSince != nil || $0.silentAt >= blind.at } ?? true
        }
    }

    /// - Parameter window: its beginning.
    func excess(_ name: String, limit: Int, window: Micros, granted: Micros?) -> Int {
        if isBlind { return .max / 2 }
        var excess = 0
        for loss in losses where loss.until == .max || loss.until > window - 1_000_000 {
            excess += loss.missed[name] ?? 0
            let othersServed = grants.contains { grant in
                grant.owner != loss.replica && grant.at > loss.from && (grant.at <= loss.until || loss.isUntold)
                    && grant.units.contains { $0.0 == name }
            }
            if othersServed { excess += (limit + loss.count - 1) / loss.count }
        }
        return excess
    }
}
