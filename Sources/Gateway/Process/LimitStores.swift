internal import NIOCore
internal import RateLimit
internal import RedisClient

extension LoopParts {
    /// What decides this loop's limits: Redis with its stand-in, or the process alone.
    static func limitStore(
        configuration: Configuration,
        redis: RedisConnection?,
        shared: Shared
    ) -> any LimitStore {
        guard let settings = configuration.redis, let redis else { return shared.embeddedLimits }
        return FailoverLimitStore(
            primary: RedisLimitStore(
                connection: redis,
                rules: configuration.limits.map(\.rule),
                prefix: settings.prefix,
                timeout: TimeAmount(settings.timeout),
                memory: shared.denials
            ),
            policy: settings.onFailure.limitPolicy,
            share: shared.embeddedLimits,
            replicas: { shared.liveReplicas.count }
        )
    }
}

extension Configuration.Redis.FailurePolicy {
    fileprivate var limitPolicy: FailoverLimitStore.Policy {
        switch self {
        case .local: .local
        case .open: .open
        case .closed: .closed
        }
    }
}
