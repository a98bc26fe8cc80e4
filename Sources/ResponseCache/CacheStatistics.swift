internal import Synchronization

/// Totals since the process began, and what memory holds now.
package struct CacheStatistics: Sendable, Equatable {
    package var memoryHits: UInt64 = 0
    package var redisHits: UInt64 = 0
    /// Calls that the cache let go upstream.
    package var misses: UInt64 = 0
    /// Callers answered by another's call.
    package var collapsed: UInt64 = 0
    /// Hits that were stale, while revalidating or on error; also in the hits where they were.
    package var stale: UInt64 = 0
    package var stored: UInt64 = 0
    /// Calls given up because their last caller had left.
    package var abandoned: UInt64 = 0
    package var purges: UInt64 = 0
    package var redisErrors: UInt64 = 0
    /// Bytes in memory, with overhead.
    package var bytes = 0
    /// Answers in memory.
    package var entries = 0

    package var hits: UInt64 { memoryHits + redisHits }

    package init() {}
}

/// One lane's share of the totals: written by its loop, read by any thread.
final class CacheCounters: Sendable {
    enum Event {
        case memoryHit, redisHit, miss, collapsed, stale, stored, abandoned, purge, redisError
    }

    private let memoryHits = Atomic<UInt64>(0)
    private let redisHits = Atomic<UInt64>(0)
    private let misses = Atomic<UInt64>(0)
    private let collapsed = Atomic<UInt64>(0)
    private let stale = Atomic<UInt64>(0)
    private let stored = Atomic<UInt64>(0)
    private let abandoned = Atomic<UInt64>(0)
    private let purges = Atomic<UInt64>(0)
    private let redisErrors = Atomic<UInt64>(0)

    func count(_ event: Event) {
        switch event {
        case .memoryHit: memoryHits.add(1, ordering: .relaxed)
        case .redisHit: redisHits.add(1, ordering: .relaxed)
        case .miss: misses.add(1, ordering: .relaxed)
        case .collapsed: collapsed.add(1, ordering: .relaxed)
        case .stale: stale.add(1, ordering: .relaxed)
        case .stored: stored.add(1, ordering: .relaxed)
        case .abandoned: abandoned.add(1, ordering: .relaxed)
        case .purge: purges.add(1, ordering: .relaxed)
        case .redisError: redisErrors.add(1, ordering: .relaxed)
        }
    }

    func add(to total: inout CacheStatistics) {
        total.memoryHits += memoryHits.load(ordering: .relaxed)
        total.redisHits += redisHits.load(ordering: .relaxed)
        total.misses += misses.load(ordering: .relaxed)
        total.collapsed += collapsed.load(ordering: .relaxed)
        total.stale += stale.load(ordering: .relaxed)
        total.stored += stored.load(ordering: .relaxed)
        total.abandoned += abandoned.load(ordering: .relaxed)
        total.purges += purges.load(ordering: .relaxed)
        total.redisErrors += redisErrors.load(ordering: .relaxed)
    }
}
