internal import NIOCore
internal import RateLimit
internal import RedisClient

extension LoopParts {
    /// The store that decides this loop's limits.
    static func limitStore(
        configuration: Configuration,
        redis: RedisConnection?,
        loop: any EventLoop,
        shared: Shared
    ) -> any LimitStore {
        shared.embeddedLimits
    }
}
