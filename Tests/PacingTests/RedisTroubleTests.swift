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
        func enter(_ count: Int) {
            for index in 0..<count {
                replicas.handles[index % 2].enter(QueueRequest(costs: [.init(bucket)], client: "c"), on: loop) {
                    endings.take($0)
                }
            }
        }
        enter(140)
        // A beat, a second after the first roll call, tells a replica its part.
        try await eventually("served for some seconds", within: .seconds(20)) { endings.granted >= 70 }
        try await command(replicas, trouble.begin)
        try await replicas.until(.local)
        let before = endings.granted
        // On a busy machine all others may have been served by now.
        enter(20)
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
