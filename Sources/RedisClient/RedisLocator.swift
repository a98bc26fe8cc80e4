internal import NIOCore

/// Finds out where to connect where the URL does not say so itself. Loop-confined.
protocol RedisLocator: AnyObject {
    /// - Parameter done: called once, on the loop; `nil`: nobody could tell.
    func locate(_ done: @escaping (RedisPlace?) -> Void)

    /// Watches for moves.
    /// - Parameter onMove: the last place that was told is no longer the right one.
    func watch(_ onMove: @escaping () -> Void)

    func close()
}

/// The master of one slot of a cluster, or any master.
final class SlotLocator: RedisLocator {
    private let slot: KeySlot?
    private let seeds: [RedisPlace]
    private let inquiry: RedisInquiry
    private var known: [RedisPlace] = []
    private var last: RedisPlace?

    /// - Parameter slot: `nil`: any master will do.
    init(slot: KeySlot?, seeds: [RedisPlace], dialer: RedisDialer) {
        self.slot = slot
        self.seeds = seeds
        inquiry = RedisInquiry(dialer: dialer)
    }

    func locate(_ done: @escaping (RedisPlace?) -> Void) {
        inquiry.ask(candidates(), SlotMap.question, read: { SlotMap($0, asked: $1) }) { map in
            guard let map else { return done(nil) }
            self.known = map.masters + map.replicas
            // Not the one that was just lost, if there is another.
            let others = map.masters.filter { $0 != self.last }
            self.last = self.slot.map { map.master(of: $0) } ?? others.randomElement() ?? map.masters.first
            done(self.last)
        }
    }

    /// A node that no longer serves the slot says so to whoever calls or listens.
    func watch(_ onMove: @escaping () -> Void) {}

    func close() {}

    /// Who was asked about last is asked last: it may just have died.
    private func candidates() -> [RedisPlace] {
        var candidates = known.filter { $0 != last }.shuffled().prefix(2) + seeds.shuffled()
        if let last, !seeds.contains(last) { candidates.append(last) }
        return Array(candidates)
    }
}

extension SlotMap {
    static let question: [RedisArgument] = ["CLUSTER", "SLOTS"]
}
