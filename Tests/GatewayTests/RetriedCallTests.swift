import TestSupport
import Testing

@Suite("Calls that are tried again", .timeLimit(.minutes(1)))
struct RetriedCallTests {
    @Test("Where the pause goes past the time for a slot, the upstream's own answer is the answer")
    func noTimeForPause() async throws {
        let configuration = GatewayText.gemini(
            queue: "max_wait = \"300ms\"",
            quota: "requests = 100\nper = \"1m\""
        )
        let script: @Sendable (UpstreamRequest) -> Void = { $0.reply("503 Service Unavailable", body: "overloaded") }
        try await PipelineFixture.with(configuration, upstream: script) { gateway, upstream in
            let answer = try await gateway.post(GatewayText.generate, "{}").answer()
            #expect(answer.status == 503)
            #expect(answer.body == "overloaded")
            #expect(upstream.requests.count == 1)
        }
    }

    @Test("Without a quota nothing waits for a slot: such a call is tried again")
    func noQuota() async throws {
        let isFirst = Once()
        let script: @Sendable (UpstreamRequest) -> Void = { request in
            if isFirst.take() { request.reply("503 Service Unavailable") } else { request.reply() }
        }
        let configuration = GatewayText.gemini(queue: "max_wait = \"100ms\"")
        try await PipelineFixture.with(configuration, upstream: script) { gateway, upstream in
            let answer = try await gateway.post(GatewayText.generate, "{}").answer()
            #expect(answer.status == 200)
            #expect(upstream.requests.count == 2)
        }
    }

    @Test("Calls that got no answer are no part of the upstream's time to its first byte")
    func noFirstByte() async throws {
        let isFirst = Once()
        let script: @Sendable (UpstreamRequest) -> Void = { request in
            if isFirst.take() { request.reply() } else { request.close() }
        }
        try await PipelineFixture.with(GatewayText.gemini(upstream: "retries = 0"), upstream: script) { gateway, _ in
            for expected in [200, 502] {
                let answer = try await gateway.post(GatewayText.generate, "{}").answer()
                #expect(answer.status == expected)
            }
            let samples = try await gateway.samples()
            #expect(samples["gateway_upstream_first_byte_seconds_count"] == 1)
        }
    }
}
