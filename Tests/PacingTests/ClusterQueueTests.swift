import Logging
import NIOCore
import NIOPosix
import Pacing
import RedisClient
import Synchronization
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
            let shard = try await cluster.shard(of: QueueScript.keys(prefix: "test", upstream: "u\(number)")[0])
            found[shard] = found[shard] ?? "u\(number)"
        }
        return try (0..<3).map { try #require(found[$0]) }
    }

    /// `handles[i][j]`: upstream i on replica j.
    private func agents(_ cluster: RedisCluster, _ upstreams: [String]) async throws -> [[QueueHandle]] {
        let endpoint = try RedisEndpoint(url: cluster.url)
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let handles = upstreams.map { upstream in
            (0..<3).map { index in
                let agent = QueueAgent(
                    id: "replica-\(index)",
                    settings: QueueSettings(upstream: upstream, policy: .closed),
                    eventLoop: MultiThreadedEventLoopGroup.singleton.next(),
                    logger: quiet
                ) { loop in
                    RedisQueueStore(
                        endpoint: endpoint,
                        prefix: "test",
                        upstream: upstream,
                        replica: "replica-\(index)",
                        eventLoop: loop,
                        logger: quiet
                    )
                }
                agent.start()
                return QueueHandle(agent)
            }
        }
        for handle in handles.joined() {
            try await eventually("the queue is ready") {
                let statistics = try await handle.statistics().get()
                return statistics.isReady && statistics.mode == .connected
            }
        }
        return handles
    }

    /// Until when calls of one upstream could leave, in order: 20 ms after their grants, whatever the tests' threads did then.
    private final class Grants: Sendable {
        private let state = Mutex<(times: [NIODeadline], refusals: Int)>(([], 0))

        func take(_ event: QueueEvent) {
            state.withLock { state in
                switch event {
                case .granted(let grant): state.times.append(grant.deadline)
                case .refused: state.refusals += 1
                case .position: break
                }
            }
        }

        var times: [NIODeadline] { state.withLock { $0.times.sorted() } }
        var refusals: Int { state.withLock { $0.refusals } }

        /// The most in any half-open window.
        func most(in window: TimeAmount) -> Int {
            let times = times
            var most = 0
            var first = 0
            for (index, time) in times.enumerated() {
                while times[first] + window <= time { first += 1 }
                most = max(most, index - first + 1)
            }
            return most
        }
    }

    private func enter(_ count: Int, _ handles: [QueueHandle]) -> Grants {
        let grants = Grants()
        for index in 0..<count {
            let request = QueueRequest(costs: [.init(bucket)], client: "c\(index % 4)", patience: nil)
            handles[index % handles.count].enter(request, on: loop) { grants.take($0) }
        }
        return grants
    }

    @Test("Queues lie on the shard of their upstream, and each is one for all replicas: no window is exceeded")
    func spread() async throws {
        let cluster = try await RedisCluster.start()
        let upstreams = try await Self.upstreams(cluster)
        let handles = try await agents(cluster, upstreams)
        let grants = handles.map { enter(60, $0) }
        for (shard, upstream) in upstreams.enumerated() {
            let keys = Set(QueueScript.keys(prefix: "test", upstream: upstream))
            let held = Set(
                try await cluster.masters[shard].command("KEYS", "*").split(separator: "\n").map(String.init)
            )
            #expect(!held.isEmpty)
            #expect(held.isSubset(of: keys))
            // Two channels a replica, and pushes go to nobody else.
            let channels = try await cluster.masters[shard].command("PUBSUB", "SHARDCHANNELS").split(separator: "\n")
            #expect(channels.count == 4)
        }
        for grants in grants {
            try await eventually("all are served", within: .seconds(20)) { grants.times.count == 60 }
            // The guard covers what clocks that are read over a network may differ.
            #expect(grants.most(in: .milliseconds(950)) <= 20)
        }
        // Pushed, not found by asking again and again: a call a slot each way, and some beats.
        for handles in handles {
            var calls = 0
            for handle in handles { calls += try await handle.statistics().get().counters.calls }
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
        let grants = handles.map { enter(140, $0) }
        try await eventually("some are served") { grants.allSatisfy { $0.times.count >= 25 } }
        let killed = NIODeadline.now()
        try await cluster.masters[0].kill()
        try await cluster.waitUntilMaster(cluster.replicas[0][0])
        let promoted = NIODeadline.now()
        let moved = try await eventualValue("the queue moves again") {
            grants[0].times.first { $0 > promoted }
        }
        #expect(moved - promoted < .seconds(3))
        for (upstream, grants) in grants.enumerated() {
            try await eventually("all are served", within: .seconds(30)) { grants.times.count == 140 }
            #expect(grants.refusals == 0)
            #expect(grants.most(in: .milliseconds(950)) <= 20, "upstream \(upstream)")
        }
        for grants in grants.dropFirst() {
            let times = [killed] + grants.times.filter { $0 > killed && $0 < promoted } + [promoted]
            let pause = zip(times, times.dropFirst()).map { $1 - $0 }.max() ?? .zero
            // It stood still for no longer than its own pace asks for, on a busy machine.
            #expect(pause < .seconds(1))
        }
        for handle in handles.joined() { handle.close() }
        try await cluster.stop()
    }
}
