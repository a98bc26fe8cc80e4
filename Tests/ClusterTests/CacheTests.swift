import Foundation
import TestSupport
import Testing

@Suite("The cache over replicas", .timeLimit(.minutes(2)))
struct CacheTests {
    static let cached =
        Configurations.client + Configurations.gemini
        + Configurations.geminiRoute.replacingOccurrences(
            of: "upstream = ",
            with: "cache = { ttl = \"5m\", methods = [\"embedContent\", \"batchEmbedContents\"] }\nupstream = "
        )

    @Test("200 identical embeddings at once over three replicas make one upstream call")
    func oneCall() async throws {
        let deployment = try await Deployment.start(
            .init(
                replicas: 3,
                balancer: true,
                simulator: ["--latency", "300ms"],
                configuration: Self.cached,
                // A busy machine must not look like a Redis that is gone: then each replica asks by itself.
                environment: ["REDIS_MORE": "timeout = \"5s\""]
            )
        )
        let seen = try await deployment.burst(200, path: Paths.embed, body: Bodies.embed)
        #expect(seen.statuses == ["200": 200])
        let calls = try await deployment.simulator.arrivals(call: "embedContent").count
        #expect(calls == 1)
        try await deployment.stop()
    }

    @Test("A hit on one replica is a hit on all, whatever the order of members and the white space")
    func hitOnAll() async throws {
        let deployment = try await Deployment.start(.init(replicas: 2, configuration: Self.cached))
        let key = [Deployment.keyField]
        let first = try await HTTP.send(
            "POST",
            deployment.address(of: 0) + Paths.embed,
            fields: key,
            body: #"{"content":{"parts":[{"text":"x"}]},"taskType":"RETRIEVAL_QUERY"}"#
        )
        let second = try await HTTP.send(
            "POST",
            deployment.address(of: 1) + Paths.embed,
            fields: key,
            body: #"{ "taskType": "RETRIEVAL_QUERY", "content": { "parts": [ { "text": "\u0078" } ] } }"#
        )
        #expect(first.fields["cache-status"] == "sluice; fwd=miss; stored")
        #expect(second.fields["cache-status"]?.hasPrefix("sluice; hit; ttl=") == true)
        #expect(second.fields["age"] != nil)
        #expect(first.body == second.body)
        let calls = try await deployment.simulator.arrivals(call: "embedContent").count
        #expect(calls == 1)
        try await deployment.stop()
    }
}
