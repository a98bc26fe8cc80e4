import Logging
import NIOCore
import NIOPosix
import Pacing
import RedisClient
import Synchronization
import TestSupport
import Testing

/// Agents as several processes would have them, on one real Redis.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct RedisQueueStoreTests {
    private struct Replicas {
        let server: RedisServer
        let handles: [QueueHandle]

        static func start(_ count: Int, policy: QueueSettings.LossPolicy = .local) async throws -> Replicas {
            let server = try await RedisServer.start()
            let endpoint = try RedisEndpoint(url: server.url)
            let handles = (0..<count).map { index in
                let loop = MultiThreadedEventLoopGroup.singleton.next()
                let agent = QueueAgent(
                    id: "replica-\(index)",
                    settings: QueueSettings(upstream: "gemini", policy: policy),
                    eventLoop: loop,
                    logger: Logger(label: "replica-\(index)") { _ in SwiftLogNoOpLogHandler() }
                ) { loop in
                    RedisQueueStore(
                        endpoint: endpoint,
                        prefix: "test",
                        upstream: "gemini",
                        replica: "replica-\(index)",
                        eventLoop: loop,
                        logger: Logger(label: "store") { _ in SwiftLogNoOpLogHandler() }
                    )
                }
                agent.start()
                return QueueHandle(agent)
            }
            let replicas = Replicas(server: server, handles: handles)
            try await replicas.untilReady()
            return replicas
        }

        func untilReady() async throws {
            for handle in handles {
                try await eventually("the queue is ready") {
                    let statistics = try await handle.statistics().get()
                    return statistics.isReady && statistics.mode == .connected
                }
            }
        }

        func until(_ mode: QueueStatistics.Mode) async throws {
            for handle in handles {
                try await eventually("the queue is \(mode)") { try await handle.statistics().get().mode == mode }
            }
        }

        func stop() async throws {
            for handle in handles { handle.close() }
            try await server.stop()
        }
    }

    /// Times of grants, as they come, and of refusals.
    private final class Outcomes: Sendable {
        private let state = Mutex<(granted: [NIODeadline], refused: [QueueRefusal])>(([], []))

        func take(_ event: QueueEvent) {
            state.withLock { state in
                switch event {
                case .granted: state.granted.append(.now())
                case .refused(let refusal): state.refused.append(refusal)
                case .position: break
                }
            }
        }

        var granted: [NIODeadline] { state.withLock { $0.granted.sorted() } }
        var refused: [QueueRefusal] { state.withLock { $0.refused } }
    }

    private func request(_ bucket: BucketSpec, client: String = "client", patience: Duration? = nil) -> QueueRequest {
        QueueRequest(costs: [.init(bucket)], client: client, patience: patience)
    }

    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    /// No half-open window holds more than the limit.
    private func mostInWindow(_ times: [NIODeadline], _ window: TimeAmount) -> Int {
        var most = 0
        var first = 0
        for (index, time) in times.enumerated() {
            while times[first] + window <= time { first += 1 }
            most = max(most, index - first + 1)
        }
        return most
    }

    @Test("A lone call on an idle bucket costs one call to Redis and waits for no timer")
    func lone() async throws {
        let replicas = try await Replicas.start(1)
        let queue = replicas.handles[0]
        let bucket = BucketSpec(name: "rpm", limit: 10, per: .seconds(1), burst: 10)
        let before = try await queue.statistics().get().counters.calls
        let outcomes = Outcomes()
        let start = NIODeadline.now()
        queue.enter(request(bucket), on: loop) { outcomes.take($0) }
        try await eventually("granted") { outcomes.granted.count == 1 }
        let after = try await queue.statistics().get().counters.calls
        #expect(outcomes.granted[0] - start < .milliseconds(250))
        #expect(after - before <= 2)  // A beat may fall in between.
        try await replicas.stop()
    }

    @Test("Three replicas share one quota: no window over it, all served, nearly all of it used")
    func shared() async throws {
        let replicas = try await Replicas.start(3)
        let bucket = BucketSpec(name: "rpm", limit: 40, per: .seconds(1), burst: 20)
        let outcomes = Outcomes()
        for index in 0..<160 {
            replicas.handles[index % 3].enter(request(bucket, client: "c\(index % 4)"), on: loop) { outcomes.take($0) }
        }
        try await eventually("all served", within: .seconds(30)) { outcomes.granted.count == 160 }
        let times = outcomes.granted
        // Events are seen up to the guard and a loop's delay later than granted.
        #expect(mostInWindow(times, .milliseconds(950)) <= 40)
        #expect(times[159] - times[0] < .milliseconds(4600))
        let statistics = try await replicas.handles[0].statistics().get()
        #expect(statistics.counters.stale <= 3)
        try await replicas.stop()
    }

    @Test("A caller that leaves is gone from Redis at once")
    func leaves() async throws {
        let replicas = try await Replicas.start(2)
        let bucket = BucketSpec(name: "rpm", limit: 1, per: .seconds(60), burst: 1)
        let outcomes = Outcomes()
        replicas.handles[0].enter(request(bucket), on: loop) { outcomes.take($0) }
        try await eventually("granted") { outcomes.granted.count == 1 }
        let id = replicas.handles[1].enter(request(bucket), on: loop) { outcomes.take($0) }
        let key = QueueScript.keys(prefix: "test", upstream: "gemini")[8]
        try await eventually("waits") { try await replicas.server.command("ZCARD", key) == "1" }
        replicas.handles[1].leave(id)
        try await eventually("gone") { try await replicas.server.command("ZCARD", key) == "0" }
        try await replicas.stop()
    }

    @Test("All keys carry the version and one hash tag, and expire")
    func keysExpire() async throws {
        let replicas = try await Replicas.start(1)
        let bucket = BucketSpec(name: "rpm", limit: 1, per: .seconds(60), burst: 1)
        let outcomes = Outcomes()
        for _ in 0..<3 { replicas.handles[0].enter(request(bucket), on: loop) { outcomes.take($0) } }
        try await eventually("granted") { outcomes.granted.count == 1 }
        let keys = try await replicas.server.command("KEYS", "*").split(separator: "\n").map(String.init)
        #expect(keys.count >= 7)
        for key in keys {
            #expect(key.hasPrefix("test:{q2:gemini}:"))
            let seconds = Int(try await replicas.server.command("TTL", key)) ?? -1
            #expect(seconds > 0, "\(key)")
        }
        try await replicas.stop()
    }

    @Test("Redis lost and back: each replica paces its part meanwhile, and no waiter is lost")
    func lostAndBack() async throws {
        let replicas = try await Replicas.start(2)
        let bucket = BucketSpec(name: "rpm", limit: 20, per: .seconds(1), burst: 10)
        let outcomes = Outcomes()
        for index in 0..<140 {
            replicas.handles[index % 2].enter(request(bucket, client: "c\(index % 3)"), on: loop) { outcomes.take($0) }
        }
        // Until then they have heard of each other.
        try await eventually("served for two seconds and a half") { outcomes.granted.count >= 60 }
        try await replicas.server.kill()
        try await replicas.until(.local)
        let before = outcomes.granted.count
        try await eventually("served by parts") { outcomes.granted.count >= before + 15 }
        try await replicas.server.start()
        try await replicas.until(.connected)
        try await eventually("all served", within: .seconds(30)) { outcomes.granted.count == 140 }
        #expect(outcomes.refused.isEmpty)
        // Over at most by what was granted between the last answers and the loss.
        #expect(mostInWindow(outcomes.granted, .milliseconds(950)) <= 24)
        try await replicas.stop()
    }

    @Test("Under `closed` nothing is granted while Redis is gone, and newcomers are refused")
    func closed() async throws {
        let replicas = try await Replicas.start(1, policy: .closed)
        try await replicas.server.kill()
        try await replicas.until(.cut)
        let outcomes = Outcomes()
        let bucket = BucketSpec(name: "rpm", limit: 20, per: .seconds(1), burst: 10)
        replicas.handles[0].enter(request(bucket), on: loop) { outcomes.take($0) }
        try await eventually("refused") { outcomes.refused.count == 1 }
        #expect(outcomes.refused[0].reason == .unavailable)
        try await replicas.server.start()
        try await replicas.until(.connected)
        replicas.handles[0].enter(request(bucket), on: loop) { outcomes.take($0) }
        try await eventually("granted") { outcomes.granted.count == 1 }
        try await replicas.stop()
    }

    @Test("A replica that dies holds nobody up: its waiters are dropped within three seconds")
    func dies() async throws {
        let replicas = try await Replicas.start(2)
        let bucket = BucketSpec(name: "rpm", limit: 10, per: .seconds(1), burst: 1)
        let outcomes = Outcomes()
        let endpoint = try RedisEndpoint(url: replicas.server.url)
        // It enters by hand and never calls again.
        let redis = await RedisHandle.open(endpoint, on: loop, logger: Logger(label: "test"))
        try await eventually("connected") { await redis.read { $0.isUp } }
        let run = try #require(await redis.read { $0.serverRunID })
        let lane = LaneFigures(
            key: LaneKey(names: ["rpm"], urgency: 0),
            buckets: [BucketFigures(name: "rpm", limit: 10, per: 1_000_000, guardInterval: 20_000, burst: 1)]
        )
        let tickets = (0..<50).map { id in
            QueueTicket(
                lane: lane.key,
                client: "dead",
                user: "",
                place: id,
                owner: "dead",
                id: id,
                weight: 1,
                allowance: 20_000,
                costs: [1]
            )
        }
        let call = QueueCall(
            replica: "dead",
            number: 1,
            run: run,
            seen: 0,
            peers: 0,
            maxWaiting: 1000,
            lanes: [lane],
            operations: tickets.map { .enter($0, patience: nil) }
        )
        _ = try await redis.eval(
            QueueScript.script,
            keys: QueueScript.keys(prefix: "test", upstream: "gemini"),
            arguments: QueueScript.arguments(
                call,
                channel: QueueScript.channel(prefix: "test", upstream: "gemini"),
                now: nil
            )
        )
        let start = NIODeadline.now()
        replicas.handles[0].enter(request(bucket), on: loop) { outcomes.take($0) }
        try await eventually("served past the dead") { outcomes.granted.count == 1 }
        #expect(outcomes.granted[0] - start < .seconds(3))
        let key = QueueScript.keys(prefix: "test", upstream: "gemini")[8]
        try await eventually("dropped") { try await replicas.server.command("ZCARD", key) == "0" }
        #expect(NIODeadline.now() - start < .milliseconds(4200))
        await redis.close()
        try await replicas.stop()
    }
}
