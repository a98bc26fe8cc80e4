package import NIOCore
internal import Synchronization

/// The cache tier in this process's memory, shared by its event loops.
///
/// One lock, held for some hundred nanoseconds; nothing is freed or copied under it.
package final class MemoryTier: Sendable {
    private let store: Mutex<MemoryStore>
    private let maximumEntry: Int

    /// - Parameters:
    ///   - capacity: bytes, with all overhead.
    ///   - maximumEntry: bytes of an answer's fields and body; larger ones are not taken.
    package init(capacity: Int, maximumEntry: Int) {
        store = Mutex(MemoryStore(capacity: capacity, maximumEntry: maximumEntry))
        self.maximumEntry = maximumEntry
    }

    /// Bytes and entries held, outdated ones that were not yet swept included.
    package var usage: (bytes: Int, entries: Int) {
        store.withLock { ($0.bytes, $0.entries) }
    }

    /// A fresh answer, or `nil`. For callers that want no more than that.
    package func fresh(_ key: CacheKey, now: NIODeadline) -> StoredAnswer? {
        if case .fresh(let answer) = find(key, now: now, maximumAge: nil) { answer } else { nil }
    }

    func find(_ key: CacheKey, now: NIODeadline, maximumAge: TimeAmount?) -> MemoryFinding {
        store.withLock { $0.find(key, now: now, maximumAge: maximumAge) }
    }

    /// The generations now in force, to be taken before the answer is asked for.
    package func stamp(for tags: CacheTags) -> GenerationStamp {
        store.withLock { $0.generations.stamp(for: tags) }
    }

    func isCurrent(_ stamp: GenerationStamp) -> Bool {
        store.withLock { $0.generations.isCurrent(stamp) }
    }

    /// Copies the answer into memory of its own and keeps it, if the policy wants it.
    /// - Returns: `false` where it is too large, expired, or outdated since the stamp was taken.
    @discardableResult
    package func insert(_ answer: StoredAnswer, for key: CacheKey, stamp: GenerationStamp, now: NIODeadline) -> Bool {
        guard answer.contentBytes <= maximumEntry else { return false }
        let compact = answer.compacted()
        var dropped: [StoredAnswer] = []
        let taken = store.withLock { $0.insert(compact, for: key, stamp: stamp, now: now, dropped: &dropped) }
        // Only here, outside the lock, their memory is given back.
        dropped.removeAll()
        return taken
    }

    package func purge(_ scope: PurgeScope) {
        store.withLock { $0.generations.purge(scope) }
    }

    /// Gives back memory of the expired and outdated, some slots at a time.
    package func sweep(slots: Int, now: NIODeadline) {
        var dropped: [StoredAnswer] = []
        store.withLock { $0.sweep(slots: slots, now: now, dropped: &dropped) }
        dropped.removeAll()
    }
}
