internal import CurlClient
internal import Logging
internal import NIOCore
internal import Pacing
internal import RateLimit
internal import RedisClient
internal import ResponseCache

/// What one loop has: its Redis connections, its curl handles, its way into the cache, its counters.
final class LoopParts {
    let loop: any EventLoop
    let telemetry: LoopTelemetry
    private let redis: RedisConnection?
    private let watch: RedisWatch?
    private let cacheRedis: RedisConnection?
    private let cacheSubscriber: RedisSubscriber?
    private let curl: [CurlClient]
    private let lane: CacheLane
    private let limits: any LimitStore
    private let seed: UInt64

    /// The parts as other threads may hold them.
    struct Bound: Sendable {
        let parts: NIOLoopBound<LoopParts>
        let telemetry: NIOLoopBound<LoopTelemetry>
        let redis: NIOLoopBound<RedisConnection>?
    }

    func bound() -> Bound {
        Bound(
            parts: NIOLoopBound(self, eventLoop: loop),
            telemetry: NIOLoopBound(telemetry, eventLoop: loop),
            redis: redis.map { NIOLoopBound($0, eventLoop: loop) }
        )
    }

    init(index: Int, of count: Int, loop: any EventLoop, shared: Shared) throws {
        self.loop = loop
        let configuration = shared.configuration
        seed = UInt64.random(in: .min ... .max)
        telemetry = LoopTelemetry(
            routes: configuration.routes.count,
            limits: configuration.limits.count,
            upstreams: configuration.upstreams.count,
            pricedModels: configuration.prices.map(\.model)
        )
        telemetry.onUncovered = { upstream, model in
            shared.warnings.warn(
                shared.logger,
                "no quota covers the model: its calls are not paced",
                ["upstream": "\(configuration.upstreams[upstream].name)", "model": "\(model)"]
            )
        }
        let name = "sluice-\(shared.replica)-\(index)"
        redis = shared.endpoint.map { endpoint in
            RedisConnection(endpoint: endpoint, eventLoop: loop, logger: shared.logger, clientName: name) { state in
                Self.changed(state, index: index, shared: shared)
            }
        }
        watch = redis.map { RedisWatch(connection: $0) }
        cacheRedis =
            shared.cacheEndpoint.map {
                RedisConnection(endpoint: $0, eventLoop: loop, logger: shared.logger, clientName: name)
            } ?? redis
        lane = shared.cache.makeLane(eventLoop: loop, redis: cacheRedis)
        if index == 0 {
            cacheSubscriber = (shared.cacheEndpoint ?? shared.endpoint).map {
                RedisSubscriber(endpoint: $0, eventLoop: loop, logger: shared.logger, clientName: name + "-cache")
            }
            lane.listen(cacheSubscriber)
        } else {
            cacheSubscriber = nil
        }
        curl = try configuration.upstreams.map { upstream in
            // The limit is the replica's; each loop has its part, and at least one.
            let connections = max(1, (upstream.maxConnections + count - 1) / count)
            return try CurlClient(
                eventLoop: loop,
                watcher: shared.watcher,
                limits: CurlLimits(connectionsPerHost: connections, idleConnections: connections)
            )
        }
        limits = Self.limitStore(configuration: configuration, redis: redis, shared: shared)
    }

    private static func changed(_ state: RedisConnectionState, index: Int, shared: Shared) {
        guard index == 0 else { return }
        switch state {
        case .up(let server):
            shared.readiness.redis(isUp: true)
            if let policy = server.evictionPolicy, policy != "noeviction" {
                shared.warnings.warn(
                    shared.logger,
                    "Redis may evict limits and queues: set maxmemory-policy noeviction, or give cached answers a Redis of their own",
                    ["maxmemory-policy": "\(policy)"]
                )
            }
        case .down: shared.readiness.redis(isUp: false)
        }
    }

    var connections: [Int] { curl.map(\.openConnections) }

    var redisReading: RedisWatch.Reading? { watch?.read() }

    func makePipeline(plan: Plan, report: StatsReport, shared: Shared) -> Pipeline {
        let worker = Worker(
            eventLoop: loop,
            plan: plan,
            curl: curl,
            limits: limits,
            telemetry: telemetry,
            logger: shared.logger,
            seed: seed
        )
        let limit = LimitStep(limits: plan.configuration.limits, store: limits, telemetry: telemetry)
        return Pipeline(
            worker: worker,
            limit: limit,
            cache: CacheStep(worker: worker, lane: lane, cache: plan.configuration.cache) { limit.refund($0) },
            ownEndpoints: OwnEndpoints(
                admin: plan.configuration.admin,
                readiness: shared.readiness,
                stats: report,
                eventLoop: loop
            )
        )
    }

    /// On this loop: its home.
    func makeQueue(for upstream: Configuration.Upstream, shared: Shared) -> QueueHandle {
        let prefix = shared.configuration.redis?.prefix ?? ""
        let agent = QueueAgent(
            id: shared.replica,
            settings: QueueSettings(
                upstream: upstream.name,
                maxWaiting: upstream.queue.maxWaiting,
                policy: shared.configuration.redis?.onFailure == .closed ? .closed : .local,
                quotas: QuotaPlan.buckets(of: upstream.quotas)
            ),
            eventLoop: loop,
            logger: shared.logger,
            onCut: { shared.readiness.queue(isCut: $0) }
        ) { loop in
            guard let endpoint = shared.endpoint else { return EmbeddedQueueStore() }
            return RedisQueueStore(
                endpoint: endpoint,
                prefix: prefix,
                upstream: upstream.name,
                replica: shared.replica,
                eventLoop: loop,
                logger: shared.logger
            )
        }
        agent.start()
        return QueueHandle(agent)
    }

    func close() {
        lane.stopListening()
        cacheSubscriber?.close()
        for client in curl { client.close() }
        if cacheRedis !== redis { cacheRedis?.close() }
        redis?.close()
    }
}
