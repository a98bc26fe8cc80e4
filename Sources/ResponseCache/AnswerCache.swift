internal import Hashing
package import NIOCore
package import RedisClient
internal import Synchronization

/// The cache of one process: a memory tier for all its loops, and one flight a key. Each loop works through a lane of its own.
package final class AnswerCache: Sendable {
    package let settings: CacheSettings
    package let memory: MemoryTier
    let flights = FlightTable()
    /// Names this process among the replicas.
    let replica: String
    private let numbers = Atomic<UInt64>(0)
    private let counters = Mutex<[CacheCounters]>([])

    package init(settings: CacheSettings) {
        self.settings = settings
        memory = MemoryTier(capacity: settings.memory, maximumEntry: settings.maximumEntry)
        replica = Hexadecimal.encode(randomBytes(8))
    }

    /// On the loop. Lanes must live as long as their loop takes requests; the connection stays the caller's.
    /// - Parameter redis: this loop's connection; `nil`: memory only.
    package func makeLane(eventLoop: any EventLoop, redis: RedisConnection?) -> CacheLane {
        let own = CacheCounters()
        counters.withLock { $0.append(own) }
        return CacheLane(cache: self, eventLoop: eventLoop, redis: redis, counters: own)
    }

    package var statistics: CacheStatistics {
        var total = CacheStatistics()
        for lane in counters.withLock({ $0 }) { lane.add(to: &total) }
        (total.bytes, total.entries) = memory.usage
        return total
    }

    /// Keys that are being fetched or waited for by this process.
    package var callsInFlight: Int { flights.count }

    /// Unique in the process: for tickets and flights.
    func nextNumber() -> UInt64 { numbers.add(1, ordering: .relaxed).newValue }
}
