import Foundation
import TestSupport
import Testing

@Suite("Redis's clock jumps, Redis restarts and fails over", .timeLimit(.minutes(3)))
struct FaultRedisTests {
    private typealias Cluster = FaultCluster

    @Test("Redis's clock an hour ahead, then right again: no window is exceeded, and the queue moves again at once")
    func clock() async throws {
        let clock = try await SettableClock.make()
        let cluster = try await Cluster.start(redisEnvironment: clock.environment)
        async let load = Load.run(cluster.backlog([34, 34, 34]))
        try await cluster.waitForArrivals(32)
        let ahead = monotonicMicros()
        try clock.set(seconds: 3600)
        try await cluster.waitForArrivals(64)
        let back = monotonicMicros()
        try clock.set(seconds: 0)
        let calls = try await load
        let times = try await cluster.arrivals().map(\.at)
        let last = try #require(times.max())
        let pauses = [longestPause(times, from: ahead, to: back), longestPause(times, from: back, to: last)]
        tell("clock an hour ahead, and back: longest pauses \(pauses) s")
        #expect(calls.statuses == [200: 102], "\(calls.complaints)")
        #expect(largestWindow(times, microseconds: Cluster.per) <= Cluster.limit)
        // All that used the quota tell what they sent: it is rebuilt, not taken for full.
        #expect(pauses.allSatisfy { $0 <= Cluster.moves + Cluster.slack })
        try await cluster.deployment.stop()
    }

    @Test(
        "Redis restarted with its data, then empty: no window is exceeded, and the queue moves again at once",
        arguments: ["closed", "local"]
    )
    func restarted(policy: String) async throws {
        let cluster = try await Cluster.start(policy: policy, redisArguments: ["--appendonly", "yes"])
        let redis = try #require(cluster.deployment.redis)
        async let load = Load.run(cluster.backlog([34, 34, 34]))
        var losses: [Int] = []
        var returns: [Int] = []
        for arrivals in [32, 64] {
            try await cluster.waitForArrivals(arrivals)
            losses.append(monotonicMicros())
            try await redis.kill()
            if arrivals == 64 { try redis.forgetData() }
            try await redis.start()
            returns.append(monotonicMicros())
        }
        let calls = try await load
        let times = try await cluster.arrivals().map(\.at)
        let last = try #require(times.max())
        let pauses = [
            longestPause(times, from: losses[0], to: losses[1]), longestPause(times, from: losses[1], to: last),
        ]
        let down = zip(losses, returns).map { Double($1 - $0) / 1e6 }
        let worst = largestWindow(times, microseconds: Cluster.per)
        tell("\(policy): Redis gone for \(down) s: longest pauses \(pauses) s, largest window \(worst)")
        #expect(calls.statuses == [200: 102], "\(calls.complaints)")
        #expect(worst <= Cluster.limit + (policy == "closed" ? 0 : untold(times, at: losses)))
        for (pause, down) in zip(pauses, down) { #expect(pause <= Cluster.moves + down + Cluster.slack) }
        try await cluster.deployment.stop()
    }

    /// What may be exceeded by who paces by itself: what others were granted between the last reply, at most a second
    /// old, and the loss.
    private func untold(_ times: [Int], at losses: [Int]) -> Int {
        losses.map { loss in times.count { $0 > loss - 1_000_000 && $0 <= loss } }.max() ?? 0
    }

    @Test(
        "Redis failed over to a replica that lost the last second: no window is exceeded, and the queue moves again at once"
    )
    func failedOver() async throws {
        let cluster = try await Cluster.start(links: true, policy: "closed")
        let links = try #require(cluster.deployment.links)
        let redis = try #require(cluster.deployment.redis)
        let replication = try await RedisLinks.start(count: 1, target: redis.port)
        let replica = try await RedisServer.start(arguments: ["--replicaof", "127.0.0.1 \(replication.ports[0])"])
        try await eventually("it follows") {
            try await replica.command("INFO", "replication").contains("master_link_status:up")
        }
        async let load = Load.run(cluster.backlog([30, 30, 30]))
        try await cluster.waitForArrivals(32)
        try await replication.cut(0)
        let behind = try await cluster.arrivals().count
        try await cluster.waitForArrivals(behind + 10)
        let lost = monotonicMicros()
        try await redis.kill()
        try await replica.command("REPLICAOF", "NO", "ONE")
        for link in 0..<3 { try await links.lead(link, to: replica.port) }
        let calls = try await load
        let times = try await cluster.arrivals().map(\.at)
        let last = try #require(times.max())
        let pause = longestPause(times, from: lost, to: last)
        tell("failed over to a replica 10 slots behind: longest pause \(pause) s")
        #expect(calls.statuses == [200: 90], "\(calls.complaints)")
        #expect(largestWindow(times, microseconds: Cluster.per) <= Cluster.limit)
        #expect(pause <= Cluster.moves + Cluster.slack)
        try await replica.kill()
        try await replication.stop()
        try await cluster.deployment.stop()
    }

    @Test("A Redis that takes no writes: who waits is served by parts, and all is one queue again within seconds")
    func takesNoWrites() async throws {
        let cluster = try await Cluster.start()
        let redis = try #require(cluster.deployment.redis)
        let gateways = cluster.deployment.gateways
        async let load = Load.run(cluster.backlog([38, 38, 38]))
        var began: [Int] = []
        for (arrivals, refusal) in zip([32, 72], Self.refusals) {
            try await cluster.waitForArrivals(arrivals)
            let logged = gateways.map(\.log.count)
            began.append(monotonicMicros())
            try await redis.command(refusal.begin)
            try await eventually("\(refusal.cause): all pace by themselves", within: .seconds(3)) {
                zip(gateways, logged).allSatisfy { $0.log.dropFirst($1).contains(Self.alone) }
            }
            try await cluster.waitForArrivals(arrivals + 20)
            let ended = monotonicMicros()
            try await redis.command(refusal.end)
            try await eventually("all share again", within: .seconds(Cluster.moves + Cluster.slack)) {
                gateways.allSatisfy { $0.log.hasLast("queue store within reach", after: Self.alone) }
            }
            tell("\(refusal.cause): shared again \(Double(monotonicMicros() - ended) / 1e6) s after its end")
        }
        let calls = try await load
        let times = try await cluster.arrivals().map(\.at)
        let last = try #require(times.max())
        let worst = largestWindow(times, microseconds: Cluster.per)
        let pause = longestPause(times, from: began[0], to: last)
        tell("no writes: longest pause \(pause) s, largest window \(worst)")
        #expect(calls.statuses == [200: 114], "\(calls.complaints)")
        #expect(worst <= Cluster.limit + untold(times, at: began))
        #expect(pause <= Cluster.moves + Cluster.slack)
        try await cluster.deployment.stop()
    }

    private struct Refusal {
        let cause: String
        let begin: [String]
        let end: [String]
    }

    private static let refusals = [
        Refusal(
            cause: "out of memory",
            begin: ["CONFIG", "SET", "maxmemory", "1"],
            end: ["CONFIG", "SET", "maxmemory", "0"]
        ),
        Refusal(cause: "read-only", begin: ["REPLICAOF", "127.0.0.1", "1"], end: ["REPLICAOF", "NO", "ONE"]),
    ]

    private static let alone = "pacing this replica's part"
}

extension String {
    /// Whether the one text came last, after the other.
    fileprivate func hasLast(_ text: String, after other: String) -> Bool {
        guard let found = range(of: text, options: .backwards), let before = range(of: other, options: .backwards)
        else { return false }
        return found.lowerBound > before.lowerBound
    }
}
