import Pacing
import RedisClient
import TestSupport
import Testing

/// What a decision costs in a real Redis, by count: times are measured by Benchmarks/queue-cost.
@Suite struct DecisionCostTests {
    private static let bucket = QueueDriver.bucket("rpm", 600, perSeconds: 60, burst: 2)
    private static let decisions = 40

    @Test("A decision runs as many commands with ten thousand waiters as with a hundred, within two times")
    func independentOfWaiters() async throws {
        let few = try await commands(waiters: 100)
        let many = try await commands(waiters: 10_000)
        #expect(few >= 10 * Self.decisions)
        #expect(many <= 2 * few, "\(few) and \(many)")
    }

    /// All that Redis ran for so many decisions, of which each grants a slot.
    private func commands(waiters: Int) async throws -> Int {
        let server = try await RedisServer.start()
        let connection = try ReplayConnection(path: server.unixSocketPath)
        try connection.use(script: QueueScript.script.source)
        let lane = LaneFigures(key: LaneKey(names: ["rpm"], urgency: 3), buckets: [Self.bucket])
        var now = 1_000_000_000_000
        var number = 0
        func call(_ operations: [QueueOperation]) throws -> QueueReply {
            number += 1
            let call = QueueCall(
                replica: "replica",
                number: number,
                run: "run",
                seen: 0,
                peers: 0,
                maxWaiting: 100_000,
                lanes: operations.isEmpty ? [] : [lane],
                operations: operations
            )
            let keys = QueueScript.keys(prefix: "test", upstream: "cost")
            let name: [RedisArgument] = ["EVALSHA", .text(QueueScript.script.sha1), .integer(keys.count)]
            let channel = QueueScript.channel(prefix: "test", upstream: "cost")
            connection.write(
                name + keys.map { .text($0) } + QueueScript.arguments(call, channel: channel, now: now)
            )
            try connection.flush()
            return try QueueScript.reply(try connection.read())
        }
        for first in stride(from: 0, to: waiters, by: 20) {
            _ = try call((first..<first + 20).map { .enter(ticket($0, of: waiters, lane, now: now), patience: nil) })
        }
        // The first call of all began a roll call.
        for _ in 0..<5 {
            now += 500_000
            _ = try call([.beat])
        }
        _ = try await server.command("CONFIG", "RESETSTAT")
        var granted = 0
        for _ in 0..<Self.decisions {
            now += 101_000
            granted += try call([]).grants.count
        }
        #expect(granted == Self.decisions)
        let statistics = try await server.command("INFO", "commandstats")
        connection.close()
        try await server.stop()
        return statistics.matches(of: /calls=(\d+)/).reduce(0) { $0 + (Int($1.1) ?? 0) }
    }

    private func ticket(_ index: Int, of waiters: Int, _ lane: LaneFigures, now: Micros) -> QueueTicket {
        QueueTicket(
            lane: lane.key,
            client: "c\(index % (waiters / 5 + 1))",
            user: "",
            place: now,
            owner: "replica",
            id: index,
            weight: 1,
            allowance: 20_000,
            costs: [1]
        )
    }
}
