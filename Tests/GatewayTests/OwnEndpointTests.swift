import TestSupport
import Testing

@Suite("The gateway's own endpoints", .timeLimit(.minutes(1)))
struct OwnEndpointTests {
    @Test("They are not counted as requests")
    func ownEndpoints() async throws {
        try await PipelineFixture.with(GatewayText.gemini()) { gateway, _ in
            _ = try await gateway.get("/health").answer()
            _ = try await gateway.get("/ready").answer()
            _ = try await gateway.metrics()
            _ = try await gateway.post(GatewayText.generate, "{}").answer()
            let cluster = try await gateway.stats()["cluster"] as? [String: Any]
            #expect(cluster?["requests"] as? Int == 1)
            #expect(cluster?["by_status"] as? [String: Int] == ["200": 1])
            #expect(cluster?["in_flight"] as? Int == 0)
        }
    }
}
