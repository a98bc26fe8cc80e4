package import NIOCore

/// One caller that waits, or waited: everything about it that does not change.
package final class QueueWaiter: Sendable {
    /// Who wants a slot at once or none still waits for the store's answer.
    private static let shortestWait: Micros = 100_000

    package let id: WaiterID
    let lane: LaneFigures
    /// The set's own, where `lane` is the one that it shares.
    private let own: LaneFigures?
    /// In the order of the lane's buckets, estimates clamped.
    let costs: [Int]
    /// What the caller names its buckets: as the lane does, unless the lane is the shared one.
    private let names: [String]
    /// Whose hold an upstream's refusal is that names no quota: those counted in requests.
    private let requests: [Int]
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
        names = sorted.map(\.bucket.name)
        lane = LaneFigures(
            key: LaneKey(names: names, urgency: request.urgency),
            buckets: sorted.map(\.bucket.figures),
            shared: Self.shared(sorted.map(\.bucket))
        )
        own = nil
        costs = sorted.map { cost in
            let units = max(1, cost.units)
            return cost.isEstimate ? min(units, max(1, cost.bucket.limit)) : units
        }
        let counted = sorted.indices.filter { !sorted[$0].isEstimate }
        requests = counted.isEmpty ? Array(sorted.indices) : counted
        client = StorableName.of(request.client)
        user = StorableName.of(request.user)
        weight = min(max(1, request.weight), 1_000_000)
        allowance = min(max(1, request.allowance.micros), Pace.longestAllowance)
        entered = now
        patience = request.patience.map { min(max(0, $0.micros), Pace.never) } ?? Pace.never
        deadline = patience < Pace.never ? now + max(patience, Self.shortestWait) : Pace.never
        wantsPosition = request.wantsPosition
        self.loop = loop
        self.event = event
    }

    /// The same caller, whose grants have to live longer, or in another lane.
    private init(_ other: QueueWaiter, lane: LaneFigures, own: LaneFigures?, allowance: Micros) {
        id = other.id
        self.own = own
        self.lane = lane
        costs = other.costs
        names = other.names
        requests = other.requests
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

    func living(_ allowance: Micros) -> QueueWaiter { QueueWaiter(self, lane: lane, own: own, allowance: allowance) }

    /// Where it waits with those of other sets.
    var shared: QueueWaiter? {
        lane.sharedLane.map { QueueWaiter(self, lane: $0, own: lane, allowance: allowance) }
    }

    /// The set by itself, which says whose call it is.
    var stated: LaneFigures { own ?? lane }

    /// Where it would wait by itself, as it was before it came to share.
    var unshared: QueueWaiter? { own.map { QueueWaiter(self, lane: $0, own: nil, allowance: allowance) } }

    /// The names by which the store knows its buckets.
    ///
    /// - Parameter name: as the caller has it; nil: all that count requests.
    func buckets(named name: String?) -> [String] {
        guard let name else { return requests.map { lane.buckets[$0].name } }
        return [names.firstIndex(where: name.isExactly).map { lane.buckets[$0].name } ?? name]
    }

    /// Units of each of the lane's buckets.
    func costs(_ actual: [String: Int]) -> [Int] { zip(names, costs).map { max(0, actual[$0] ?? $1) } }

    /// Where some of the buckets have an overflow, and the others stand in the same order with it.
    private static func shared(_ buckets: [BucketSpec]) -> [String]? {
        let names = buckets.map { $0.overflow ?? $0.name }
        guard names != buckets.map(\.name), zip(names, names.dropFirst()).allSatisfy({ $0.utf8Precedes($1) }) else {
            return nil
        }
        return names
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
}
