/// A set of buckets at one urgency: who waits for the same waits in the same lane.
package struct LaneKey: Sendable, Hashable, Comparable {
    /// A hash of the buckets' names: the same on every replica, and after the store lost everything.
    package var buckets: UInt64
    /// 0 is the most urgent, 7 the least (RFC 9218).
    package var urgency: Int

    package init(buckets: UInt64, urgency: Int) {
        self.buckets = buckets
        self.urgency = urgency
    }

    /// - Parameter names: the buckets' names, sorted.
    package init(names: [String], urgency: Int) {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for name in names {
            for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
            hash = (hash ^ 0xff) &* 0x100_0000_01b3
        }
        self.init(buckets: hash, urgency: min(max(urgency, 0), 7))
    }

    package static func < (left: LaneKey, right: LaneKey) -> Bool {
        (left.buckets, left.urgency) < (right.buckets, right.urgency)
    }
}

/// A place in the queue, made whole by the replica that holds the caller, so that a lost answer loses nothing.
package final class QueueTicket: Sendable {
    package let lane: LaneKey
    package let client: String
    /// Within the client: the `fair_by` value.
    package let user: String
    /// When the caller came, as its replica reckons the store's time. Order within a user, then by owner and number.
    package let place: Micros
    /// The replica.
    package let owner: String
    package let id: Int
    /// The client's share of a contended quota, ≥ 1.
    package let weight: Int
    /// How long after the grant its bytes may leave.
    package let allowance: Micros
    /// Units of each of the lane's buckets, in the order of their names.
    package let costs: [Int]

    package init(
        lane: LaneKey,
        client: String,
        user: String,
        place: Micros,
        owner: String,
        id: Int,
        weight: Int,
        allowance: Micros,
        costs: [Int]
    ) {
        self.lane = lane
        self.client = client
        self.user = user
        self.place = place
        self.owner = owner
        self.id = id
        self.weight = weight
        self.allowance = min(max(allowance, 1), Pace.longestAllowance)
        self.costs = costs
    }

    /// The same caller in another lane.
    convenience init(_ other: QueueTicket, lane: LaneKey) {
        self.init(
            lane: lane,
            client: other.client,
            user: other.user,
            place: other.place,
            owner: other.owner,
            id: other.id,
            weight: other.weight,
            allowance: other.allowance,
            costs: other.costs
        )
    }
}

extension QueueTicket: Comparable {
    package static func < (left: QueueTicket, right: QueueTicket) -> Bool {
        if left.place != right.place { return left.place < right.place }
        if left.owner != right.owner { return left.owner.utf8Precedes(right.owner) }
        return left.id != right.id ? left.id < right.id : left.lane < right.lane
    }

    package static func == (left: QueueTicket, right: QueueTicket) -> Bool {
        left === right
            || left.id == right.id && left.place == right.place && left.owner == right.owner && left.lane == right.lane
    }
}
