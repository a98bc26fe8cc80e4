package import NIOCore

/// One caller that waits, or waited: everything about it that does not change.
package final class QueueWaiter: Sendable {
    /// Who wants a slot at once or none still waits for the store's answer.
    private static let shortestWait: Micros = 100_000

    package let id: WaiterID
    let lane: LaneFigures
    /// In the order of the lane's buckets, estimates clamped.
    let costs: [Int]
    /// Whose hold an upstream's refusal is that names no quota: those counted in requests.
    let requestBuckets: [String]
    let client: String
    let user: String
    let weight: Int
    let allowance: Micros
    /// For the slot, from entry, as asked for; `Pace.never`: without end.
    let patience: Micros
    /// By the monotonic clock; `Pace.never`: none. Not before the store can have answered.
    let deadline: Micros
    let entered: Micros
    let wantsPosition: Bool
    /// Nil: deliver where the agent runs.
    let loop: (any EventLoop)?
    private let event: @Sendable (QueueEvent) -> Void

    package init(
        id: WaiterID,
        request: QueueRequest,
        now: Micros,
        loop: (any EventLoop)?,
        event: @escaping @Sendable (QueueEvent) -> Void
    ) {
        let sorted = request.costs.sorted { $0.bucket.name.utf8Precedes($1.bucket.name) }
        self.id = id
        lane = LaneFigures(
            key: LaneKey(names: sorted.map(\.bucket.name), urgency: request.urgency),
            buckets: sorted.map(\.bucket.figures)
        )
        costs = sorted.map { cost in
            let units = max(1, cost.units)
            return cost.isEstimate ? min(units, max(1, cost.bucket.limit)) : units
        }
        let counted = sorted.filter { !$0.isEstimate }
        requestBuckets = (counted.isEmpty ? sorted : counted).map(\.bucket.name)
        client = Self.storable(request.client)
        user = Self.storable(request.user)
        weight = min(max(1, request.weight), 1_000_000)
        allowance = min(max(1, request.allowance.micros), Pace.longestAllowance)
        entered = now
        patience = request.patience.map { min(max(0, $0.micros), Pace.never) } ?? Pace.never
        deadline = patience < Pace.never ? now + max(patience, Self.shortestWait) : Pace.never
        wantsPosition = request.wantsPosition
        self.loop = loop
        self.event = event
    }

    /// The same caller, whose grants have to live longer.
    init(_ other: QueueWaiter, allowance: Micros) {
        id = other.id
        lane = other.lane
        costs = other.costs
        requestBuckets = other.requestBuckets
        client = other.client
        user = other.user
        weight = other.weight
        self.allowance = min(max(1, allowance), Pace.longestAllowance)
        entered = other.entered
        patience = other.patience
        deadline = other.deadline
        wantsPosition = other.wantsPosition
        loop = other.loop
        event = other.event
    }

    /// The bucket of which it takes more than all.
    var tooLargeFor: String? {
        zip(lane.buckets, costs).first { $0.limit < $1 }?.0.name
    }

    func ticket(owner: String, place: Micros) -> QueueTicket {
        QueueTicket(
            lane: lane.key,
            client: client,
            user: user,
            place: place,
            owner: owner,
            id: id.value,
            weight: weight,
            allowance: allowance,
            costs: costs
        )
    }

    package func deliver(_ event: QueueEvent) {
        guard let loop, !loop.inEventLoop else { return self.event(event) }
        let deliver = self.event
        loop.execute { deliver(event) }
    }

    /// A name as a store's key can hold it: short and without NUL, which parts its fields. Others by their hash.
    private static func storable(_ name: String) -> String {
        let bytes = name.utf8
        guard bytes.count > 64 || bytes.contains(0) else { return name }
        var first: UInt64 = 0xcbf2_9ce4_8422_2325
        var second: UInt64 = 0x9e37_79b9_7f4a_7c15
        for byte in bytes {
            first = (first ^ UInt64(byte)) &* 0x100_0000_01b3
            second = (second &+ UInt64(byte)) &* 0xff51_afd7_ed55_8ccd
            second ^= second >> 32
        }
        return "#" + String(first, radix: 16) + String(second, radix: 16)
    }
}
