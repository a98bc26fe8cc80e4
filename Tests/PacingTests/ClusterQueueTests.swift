import NIOCore
import NIOPosix
import Pacing
import RedisClient
import TestSupport
import Testing

/// Queues of several upstreams on a real cluster of three shards, with agents as three processes would have them.
@Suite("Queues on a cluster", .serialized, .timeLimit(.minutes(8)))
struct ClusterQueueTests {
    private let loop = MultiThreadedEventLoopGroup.singleton.next()
    private let bucket = BucketSpec(name: "rpm", limit: 20, per: .seconds(1), burst: 10)

    /// Upstreams whose queues lie on the first, second and third shard.
    private static func upstreams(_ cluster: RedisCluster) async throws -> [String] {
        var found: [Int: String] = [:]
        for number in 0..<64 where found.count < 3 {
            let keys = QueueScript.keys(prefix: QueueReplicas.prefix, upstream: "u\(number)")
            let shard = try await cluster.shard(of: keys[0])
            found[shard] = found[shard] ?? "u\(number)"
        }
        return try (0..<3).map { try #require(found[$0]) }
    }

    /// `handles[i][j]`: upstream i on replica j.
    private func agents(_ cluster: RedisCluster, _ upstreams: [String]) async throws -> [[QueueHandle]] {
        let endpoint = try RedisEndpoint(url: cluster.url)
        let handles = upstreams.map { QueueHandle.replicas(3, on: endpoint, upstream: $0, policy: .closed) }
        for handles in handles { try await handles.until(.connected) }
        return handles
    }

    private func enter(_ count: Int, _ handles: [QueueHandle], into endings: QueueEndings = .init()) -> QueueEndings {
        for index in 0..<count {
            let request = QueueRequest(costs: [.init(bucket)], client: "c\(index % 4)", patience: nil)
            handles[index % handles.count].enter(request, on: loop) { endings.take($0) }
        }
        return endings
    }

    @Test("Queues lie on the shard of their upstream, and each is one for all replicas: no window is exceeded")
    func spread() async throws {
        let cluster = try await RedisCluster.start()
        let upstreams = try await Self.upstreams(cluster)
        let handles = try await agents(cluster, upstreams)
        let endings = handles.map { enter(60, $0) }
        for (shard, upstream) in upstreams.enumerated() {
            let keys = Set(QueueScript.keys(prefix: QueueReplicas.prefix, upstream: upstream))
            let held = Set(
                try await cluster.masters[shard].command("KEYS", "*").split(separator: "\n").map(String.init)
            )
            #expect(!held.isEmpty)
            #expect(held.isSubset(of: keys))
            // Two channels a replica, and pushes go to nobody else.
            let channels = try await cluster.masters[shard].command("PUBSUB", "SHARDCHANNELS").split(separator: "\n")
            #expect(channels.count == 4)
        }
        for endings in endings {
            try await eventually("all are served", within: .seconds(20)) { endings.granted == 60 }
            // The guard covers what clocks that are read over a network may differ.
            #expect(endings.most(in: .milliseconds(950)) <= 20)
        }
        // Pushed, not found by asking again and again: a call a slot each way, and some beats.
        for handles in handles {
            let calls = try await handles.calls()
            #expect(calls <= 4 * 60, "\(calls) calls for 60 slots")
        }
        for handle in handles.joined() { handle.close() }
        try await cluster.stop()
    }

    @Test(
        "A master dies in mid-run: its queue moves again within 3 s of the promotion, others never stop, nothing is exceeded"
    )
    func failover() async throws {
        let cluster = try await RedisCluster.start(replicas: 1)
        let upstreams = try await Self.upstreams(cluster)
        let handles = try await agents(cluster, upstreams)
        let endings = handles.map { enter(140, $0) }
        try await eventually("some are served") { endings.allSatisfy { $0.granted >= 25 } }
        let killed = NIODeadline.now()
        try await cluster.masters[0].kill()
        try await cluster.waitUntilMaster(cluster.replicas[0][0])
        let promoted = NIODeadline.now()
        // A promotion may take longer than callers are held under `closed`: who was refused asks again.
        var again = 0
        func askAgain() {
            let refused = endings[0].refused.count
            _ = enter(refused - again, handles[0], into: endings[0])
            again = refused
        }
        let moved = try await eventualValue("the queue moves again", every: .milliseconds(50)) {
            askAgain()
            return endings[0].deadlines.first { $0 > promoted }
        }
        #expect(moved - promoted < .seconds(3))
        try await eventually("all are served", within: .seconds(30), every: .milliseconds(50)) {
            askAgain()
            return endings[0].granted == 140
        }
        #expect(endings[0].refused.allSatisfy { $0.reason == .unavailable })
        for (upstream, endings) in endings.enumerated() {
            try await eventually("all are served", within: .seconds(30)) { endings.granted == 140 }
            #expect(upstream == 0 || endings.refused.isEmpty)
            #expect(endings.most(in: .milliseconds(950)) <= 20, "upstream \(upstream)")
        }
        for endings in endings.dropFirst() {
            let times = [killed] + endings.deadlines.filter { $0 > killed && $0 < promoted } + [promoted]
            let pause = zip(times, times.dropFirst()).map { $1 - $0 }.max() ?? .zero
            // It stood still for no longer than its own pace asks for, on a busy machine.
            #expect(pause < .seconds(1))
        }
        for handle in handles.joined() { handle.close() }
        try await cluster.stop()
    }
}
