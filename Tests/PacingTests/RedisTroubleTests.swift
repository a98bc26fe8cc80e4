import NIOCore
import NIOPosix
import Pacing
import TestSupport
import Testing

/// A Redis that answers, but takes no writes.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct RedisTroubleTests {
    struct Trouble: Sendable, CustomTestStringConvertible {
        var name: String
        var begin: [String]
        var end: [String]
        var reason: QueueFailure
        var testDescription: String { name }
    }

    static let troubles = [
        Trouble(
            name: "out of memory",
            begin: ["CONFIG", "SET", "maxmemory", "1"],
            end: ["CONFIG", "SET", "maxmemory", "0"],
            reason: .outOfMemory
        ),
        Trouble(
            name: "a master that became a replica",
            begin: ["REPLICAOF", "127.0.0.1", "1"],
            end: ["REPLICAOF", "NO", "ONE"],
            reason: .readOnly
        ),
        Trouble(
            name: "too few replicas",
            begin: ["CONFIG", "SET", "min-replicas-to-write", "1"],
            end: ["CONFIG", "SET", "min-replicas-to-write", "0"],
            reason: .notReady
        ),
    ]

    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    private func command(_ replicas: QueueReplicas, _ words: [String]) async throws {
        _ = try await replicas.server.command(words)
    }

    @Test("Each replica paces its part meanwhile, goes back by itself, and no waiter is lost", arguments: troubles)
    func local(_ trouble: Trouble) async throws {
        let replicas = try await QueueReplicas.start(2)
        let bucket = BucketSpec(name: "rpm", limit: 20, per: .seconds(1), burst: 10)
        let endings = QueueEndings()
        for index in 0..<160 {
            replicas.handles[index % 2].enter(QueueRequest(costs: [.init(bucket)], client: "c"), on: loop) {
                endings.take($0)
            }
        }
        // A beat, a second after the first roll call, tells a replica its part.
        try await eventually("served for some seconds", within: .seconds(20)) { endings.granted >= 70 }
        try await command(replicas, trouble.begin)
        try await replicas.until(.local)
        let before = endings.granted
        try await eventually("served by parts") { endings.granted >= before + 10 }
        #expect(try await replicas.failures(trouble.reason) >= 2)
        try await command(replicas, trouble.end)
        try await replicas.until(.connected)
        try await eventually("all are served", within: .seconds(30)) { endings.granted == 160 }
        #expect(endings.refused.isEmpty)
        try await replicas.stop()
    }

    @Test("Under `closed` nothing is granted meanwhile", arguments: troubles)
    func closed(_ trouble: Trouble) async throws {
        let replicas = try await QueueReplicas.start(1, policy: .closed)
        let bucket = BucketSpec(name: "rpm", limit: 20, per: .seconds(1), burst: 10)
        let endings = QueueEndings()
        try await command(replicas, trouble.begin)
        try await replicas.until(.cut)
        replicas.handles[0].enter(QueueRequest(costs: [.init(bucket)], client: "c"), on: loop) { endings.take($0) }
        try await eventually("refused") { endings.refused.map(\.reason) == [.unavailable] }
        try await command(replicas, trouble.end)
        try await replicas.until(.connected)
        replicas.handles[0].enter(QueueRequest(costs: [.init(bucket)], client: "c"), on: loop) { endings.take($0) }
        try await eventually("granted") { endings.granted == 1 }
        try await replicas.stop()
    }
}

/// How often the agents call Redis.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct RedisCallsTests {
    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    @Test(
        "A slot costs at most 2.2 calls where callers contend and come again, settled or not",
        arguments: [false, true]
    )
    func contended(settles: Bool) async throws {
        let replicas = try await QueueReplicas.start(3)
        let bucket = BucketSpec(name: "tpm", limit: 200, per: .seconds(2), burst: 100)
        let endings = QueueEndings()
        @Sendable func enter(_ index: Int) {
            let request = QueueRequest(costs: [.init(bucket, units: 10, isEstimate: true)], client: "c\(index % 4)")
            let queue = replicas.handles[index % 3]
            queue.enter(request, on: loop) { event in
                endings.take(event)
                guard case .granted(let grant) = event else { return }
                loop.assumeIsolated().scheduleTask(in: .milliseconds(40)) {
                    if settles { queue.settle(grant, costs: ["tpm": 9]) }
                    enter(index)
                }
            }
        }
        for index in 0..<24 { enter(index) }
        try await eventually("contended") { endings.granted >= 30 }
        let start = NIODeadline.now()
        let before = try await (replicas.calls(), endings.granted)
        try await eventually("served", within: .seconds(40)) { endings.granted >= before.1 + 100 }
        let after = try await (replicas.calls(), endings.granted)
        let seconds = Double((NIODeadline.now() - start).nanoseconds) / 1e9
        let slots = Double(after.1 - before.1)
        let calls = Double(after.0 - before.0)
        #expect((calls - 3 * seconds) / slots < 3)
        try await replicas.stop()
    }

    @Test("A lone call on an idle bucket costs one, settled or not, beside one a second", arguments: [false, true])
    func lone(settles: Bool) async throws {
        let replicas = try await QueueReplicas.start(1)
        let bucket = BucketSpec(name: "tpm", limit: 100_000, per: .seconds(60), burst: 50_000)
        let endings = QueueEndings()
        let start = NIODeadline.now()
        let before = try await replicas.calls()
        for round in 1...20 {
            replicas.handles[0].enter(
                QueueRequest(costs: [.init(bucket, units: 10, isEstimate: true)], client: "c"),
                on: loop
            ) { event in
                endings.take(event)
                if settles, case .granted(let grant) = event { replicas.handles[0].settle(grant, costs: ["tpm": 9]) }
            }
            try await eventually("granted") { endings.granted == round }
        }
        let calls = Double(try await replicas.calls() - before)
        let seconds = Double((NIODeadline.now() - start).nanoseconds) / 1e9
        #expect((calls - seconds.rounded(.up)) / 20 <= 1.2)
        try await replicas.stop()
    }
}
