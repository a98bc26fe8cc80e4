import NIOCore
import NIOPosix
import TestSupport
import Testing

@Suite("Whose fault a failure is", .timeLimit(.minutes(2)))
struct CallerFaultTests {
    @Test("A request that cannot be sent is the caller's fault: it opens no breaker")
    func headWithBody() async throws {
        let breaker = "breaker = { failures = 1, window = \"10s\", open_for = \"1m\" }"
        try await PipelineFixture.with(GatewayText.http(upstream: breaker)) { gateway, upstream in
            let head = try await gateway.send("HEAD /a HTTP/1.1\r\nHost: gateway\r\nContent-Length: 3", body: ["abc"])
            let refused = try await head.answer()
            #expect(refused.status == 400)
            let next = try await gateway.get("/b").answer()
            #expect(next.status == 200)
            #expect(upstream.requests.map(\.requestLine) == ["GET /b HTTP/1.1"])
            let row = (try await gateway.stats()["upstreams"] as? [[String: Any]])?.first
            #expect(row?["breaker"] as? String == "closed")
            #expect(row?["errors"] as? Int == 0)
        }
    }

    @Test("A body that nobody read yet is sent after all where the first connection failed")
    func unreadBody() async throws {
        let port = freePort()
        let body = String(repeating: "x", count: 100_000)
        let configuration = GatewayText.http(
            "http://127.0.0.1:\(port)",
            upstream: "replay_body = \"1KiB\"\nretries = 5"
        )
        try await PipelineFixture.with(configuration) { gateway, _ in
            let call = try await gateway.post("/upload", body)
            try await eventually("the first try has failed") {
                let row = (try await gateway.stats()["upstreams"] as? [[String: Any]])?.first
                return row?["errors"] as? Int ?? 0 >= 1
            }
            let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
            let late = try await UpstreamStub.start(port: port, on: group) { $0.reply() }
            let answer = try await call.answer()
            #expect(answer.status == 200)
            #expect(late.requests.map(\.body.count) == [body.count])
            try await late.stop()
            try await group.shutdownGracefully()
        }
    }
}
