import TestSupport
import Testing

@Suite("What a call leaves behind when it ends", .timeLimit(.minutes(2)))
struct EndedCallTests {
    @Test("A paced call is let go by its queue once it has its answer")
    func paced() async throws {
        try await PipelineFixture.with(GatewayText.gemini(quota: "requests = 100\nper = \"1m\"")) { gateway, _ in
            let call = try await gateway.post(GatewayText.generate, "{}")
            let answer = try await call.answer()
            #expect(answer.status == 200)
            try await Self.expectReleased(call)
        }
    }

    @Test("A client that leaves while its upstream thinks cuts the upstream's call")
    func leftWhileCalling() async throws {
        try await PipelineFixture.with(GatewayText.gemini(), upstream: { _ in }) { gateway, upstream in
            let call = try await gateway.post(GatewayText.generate, "{}")
            try await eventually("the call arrives") { upstream.requests.count == 1 }
            try await Self.expectCut(call, upstream)
            let status = try await gateway.stats()["cluster"] as? [String: Any]
            #expect((status?["by_status"] as? [String: Int])?["499"] == 1)
        }
    }

    @Test("A client that leaves the queue is gone from it, and let go")
    func leftWhileWaiting() async throws {
        try await PipelineFixture.withWaitingCall { gateway, upstream, waiting in
            try await waiting.leave()
            try await eventually("nobody waits") { try await gateway.waiting() == 0 }
            try await Self.expectReleased(waiting)
            #expect(upstream.requests.count == 1)
        }
    }

    @Test("A cached call whose only caller leaves is cut, and let go")
    func abandonedFill() async throws {
        let configuration = GatewayText.gemini(route: "cache = { ttl = \"5m\" }")
        try await PipelineFixture.with(configuration, upstream: { _ in }) { gateway, upstream in
            let call = try await gateway.post(GatewayText.generate, "{}")
            try await eventually("the call arrives") { upstream.requests.count == 1 }
            try await Self.expectCut(call, upstream)
        }
    }

    @Test("An answer that is not to be kept is cut when its caller leaves in the middle of it")
    func abandonedStream() async throws {
        let configuration = GatewayText.gemini(route: "cache = { ttl = \"5m\" }")
        let head = "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 100\r\n\r\n"
        try await PipelineFixture.with(configuration, upstream: { $0.write(head + "begin") }) { gateway, upstream in
            let call = try await gateway.post(GatewayText.generate, "{}")
            try await eventually("the answer begins") { call.seen.body == "begin" }
            try await Self.expectCut(call, upstream)
        }
    }

    @Test("A fill that others wait for goes on when its first caller leaves")
    func sharedFill() async throws {
        let configuration = GatewayText.gemini(route: "cache = { ttl = \"5m\" }")
        try await PipelineFixture.with(configuration, upstream: { _ in }) { gateway, upstream in
            let first = try await gateway.post(GatewayText.generate, "{}")
            let second = try await gateway.post(GatewayText.generate, "{}")
            try await eventually("the call arrives") { upstream.requests.count == 1 }
            try await first.leave()
            upstream.requests[0].reply(body: "shared")
            let answer = try await second.answer()
            #expect(answer.body == "shared")
            #expect(answer.value("cache-status") == "sluice; fwd=miss; collapsed")
            #expect(upstream.requests.count == 1)
            try await Self.expectReleased(first)
            try await Self.expectReleased(second)
        }
    }

    /// Its client leaves: the upstream's connection is closed, and the call let go.
    private static func expectCut(_ call: SentCall, _ upstream: UpstreamStub) async throws {
        try await call.leave()
        try await eventually("the connection to the upstream is closed") { upstream.closedConnections == 1 }
        try await expectReleased(call)
    }

    private static func expectReleased(_ call: SentCall) async throws {
        try await eventually("nothing holds the call") { try await !call.isHeld() }
    }
}
