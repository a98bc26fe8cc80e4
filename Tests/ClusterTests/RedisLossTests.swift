import Foundation
import TestSupport
import Testing

@Suite("Redis gone, and back", .timeLimit(.minutes(3)))
struct RedisLossTests {
    @Test(
        "Under local each of two replicas goes on with half of the limit, and shares again within 1 s of Redis's return"
    )
    func local() async throws {
        let deployment = try await Deployment.start(.init(replicas: 2, configuration: Configurations.limited(20)))
        let redis = try #require(deployment.redis)
        try await eventually("both replicas are known") {
            let counts = [try await deployment.replicas(knownTo: 0), try await deployment.replicas(knownTo: 1)]
            return counts == [2, 2]
        }
        try await redis.kill()
        let seen = try await deployment.burst(60, over: deployment.addresses)
        #expect(seen.statuses["200"] == 20)
        #expect(seen.statuses["429"] == 40)
        try await redis.start()
        try await eventually("Redis decides again", within: .seconds(1)) {
            let modes = [try await deployment.redisMode(of: 0), try await deployment.redisMode(of: 1)]
            return modes == ["redis", "redis"]
        }
        let after = try await deployment.burst(40, over: deployment.addresses)
        // It came back empty: the limit is whole again, and counted once for both.
        #expect(after.statuses["200"] == 20)
        try await deployment.stop()
    }

    @Test("Under open limits let pass while Redis is gone")
    func open() async throws {
        let deployment = try await Deployment.start(
            .init(
                configuration: Configurations.limited(5),
                environment: ["REDIS_MORE": "on_failure = \"open\""]
            )
        )
        try await deployment.redis?.kill()
        let seen = try await deployment.burst(20)
        #expect(seen.statuses == ["200": 20])
        try await deployment.stop()
    }

    @Test("Under closed calls get 503 and the replica is not ready, until Redis is back")
    func closed() async throws {
        let deployment = try await Deployment.start(
            .init(
                configuration: Configurations.limited(5),
                environment: ["REDIS_MORE": "on_failure = \"closed\""]
            )
        )
        let redis = try #require(deployment.redis)
        try await redis.kill()
        let refused = try await deployment.generate()
        #expect(refused.status == 503)
        #expect(refused.fields["retry-after"] != nil)
        try await eventually("it is not ready") {
            try await HTTP.get(deployment.address + "/ready").status == 503
        }
        let health = try await HTTP.get(deployment.address + "/health")
        #expect(health.status == 200)
        try await redis.start()
        try await eventually("it is ready again", within: .seconds(1)) {
            try await HTTP.get(deployment.address + "/ready").status == 200
        }
        try await deployment.stop()
    }

    @Test(
        "The paced queue goes on under local, and no window is exceeded while Redis goes and comes back with its data"
    )
    func pacing() async throws {
        let deployment = try await Deployment.start(
            .init(
                replicas: 2,
                simulator: ["--requests-per-minute", "20", "--window", "4s"],
                configuration: Configurations.paced(20, per: "4s", burst: 10)
            )
        )
        let redis = try #require(deployment.redis)
        async let burst = deployment.burst(70, over: deployment.addresses)
        try await eventually("some calls went") {
            try await deployment.simulator.arrivals(call: "generateContent").count >= 20
        }
        try await redis.restart(keepingData: true)
        let seen = try await burst
        #expect(seen.statuses["200"] == 70)
        let times = try await deployment.simulator.arrivals(call: "generateContent").map(\.at)
        // Cut off, a replica may exceed by what the other was granted since its last reply.
        #expect(largestWindow(times, microseconds: 4_000_000) <= 22)
        try await deployment.stop()
    }
}
