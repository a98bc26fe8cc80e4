import Foundation
import TestSupport
import Testing

@Suite("Client rate limits over replicas", .timeLimit(.minutes(2)))
struct LimitTests {
    @Test("Of 500 requests at once over three replicas exactly the burst of 50 passes")
    func exactlyTheBurst() async throws {
        let deployment = try await Deployment.start(
            .init(
                replicas: 3,
                balancer: true,
                configuration: Configurations.limited(50),
                // A busy machine must not look like a Redis that is gone: then each replica decides by its part.
                environment: ["REDIS_MORE": "timeout = \"5s\""]
            )
        )
        let seen = try await deployment.burst(500)
        #expect(seen.statuses == ["200": 50, "429": 450])
        let calls = try await deployment.simulator.arrivals(call: "generateContent").count
        #expect(calls == 50)
        try await deployment.stop()
    }

    @Test("A refusal says when to come back, and which limit it was")
    func refusal() async throws {
        let deployment = try await Deployment.start(.init(redis: false, configuration: Configurations.limited(50)))
        _ = try await deployment.burst(50)
        let answer = try await deployment.generate()
        #expect(answer.status == 429)
        #expect(answer.fields["ratelimit-policy"] == "\"per-client\";q=50;w=3600")
        #expect(answer.fields["ratelimit"]?.hasPrefix("\"per-client\";r=0;t=") == true)
        let wait = answer.fields["retry-after"].flatMap(Int.init) ?? 0
        #expect((1...72).contains(wait))
        try await deployment.stop()
    }
}
