import TestSupport
import Testing

@Suite("Signs of life in streams that wait", .timeLimit(.minutes(2)))
struct HeartbeatTests {
    private static let native = "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    private static let openAI = "/v1beta/openai/chat/completions"
    private static let streamed = #"{"model":"gemini-2.5-flash","stream":true,"messages":[]}"#
    private static let event = "data: {\"candidates\":[]}\r\n\r\n"

    /// One call a second: the first goes at once, and each further one waits a second longer.
    private static func paced(queue: String = "heartbeat = \"50ms\"", upstream: String = "") -> String {
        GatewayText.gemini(upstream: upstream, queue: queue, quota: "requests = 1\nper = \"1s\"")
    }

    private static func stream(_ request: UpstreamRequest) {
        request.reply(fields: ["Content-Type: text/event-stream"], body: event)
    }

    @Test("Native Gemini gets empty events until its slot, and then only what its upstream says")
    func native() async throws {
        try await PipelineFixture.with(Self.paced(), upstream: Self.stream) { gateway, _ in
            _ = try await gateway.post(Self.native, "{}").answer()
            let waiting = try await gateway.post(Self.native, "{}")
            let answer = try await waiting.answer()
            #expect(answer.status == 200)
            #expect(answer.value("content-type") == "text/event-stream")
            #expect(answer.value("server-timing") == nil)
            #expect(answer.value("x-request-id") != nil)
            let beats = answer.writes.dropLast()
            #expect(beats.count > 2)
            #expect(beats.allSatisfy { $0 == "\r\n\r\n" })
            #expect(answer.writes.last == Self.event)
        }
    }

    @Test("OpenAI's streams get comments that tell place and wait, the later the larger")
    func comments() async throws {
        // Hours between slots: minutes that a busy machine takes do not show.
        let configuration = GatewayText.gemini(
            queue: "heartbeat = \"50ms\"\nmax_wait = \"4h\"",
            quota: "requests = 1\nper = \"1h\""
        )
        try await PipelineFixture.with(configuration, upstream: Self.stream) { gateway, _ in
            _ = try await gateway.post(Self.openAI, Self.streamed).answer()
            var waiting: [SentCall] = []
            for index in 0..<3 {
                let call = try await gateway.post(Self.openAI, Self.streamed)
                waiting.append(call)
                let told = try await eventualValue("a comment comes") { call.seen.writes.first.flatMap(Self.place) }
                #expect(told.position == index + 1)
                // A sixteenth of the window is as finely as it is told when units come back.
                #expect(abs(told.wait / 3_600 - Double(index + 1)) < 0.1, "call \(index + 1) was told \(told.wait) s")
            }
            for call in waiting { try await call.leave() }
        }
    }

    @Test("The wait that is told grows shorter from comment to comment")
    func countdown() async throws {
        try await PipelineFixture.with(Self.paced(), upstream: Self.stream) { gateway, _ in
            _ = try await gateway.post(Self.openAI, Self.streamed).answer()
            let answer = try await gateway.post(Self.openAI, Self.streamed).answer()
            #expect(answer.writes.last == Self.event)
            let waits = answer.writes.compactMap(Self.place).map(\.wait)
            #expect(waits.count > 4)
            // The queue tells anew once a second; between, time goes by.
            let first = waits.prefix(4)
            #expect(Array(first) == first.sorted(by: >))
            #expect((waits.first ?? 0) > (waits.min() ?? 0) + 0.2)
        }
    }

