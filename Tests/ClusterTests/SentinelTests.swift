import Foundation
import TestSupport
import Testing

@Suite("Two replicas on a master that sentinels name", .timeLimit(.minutes(8)))
struct SentinelTests {
    private static let limit = 30
    private static let seconds = 3

    @Test("The master dies: the queue moves within 3 s of the promotion, all are served, no window is exceeded")
    func failover() async throws {
        let sentinels = try await RedisSentinels.start()
        let redis = "[redis]\nurl = \"\(sentinels.url)\"\non_failure = \"closed\"\n\n"
        let deployment = try await Deployment.start(
            .init(
                replicas: 2,
                redis: false,
                simulator: ["--requests-per-minute", "\(Self.limit)", "--window", "\(Self.seconds)s"],
                configuration: redis + Configurations.paced(Self.limit, per: "\(Self.seconds)s", burst: Self.limit / 2)
            )
        )
        try await eventually("the replicas know of each other") { try await deployment.replicas(knownTo: 0) == 2 }
        func times() async throws -> [Int] {
            try await deployment.simulator.arrivals(call: "generateContent").map(\.at)
        }
        let groups = deployment.ports.indices.map { replica in
            var group = Load.Group(name: "r\(replica)-", address: deployment.address(of: replica))
            group.count = 60
            return group
        }
        async let load = Load.run(groups)
        try await eventually("calls went through the queue", within: .seconds(30)) { try await times().count >= 40 }
        try await sentinels.master.kill()
        try await eventually("the replica is promoted", within: .seconds(20), every: .milliseconds(20)) {
            try await sentinels.replica.command("ROLE").hasPrefix("master")
        }
        let promoted = monotonicMicros()
        let calls = try await load
        #expect(calls.statuses == [200: 120], "\(calls.complaints)")
        let arrivals = try await times()
        #expect(arrivals.count == 120)
        #expect(largestWindow(arrivals, microseconds: Self.seconds * 1_000_000) <= Self.limit)
        let moved = try #require(arrivals.filter { $0 > promoted }.min())
        print("    moves \(Double(moved - promoted) / 1e6) s after the promotion")
        #expect(moved - promoted <= 3_000_000)
        try await deployment.stop()
        try await sentinels.stop()
    }
}
