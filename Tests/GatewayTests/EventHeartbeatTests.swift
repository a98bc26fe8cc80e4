import TestSupport
import Testing

@Suite("Signs of life towards an upstream of dialect http", .timeLimit(.minutes(2)))
struct EventHeartbeatTests {
    private static let event = "data: 1\n\n"
    private static let events = "Content-Type: text/event-stream; charset=utf-8"

    /// One call a second: the second one waits for its slot.
    private static let configuration = GatewayText.http(
        upstream: "retries = 0",
        queue: "heartbeat = \"50ms\"",
        quota: "scope = \"upstream\"\nrequests = 1\nper = \"1s\""
    )

    private static func waiting(
        accept: String,
        upstream script: @escaping @Sendable (UpstreamRequest) -> Void,
        _ body: (RecordedReply.Seen, UpstreamRequest) throws -> Void
    ) async throws {
        try await PipelineFixture.with(configuration, upstream: script) { gateway, upstream in
            _ = try await gateway.get("/a").answer()
            let fields = ["Accept: \(accept)", "Accept-Encoding: gzip"]
            let answer = try await gateway.get("/b", fields: fields).answer()
            try body(answer, try #require(upstream.requests.last))
        }
    }

    @Test("Who takes events only gets comments until its slot, and its upstream is asked for plain text")
    func comments() async throws {
        try await Self.waiting(
            accept: "Text/Event-Stream;q=1",
            upstream: { $0.reply(fields: [Self.events], body: Self.event) }
        ) { answer, request in
            #expect(answer.writes.count > 2)
            #expect(answer.writes.dropLast().allSatisfy { $0.hasPrefix(": queued position=") })
            #expect(answer.writes.last == Self.event)
            #expect(request.values("accept-encoding") == ["identity"])
        }
    }

    @Test(
        "Who takes something else too gets the answer as it is",
        arguments: ["application/json, text/event-stream", "text/event-stream, */*", "*/*", "text/event-stream-x"]
    )
    func others(accept: String) async throws {
        let json = #"{"a":1}"#
        try await Self.waiting(
            accept: accept,
            upstream: { $0.reply("201 Created", fields: ["Content-Type: application/json"], body: json) }
        ) { answer, request in
            #expect(answer.status == 201)
            #expect(answer.value("content-type") == "application/json")
            #expect(answer.writes == [json])
            #expect(request.values("accept-encoding") == ["gzip"])
        }
    }

    @Test(
        "Behind comments a success that is no event, or coded, is told as an error; one without content ends the stream",
        arguments: [
            ("200 OK", "Content-Type: application/json", #"{"a":1}"#, "event: error\ndata: {\"a\":1}\n\n"),
            ("200 OK", "Content-Type: text/event-stream\r\nContent-Encoding: gzip", "\u{1f}", "502"),
            ("202 Accepted", "Content-Type: text/plain", "", nil),
            ("204 No Content", "X-A: b", nil, nil),
            ("201 Created", events, event, event),
        ] as [(String, String, String?, String?)]
    )
    func unfit(status: String, field: String, body: String?, last: String?) async throws {
        try await Self.waiting(
            accept: "text/event-stream",
            upstream: { request in
                if let body {
                    request.reply(status, fields: [field], body: body)
                } else {
                    request.write("HTTP/1.1 \(status)\r\n\(field)\r\n\r\n")
                }
            }
        ) { answer, _ in
            #expect(answer.status == 200)
            #expect(answer.hasEnded)
            let isTold = answer.writes.last.map { !$0.hasPrefix(": queued") } ?? false
            #expect(isTold == (last != nil))
            if let last { #expect(answer.writes.last?.contains(last) == true, "\(answer.writes)") }
        }
    }
}