    @Test(
        "Who does not wait for events gets no sign of life",
        arguments: [
            ("/v1beta/models/gemini-2.5-flash:streamGenerateContent", "{}"),
            ("/v1beta/models/gemini-2.5-flash:generateContent", "{}"),
            ("/v1beta/openai/chat/completions", #"{"model":"gemini-2.5-flash","messages":[]}"#),
        ]
    )
    func plain(path: String, body: String) async throws {
        try await PipelineFixture.with(Self.paced()) { gateway, _ in
            _ = try await gateway.post(path, body).answer()
            let answer = try await gateway.post(path, body).answer()
            #expect(answer.status == 200)
            #expect(answer.writes == ["{}"])
            #expect(answer.value("server-timing")?.contains("queue;dur=") == true)
        }
    }

    @Test("What can be refused is refused with its status, before any sign of life")
    func refusedFirst() async throws {
        let queue = "heartbeat = \"1ms\"\nmax_wait = \"1500ms\""
        try await PipelineFixture.with(Self.paced(queue: queue), upstream: Self.stream) { gateway, _ in
            _ = try await gateway.post(Self.native, "{}").answer()
            let waits = try await gateway.post(Self.native, "{}")
            let refused = try await gateway.post(Self.native, "{}").answer()
            #expect(refused.status == 503)
            #expect(refused.value("retry-after") != nil)
            #expect(refused.writes.isEmpty)
            let status = try await waits.answer().status
            #expect(status == 200)
        }
    }

    @Test("Nothing is said before the queue has taken the call: one that is out of reach refuses with its status")
    func queueOutOfReach() async throws {
        let redis = "[redis]\nurl = \"redis://127.0.0.1:\(freePort())\"\n"
        let queue = "heartbeat = \"20ms\""
        try await PipelineFixture.with(redis + Self.paced(queue: queue), upstream: Self.stream) { gateway, upstream in
            let answer = try await gateway.post(Self.native, "{}").answer()
            #expect(answer.status == 503)
            #expect(answer.writes.isEmpty)
            #expect(upstream.requests.isEmpty)
        }
    }

    @Test("An upstream's error after the signs of life is told in its own words, in a write of its own")
    func nativeError() async throws {
        let error = "{\n  \"error\": {\n    \"code\": 503,\n    \"message\": \"The model is overloaded.\"\n  }\n}\n"
        let failing = Self.failing("503 Service Unavailable", error)
        try await PipelineFixture.with(Self.paced(upstream: "retries = 0"), upstream: failing) { gateway, _ in
            _ = try await gateway.post(Self.native, "{}").answer()
            let answer = try await gateway.post(Self.native, "{}").answer()
            #expect(answer.status == 200)
            #expect(answer.hasEnded)
            let last = try #require(answer.writes.last)
            #expect(last.filter { !$0.isWhitespace } == error.filter { !$0.isWhitespace })
            #expect(last.hasPrefix("{"))
        }
    }

    @Test("On OpenAI's paths it comes as data, out of the array, and no [DONE] follows")
    func openAIError() async throws {
        let error = "[{\n  \"error\": {\n    \"code\": 400,\n    \"message\": \"No such tool.\"\n  }\n}\n]\n"
        try await PipelineFixture.with(Self.paced(), upstream: Self.failing("400 Bad Request", error)) { gateway, _ in
            _ = try await gateway.post(Self.openAI, Self.streamed).answer()
            let answer = try await gateway.post(Self.openAI, Self.streamed).answer()
            #expect(answer.hasEnded)
            let last = try #require(answer.writes.last)
            #expect(last.hasPrefix("data: {"))
            #expect(last.hasSuffix("}\n\n"))
            #expect(last.dropLast(2).contains("\n") == false)
            #expect(last.contains("No such tool."))
            #expect(!answer.body.contains("[DONE]"))
        }
    }

    @Test("A call that ends by its own deadline after signs of life says so in the stream")
    func deadline() async throws {
        let answersFirst: @Sendable (UpstreamRequest) -> Void = { request in
            if request.values("x-server-timeout").isEmpty { Self.stream(request) }
        }
        try await PipelineFixture.with(Self.paced(), upstream: answersFirst) { gateway, upstream in
            _ = try await gateway.post(Self.native, "{}").answer()
            let answer = try await gateway.post(Self.native, "{}", fields: ["X-Server-Timeout: 2"]).answer()
            #expect(upstream.requests.count == 2)
            #expect(answer.status == 200)
            #expect(answer.writes.last?.hasPrefix(#"{"error":{"code":504,"#) == true)
            #expect(answer.writes.last?.contains("X-Server-Timeout") == true)
        }
    }

    /// Answers the first call, and any other with an error.
    private static func failing(_ status: String, _ body: String) -> @Sendable (UpstreamRequest) -> Void {
        let isFirst = Once()
        return { request in
            if isFirst.take() { stream(request) } else { request.reply(status, body: body) }
        }
    }

    private static func place(_ comment: String) -> (position: Int, wait: Double)? {
        guard comment.hasPrefix(": queued position="), comment.hasSuffix("\n\n") else { return nil }
        let words = comment.dropFirst(": queued ".count).split(whereSeparator: \.isWhitespace)
        let values = words.compactMap { $0.split(separator: "=").last }
        guard values.count == 2, let position = Int(values[0]), let wait = Double(values[1]) else { return nil }
        return (position, wait)
    }
}
