import Logging
import NIOCore
import NIOPosix
import Pacing
import RedisClient
import TestSupport
import Testing

@Suite(.serialized, .timeLimit(.minutes(2)))
struct RedisQueueStoreTests {
    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    /// The set of all that wait.
    private static let waiting = QueueScript.keys(prefix: QueueReplicas.prefix, upstream: QueueReplicas.upstream)[8]

    private func request(_ bucket: BucketSpec, client: String = "client", patience: Duration? = nil) -> QueueRequest {
        QueueRequest(costs: [.init(bucket)], client: client, patience: patience)
    }

    @Test("A lone call on an idle bucket costs one call to Redis and waits for no timer")
    func lone() async throws {
        let replicas = try await QueueReplicas.start(1)
        let queue = replicas.handles[0]
        let bucket = BucketSpec(name: "rpm", limit: 10, per: .seconds(1), burst: 10)
        let before = try await queue.statistics().get().counters.calls
        let endings = QueueEndings()
        let start = NIODeadline.now()
        queue.enter(request(bucket), on: loop) { endings.take($0) }
        try await eventually("granted") { endings.granted == 1 }
        let after = try await queue.statistics().get().counters.calls
        #expect(endings.seen[0] - start < .milliseconds(250))
        #expect(after - before <= 2)  // A beat may fall in between.
        try await replicas.stop()
    }

    @Test("Three replicas share one quota: no window over it, all served, nearly all of it used")
    func shared() async throws {
        let replicas = try await QueueReplicas.start(3)
        let bucket = BucketSpec(name: "rpm", limit: 40, per: .seconds(1), burst: 20)
        let endings = QueueEndings()
        for index in 0..<160 {
            replicas.handles[index % 3].enter(request(bucket, client: "c\(index % 4)"), on: loop) { endings.take($0) }
        }
        try await eventually("all served", within: .seconds(30)) { endings.granted == 160 }
        // The guard covers what clocks that are read over a connection may differ.
        #expect(endings.most(in: .milliseconds(950)) <= 40)
        let times = endings.deadlines
        #expect(times[159] - times[0] < .milliseconds(4600))
        let statistics = try await replicas.handles[0].statistics().get()
        #expect(statistics.counters.stale <= 3)
        try await replicas.stop()
    }

    @Test("A caller that leaves is gone from Redis")
    func leaves() async throws {
        let replicas = try await QueueReplicas.start(2)
        let bucket = BucketSpec(name: "rpm", limit: 1, per: .seconds(60), burst: 1)
        let endings = QueueEndings()
        replicas.handles[0].enter(request(bucket), on: loop) { endings.take($0) }
        try await eventually("granted") { endings.granted == 1 }
        let id = replicas.handles[1].enter(request(bucket), on: loop) { endings.take($0) }
        try await eventually("waits") { try await replicas.server.command("ZCARD", Self.waiting) == "1" }
        replicas.handles[1].leave(id)
        try await eventually("gone") { try await replicas.server.command("ZCARD", Self.waiting) == "0" }
        try await replicas.stop()
    }

    @Test("All keys carry the version and one hash tag, and expire")
    func keysExpire() async throws {
        let replicas = try await QueueReplicas.start(1)
        let bucket = BucketSpec(name: "rpm", limit: 1, per: .seconds(60), burst: 1)
        let endings = QueueEndings()
        for _ in 0..<3 { replicas.handles[0].enter(request(bucket), on: loop) { endings.take($0) } }
        try await eventually("granted") { endings.granted == 1 }
        let keys = try await replicas.server.command("KEYS", "*").split(separator: "\n").map(String.init)
        #expect(keys.count >= 7)
        for key in keys {
            #expect(key.hasPrefix("test:{q4:gemini}:"))
            let seconds = Int(try await replicas.server.command("TTL", key)) ?? -1
            #expect(seconds > 0, "\(key)")
        }
        try await replicas.stop()
    }

    @Test("Redis lost and back: each replica paces its part meanwhile, and no waiter is lost")
    func lostAndBack() async throws {
        let replicas = try await QueueReplicas.start(2)
        let bucket = BucketSpec(name: "rpm", limit: 20, per: .seconds(1), burst: 10)
        let endings = QueueEndings()
        for index in 0..<140 {
            replicas.handles[index % 2].enter(request(bucket, client: "c\(index % 3)"), on: loop) { endings.take($0) }
        }
        // Until then they have heard of each other.
        try await eventually("served for two seconds and a half") { endings.granted >= 60 }
        try await replicas.server.kill()
        try await replicas.until(.local)
        let before = endings.granted
        try await eventually("served by parts") { endings.granted >= before + 15 }
        try await replicas.server.start()
        try await replicas.until(.connected)
        try await eventually("all served", within: .seconds(30)) { endings.granted == 140 }
        #expect(endings.refused.isEmpty)
        // Over at most by what was granted between the last answers and the loss.
        #expect(endings.most(in: .milliseconds(950)) <= 24)
        try await replicas.stop()
    }

    @Test("Under `closed` nothing is granted while Redis is gone, and newcomers are refused")
    func closed() async throws {
        let replicas = try await QueueReplicas.start(1, policy: .closed)
        try await replicas.server.kill()
        try await replicas.until(.cut)
        let endings = QueueEndings()
        let bucket = BucketSpec(name: "rpm", limit: 20, per: .seconds(1), burst: 10)
        replicas.handles[0].enter(request(bucket), on: loop) { endings.take($0) }
        try await eventually("refused") { endings.refused.count == 1 }
        #expect(endings.refused[0].reason == .unavailable)
        try await replicas.server.start()
        try await replicas.until(.connected)
        replicas.handles[0].enter(request(bucket), on: loop) { endings.take($0) }
        try await eventually("granted") { endings.granted == 1 }
        try await replicas.stop()
    }

    @Test("A replica that dies holds nobody up: its waiters are dropped within three seconds")
    func dies() async throws {
        let replicas = try await QueueReplicas.start(2)
        let bucket = BucketSpec(name: "rpm", limit: 10, per: .seconds(1), burst: 1)
        let endings = QueueEndings()
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
            keys: QueueScript.keys(prefix: QueueReplicas.prefix, upstream: QueueReplicas.upstream),
            arguments: QueueScript.arguments(
                call,
                channel: QueueScript.channel(prefix: QueueReplicas.prefix, upstream: QueueReplicas.upstream),
                now: nil
            )
        )
        let start = NIODeadline.now()
        replicas.handles[0].enter(request(bucket), on: loop) { endings.take($0) }
        try await eventually("served past the dead") { endings.granted == 1 }
        #expect(endings.seen[0] - start < .seconds(3))
        try await eventually("dropped") { try await replicas.server.command("ZCARD", Self.waiting) == "0" }
        #expect(NIODeadline.now() - start < .milliseconds(4200))
        await redis.close()
        try await replicas.stop()
    }
}
