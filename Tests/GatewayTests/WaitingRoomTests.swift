import TestSupport
import Testing

@Suite("Room for the bodies of calls that wait", .timeLimit(.minutes(2)))
struct WaitingRoomTests {
    @Test("A call without room for its body goes where it needs not wait, else hears when it would have its slot")
    func full() async throws {
        let configuration = GatewayText.gemini(
            queue: "max_wait = \"90m\"\nmax_waiting_bytes = \"1KiB\"",
            quota: "requests = 1\nper = \"1h\""
        )
        let body = "{\"contents\": \"\(String(repeating: "x", count: 2000))\"}"
        try await PipelineFixture.with(configuration) { gateway, upstream in
            let first = try await gateway.post(GatewayText.generate, body).answer()
            let second = try await gateway.post(GatewayText.generate, body).answer()
            #expect(first.status == 200)
            #expect(second.status == 503)
            #expect(second.body.contains("the queue is full (upstream.queue.max_waiting_bytes)"))
            let retryAfter = second.value("retry-after").flatMap { Int($0) } ?? 0
            // An hour, and up to a sixteenth of it: so finely is told when units come back.
            #expect((3590...3840).contains(retryAfter))
            // A small one has room, and waits.
            let third = try await gateway.post(GatewayText.generate, "{}")
            try await eventually("it waits") { try await gateway.waiting() == 1 }
            try await third.leave()
            try await eventually("all room is given back") {
                try await gateway.samples()["gateway_queue_waiting_bytes{upstream=\"gemini\"}"] == 0
            }
            #expect(upstream.requests.count == 1)
        }
    }
}
