internal import NIOCore

/// Which master serves which slot of a cluster, as one node sees it. Pure.
package struct SlotMap: Equatable {
    private static let nobody = UInt16.max

    /// Masters that serve a slot, in the order of their first.
    package private(set) var masters: [RedisPlace] = []
    /// Replicas of theirs: they can be asked for a newer map.
    package private(set) var replicas: [RedisPlace] = []
    private var owners = [UInt16](repeating: nobody, count: KeySlot.count)

    /// - Parameter reply: to CLUSTER SLOTS: `[first, last, [host, port, id, …], replica…]`….
    /// - Parameter asked: the node that answered: a node that knows no name of its own leaves the host out.
    package init?(_ reply: RedisReply, asked: RedisPlace) {
        guard let ranges = reply.array else { return nil }
        for range in ranges {
            guard let parts = range.array, parts.count >= 3, let first = parts[0].integer, let last = parts[1].integer,
                (0..<KeySlot.count).contains(first), (first..<KeySlot.count).contains(last)
            else { return nil }
            // A master that is unknown for the moment leaves its slots to nobody.
            guard let master = Self.place(parts[2], asked: asked) else { continue }
            let owner = index(of: master)
            for slot in first...last { owners[slot] = owner }
            for part in parts[3...] {
                if let replica = Self.place(part, asked: asked), !replicas.contains(replica) {
                    replicas.append(replica)
                }
            }
        }
    }

    /// Who serves the slot; `nil`: nobody, as far as is known.
    package func master(of slot: KeySlot) -> RedisPlace? {
        let owner = owners[Int(slot.number)]
        return owner == Self.nobody ? nil : masters[Int(owner)]
    }

    /// A node said that the slot is another's now.
    package mutating func move(_ slot: KeySlot, to place: RedisPlace) { owners[Int(slot.number)] = index(of: place) }

    /// Whether every slot has a master.
    package var isWhole: Bool { !owners.contains(Self.nobody) }

    private mutating func index(of master: RedisPlace) -> UInt16 {
        if let known = masters.firstIndex(of: master) { return UInt16(known) }
        masters.append(master)
        return UInt16(masters.count - 1)
    }

    private static func place(_ node: RedisReply, asked: RedisPlace) -> RedisPlace? {
        guard let parts = node.array, parts.count >= 2, let port = parts[1].integer, (1...65_535).contains(port) else {
            return nil
        }
        switch parts[0].string {
        case "?": return nil
        case .some(let host) where !host.isEmpty: return .tcp(host: host, port: port)
        default:
            guard case .tcp(let host, _) = asked else { return nil }
            return .tcp(host: host, port: port)
        }
    }
}
