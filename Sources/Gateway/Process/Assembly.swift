internal import CurlClient
internal import Hashing
package import Logging
package import NIOCore
package import NIOPosix
internal import Pacing
internal import RateLimit
internal import RedisClient
internal import ResponseCache

/// Everything that a gateway is made of, tied together once at start and ended in order.
///
/// What belongs to one loop is made on it and never leaves it; here it is only held.
package struct Assembly: Sendable {
    package let pipelines: [NIOLoopBound<Pipeline>]
    let cluster: ClusterStats
    let readiness: Readiness
    private let parts: [NIOLoopBound<LoopParts>]
    private let queues: [QueueHandle]
    private let watcher: CurlWatcher

    /// - Throws: `GatewayStartError`.
    package static func make(
        configuration: Configuration,
        group: MultiThreadedEventLoopGroup,
        logger: Logger
    ) async throws -> Assembly {
        let replica = Hexadecimal.encode(randomBytes(8))
        let shared = try Shared(configuration: configuration, replica: replica, logger: logger)
        let loops = Array(group.makeIterator())
        var bound: [LoopParts.Bound] = []
        for (index, loop) in loops.enumerated() {
            do {
                bound.append(
                    try await loop.submit {
                        try LoopParts(index: index, of: loops.count, loop: loop, shared: shared).bound()
                    }.get()
                )
            } catch {
                throw GatewayStartError.noCurl("\(error)")
            }
        }
        let parts = bound.map(\.parts)
        var queues: [QueueHandle?] = []
        for (index, upstream) in configuration.upstreams.enumerated() {
            guard !upstream.quotas.isEmpty else {
                queues.append(nil)
                continue
            }
            let home = parts[index % parts.count]
            queues.append(
                try await home.eventLoop.submit { home.value.makeQueue(for: upstream, shared: shared) }.get()
            )
        }
        let plan = Plan(
            configuration: configuration,
            upstreams: configuration.upstreams.enumerated().map { index, upstream in
                UpstreamPlan(index: index, upstream: upstream, queue: queues[index])
            }
        )
        let telemetry = ProcessTelemetry(
            loops: bound.map(\.telemetry),
            replica: replica,
            started: .now()
        )
        let cluster = ClusterStats(
            telemetry: telemetry,
            configuration: configuration,
            cacheCounts: { CacheCounts(shared.cache.statistics) },
            waiting: {
                var rows: [ReplicaGauges.Waiting] = []
                for upstream in plan.upstreams {
                    guard let queue = upstream.queue else { continue }
                    rows += await QuotaRows.waiting(in: queue, upstream: upstream)
                }
                return rows
            },
            redis: bound[0].redis,
            liveReplicas: shared.liveReplicas
        )
        let report = StatsReport(
            cluster: cluster,
            plan: plan,
            replica: replica,
            started: .now(),
            sources: sources(parts: parts, queues: queues.compactMap { $0 }, shared: shared)
        )
        var pipelines: [NIOLoopBound<Pipeline>] = []
        for part in parts {
            pipelines.append(
                try await part.eventLoop.submit {
                    NIOLoopBound(
                        part.value.makePipeline(plan: plan, report: report, shared: shared),
                        eventLoop: part.eventLoop
                    )
                }.get()
            )
        }
        return Assembly(
            pipelines: pipelines,
            cluster: cluster,
            readiness: shared.readiness,
            parts: parts,
            queues: queues.compactMap { $0 },
            watcher: shared.watcher
        )
    }

    /// A queue in Redis grants nothing until its replicas have told what they sent: only then is this one of use to a
    /// balancer. Waits 3 s at most, as it serves without Redis too.
    func waitForQueues() async {
        let deadline = NIODeadline.now() + .seconds(3)
        for queue in queues {
            while NIODeadline.now() < deadline {
                // A loop that is gone has nothing to wait for.
                guard let statistics = try? await queue.statistics().get(), !statistics.isReady else { break }
                try? await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    /// Leaves the queues, closes all connections and ends curl's thread.
    package func close() async {
        for queue in queues { queue.close() }
        for part in parts {
            // A loop that is gone has nothing left to close.
            try? await part.eventLoop.submit { part.value.close() }.get()
        }
        watcher.close()
    }

    private static func sources(
        parts: [NIOLoopBound<LoopParts>],
        queues: [QueueHandle],
        shared: Shared
    ) -> StatsReport.Sources {
        .init(
            connections: {
                var sums = [Int](repeating: 0, count: shared.configuration.upstreams.count)
                for part in parts {
                    let counts = try? await part.eventLoop.submit { part.value.connections }.get()
                    for (index, count) in (counts ?? []).enumerated() { sums[index] += count }
                }
                return sums
            },
            cache: { CacheCounts(shared.cache.statistics) },
            redis: {
                guard let policy = shared.configuration.redis?.onFailure else { return StatsDocument.Redis() }
                var document = StatsDocument.Redis()
                var latency = Histogram()
                var isUp = true
                for part in parts {
                    guard let reading = try? await part.eventLoop.submit({ part.value.redisReading }).get() else {
                        continue
                    }
                    latency.merge(reading.latency)
                    document.commands += reading.counters.commands
                    document.errors += reading.counters.errors
                    document.evictionPolicy = reading.evictionPolicy ?? document.evictionPolicy
                    isUp = isUp && reading.isUp
                }
                for queue in queues {
                    guard let counters = try? await queue.statistics().get().counters else { continue }
                    document.commands += counters.calls
                    document.errors += counters.failures
                }
                document.mode = isUp ? "redis" : policy.rawValue
                document.latencyP99 = latency.quantile(0.99)
                return document
            }
        )
    }
}

/// What all loops share: values, and state that guards itself.
final class Shared: Sendable {
    let configuration: Configuration
    let replica: String
    let logger: Logger
    let watcher: CurlWatcher
    let endpoint: RedisEndpoint?
    /// The cache's own Redis, where it has one.
    let cacheEndpoint: RedisEndpoint?
    let cache: AnswerCache
    let readiness: Readiness
    let liveReplicas = LiveReplicas()
    let embeddedLimits: EmbeddedLimitStore
    let denials = DenialMemory()
    let warnings = OnceWarnings()

    init(configuration: Configuration, replica: String, logger: Logger) throws(GatewayStartError) {
        self.configuration = configuration
        self.replica = replica
        self.logger = logger
        do {
            watcher = try CurlWatcher()
        } catch {
            throw .noCurl("\(error)")
        }
        do {
            endpoint = try configuration.redis.map {
                try RedisEndpoint(url: $0.url, ca: $0.ca, certificate: $0.certificate, key: $0.key)
            }
            cacheEndpoint = try configuration.cache.redis.map { try RedisEndpoint(url: $0) }
        } catch {
            throw .badRedis("\(error)")
        }
        cache = AnswerCache(
            settings: CacheSettings(
                memory: configuration.cache.memory,
                maximumEntry: configuration.cache.maxEntry,
                prefix: configuration.redis?.prefix ?? "gw",
                redisTimeout: TimeAmount(configuration.redis?.timeout ?? .milliseconds(50))
            )
        )
        readiness = Readiness(needsRedis: configuration.redis?.onFailure == .closed)
        embeddedLimits = EmbeddedLimitStore(rules: configuration.limits.map(\.rule))
    }
}
