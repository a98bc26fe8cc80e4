internal import Synchronization

/// Denials that still hold, shared by the loops of a replica, so that a hammering caller costs at most one call of Redis
/// an emission interval.
///
/// A TAT only grows, so what Redis said holds until the time it named, or as long as nobody takes a charge back. When that
/// is over one call may ask; until its answer is there, or another interval has passed, others go without: at most one of
/// them could have passed.
///
/// Bounded: two generations of which the older is forgotten when the younger is full; forgetting costs a Redis call.
package final class DenialMemory: Sendable {
    private struct Denial {
        /// Microseconds.
        let until: Int
        /// Until then nobody asks.
        let heldUntil: Int
        let intervalMicros: Int
        var isAsked = false
    }

    private struct Generations {
        var young: [LimitCharge: Denial] = [:]
        var old: [LimitCharge: Denial] = [:]

        subscript(charge: LimitCharge) -> Denial? { young[charge] ?? old[charge] }
    }

    private final class Shard: Sendable {
        let generations = Mutex(Generations())
    }

    private static let shardCount = 16
    private let shards = (0..<shardCount).map { _ in Shard() }
    private let generationCapacity: Int

    /// - Parameter capacity: denials kept at most; about 100 bytes each. 0: none is remembered.
    package init(capacity: Int = 65_536) {
        generationCapacity = capacity / (2 * Self.shardCount)
    }

    /// How long the charge has yet to wait, in microseconds; `nil`: Redis is to be asked.
    func wait(for charge: LimitCharge, now: Int) -> Int? {
        shard(charge).generations.withLock { Self.wait($0[charge], now: now) }
    }

    /// Takes the right to ask Redis about a charge whose denial has run out.
    /// - Returns: how long to wait, in microseconds, where another call has it.
    func claim(_ charge: LimitCharge, now: Int) -> Int? {
        shard(charge).generations.withLock { generations in
            guard var denial = generations[charge] else { return nil }
            if let wait = Self.wait(denial, now: now) { return wait }
            denial.isAsked = true
            generations.young[charge] = denial
            return nil
        }
    }

    /// - Parameters:
    ///   - until: microseconds.
    ///   - heldUntil: at most `until`; from then on it is asked whether the denial still stands.
    func remember(_ charge: LimitCharge, until: Int, heldUntil: Int, intervalMicros: Int) {
        guard generationCapacity > 0 else { return }
        shard(charge).generations.withLock { generations in
            if generations.young.count >= generationCapacity {
                generations.old = generations.young
                generations.young = [:]
            }
            generations.young[charge] = Denial(until: until, heldUntil: heldUntil, intervalMicros: intervalMicros)
        }
    }

    func forget(_ charge: LimitCharge) {
        shard(charge).generations.withLock { generations in
            generations.young.removeValue(forKey: charge)
            generations.old.removeValue(forKey: charge)
        }
    }

    /// Denials kept now, those that ran out included.
    package var count: Int {
        shards.reduce(0) { $0 + $1.generations.withLock { $0.young.count + $0.old.count } }
    }

    private static func wait(_ denial: Denial?, now: Int) -> Int? {
        guard let denial else { return nil }
        if now < denial.heldUntil { return denial.until - now }
        guard denial.isAsked, now < denial.heldUntil + denial.intervalMicros else { return nil }
        return max(denial.until, denial.heldUntil + denial.intervalMicros) - now
    }

    private func shard(_ charge: LimitCharge) -> Shard {
        shards[Int(truncatingIfNeeded: charge.identity.low) & (Self.shardCount - 1)]
    }
}
