import Foundation
import TestSupport
import Testing

@Suite("The paced queue over replicas", .timeLimit(.minutes(3)))
struct QueueTests {
    @Test("300 calls through three replicas at 60 per 5 s: no window is exceeded, and 95 % of the quota is used")
    func exactAndUsed() async throws {
        let deployment = try await Deployment.start(
            .init(
                replicas: 3,
                balancer: true,
                simulator: ["--requests-per-minute", "60", "--window", "5s"],
                configuration: Configurations.paced(60, per: "5s", burst: 30)
            )
        )
        let seen = try await deployment.burst(300)
        #expect(seen.statuses == ["200": 300])
        let arrivals = try await deployment.simulator.arrivals(call: "generateContent")
        let times = arrivals.map(\.at)
        #expect(arrivals.count == 300)
        #expect(largestWindow(times, microseconds: 5_000_000) <= 60)
        let first = try #require(times.min())
        let last = try #require(times.max())
        let counted = times.count { $0 >= first + 5_000_000 }
        let use = Double(counted) / (60.0 / 5_000_000 * Double(last - first - 5_000_000))
        #expect(use >= 0.95, "use \(use)")
        try await deployment.stop()
    }

    @Test("Who cannot get a slot in time is refused at once, with a time that holds")
    func refusedAtOnce() async throws {
        let deployment = try await Deployment.start(
            .init(redis: false, configuration: Configurations.paced(2, per: "1h", burst: 2, maxWait: "2s"))
        )
        _ = try await deployment.burst(2)
        let answer = try await deployment.generate()
        #expect(answer.status == 503)
        #expect(answer.body.contains("UNAVAILABLE"))
        #expect(answer.body.contains("upstream.queue.max_wait"))
        let wait = answer.fields["retry-after"].flatMap(Int.init) ?? 0
        #expect(wait > 60)
        try await deployment.stop()
    }

    @Test("A caller's Prefer: wait bounds its wait and is acknowledged")
    func preferWait() async throws {
        let deployment = try await Deployment.start(
            .init(redis: false, configuration: Configurations.paced(1, per: "30s", burst: 1))
        )
        let first = try await deployment.generate(fields: ["Prefer: wait=1"])
        let second = try await deployment.generate(fields: ["Prefer: wait=1"])
        #expect(first.status == 200)
        #expect(first.fields["preference-applied"] == "wait=1")
        #expect(second.status == 503)
        #expect(second.body.contains("Prefer: wait=1"))
        try await deployment.stop()
    }
}
