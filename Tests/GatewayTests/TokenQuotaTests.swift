import Foundation
import Synchronization
import TestSupport
import Testing

@Suite("A call's tokens, from its estimate to what the answer tells", .timeLimit(.minutes(1)))
struct TokenQuotaTests {
    private static func configuration(_ quota: String) -> String {
        GatewayText.gemini(
            upstream: "retries = 0",
            queue: "max_wait = \"2s\"",
            quotaName: "tokens",
            quota: "per = \"1h\"\n" + quota
        )
    }

    private static let path = "/v1beta/models/m:generateContent"
    private static let chat = "/v1beta/openai/chat/completions"
    /// 40 bytes of text: 10 tokens by the first estimate.
    private static let text = String(repeating: "word", count: 10)
    private static let prompt = #"{"contents":[{"parts":[{"text":"\#(text)"}]}]}"#

    private static func usage(_ prompt: Int, _ candidates: Int, thoughts: Int = 0) -> String {
        #"{"usageMetadata":{"promptTokenCount":\#(prompt),"candidatesTokenCount":\#(candidates),"#
            + #""thoughtsTokenCount":\#(thoughts),"cachedContentTokenCount":5,"totalTokenCount":\#(prompt + candidates)}}"#
    }

    private func row(_ fixture: PipelineFixture) async throws -> [String: Any] {
        let rows = try await fixture.stats()["quotas"] as? [[String: Any]] ?? []
        return try #require(rows.first { $0["name"] as? String == "tokens" })
    }

    private func expectUsed(_ expected: Int, _ fixture: PipelineFixture) async throws {
        var last: Int?
        try await eventually("\(expected) tokens are booked") {
            last = try await row(fixture)["used"] as? Int
            return last == expected
        }
    }

    @Test(
        "The answer corrects what was reserved, up and down, by what the quota counts",
        arguments: [
            ("tokens = 1000", usage(25, 40, thoughts: 7), 25), ("tokens = 1000", usage(3, 40), 3),
            ("tokens = 1000\ncount = \"output\"", usage(25, 40, thoughts: 7), 47),
            ("tokens = 1000\ncount = \"total\"", usage(25, 40, thoughts: 7), 72),
            // Above the quota: the upstream counted it all the same.
            ("tokens = 100", usage(170, 1), 170),
        ]
    )
    func settled(quota: String, answer: String, expected: Int) async throws {
        try await PipelineFixture.with(Self.configuration(quota), upstream: { $0.reply(body: answer) }) { fixture, _ in
            _ = try await fixture.post(Self.path, Self.prompt).answer()
            try await expectUsed(expected, fixture)
        }
    }

    @Test("Nothing is learned by a body that is not kept whole: its size is a guess")
    func largeBody() async throws {
        let configuration = Self.configuration("tokens = 1000000").replacing(
            "retries = 0",
            with: "retries = 0\nreplay_body = \"1KiB\""
        )
        let parts =
            [#"{"contents":[{"parts":[{"text":""#] + Array(repeating: String(repeating: "w", count: 1_000), count: 8)
            + [#""}]}]}"#]
        let length = parts.reduce(0) { $0 + $1.utf8.count }
        let isFirst = Once()
        let answersFirst: @Sendable (UpstreamRequest) -> Void = { request in
            if isFirst.take() { request.reply(body: Self.usage(8_000, 0)) }
        }
        try await PipelineFixture.with(configuration, upstream: answersFirst) { fixture, _ in
            let head = "POST \(Self.path) HTTP/1.1\r\nHost: gateway\r\nContent-Length: \(length)"
            _ = try await fixture.send(head, body: parts).answer()
            try await expectUsed(8_000, fixture)
            let waiting = try await fixture.post(Self.path, Self.prompt)
            try await expectUsed(8_010, fixture)
            try await waiting.leave()
        }
    }

    @Test("OpenAI's usage counts too, in a stream where the caller asked for it")
    func openAI() async throws {
        let events = """
            data: {"choices":[{"delta":{"content":"a"}}],"usage":null}

            data: {"choices":[],"usage":{"prompt_tokens":21,"completion_tokens":2,"total_tokens":23}}

            data: [DONE]


            """
        try await PipelineFixture.with(
            Self.configuration("tokens = 1000\ncount = \"total\""),
            upstream: { $0.reply(fields: ["Content-Type: text/event-stream"], body: events) }
        ) { fixture, _ in
            let body =
                #"{"model":"m","stream":true,"messages":[{"role":"user","content":"\#(Self.text)"}],"max_tokens":9}"#
            _ = try await fixture.post(Self.chat, body).answer()
            try await expectUsed(23, fixture)
        }
    }

    @Test("A stream's counts are cumulative: the last one holds")
    func cumulative() async throws {
        let events = [(10, 1), (10, 30), (11, 60)].map { "data: " + Self.usage($0.0, $0.1) + "\r\n\r\n" }.joined()
        try await PipelineFixture.with(
            Self.configuration("tokens = 1000\ncount = \"total\""),
            upstream: { $0.reply(fields: ["Content-Type: text/event-stream"], body: events) }
        ) { fixture, _ in
            _ = try await fixture.post("/v1beta/models/m:streamGenerateContent?alt=sse", Self.prompt).answer()
            try await expectUsed(71, fixture)
        }
    }

    @Test(
        "Of an answer that breaks off the larger counts: what was reserved or what it told",
        arguments: [(usage(4, 0), 10), (usage(90, 0), 90), ("{\"candidates\":[]}", 10)]
    )
    func broken(told: String, expected: Int) async throws {
        try await PipelineFixture.with(
            Self.configuration("tokens = 1000"),
            upstream: { request in
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 100000\r\n\r\n"
                request.write(head + "data: \(told)\r\n\r\n")
                request.close()
            }
        ) { fixture, _ in
            let seen = try await fixture.post("/v1beta/models/m:streamGenerateContent?alt=sse", Self.prompt).answer()
            #expect(seen.wasCut)
            try await expectUsed(expected, fixture)
        }
    }

    @Test("A caller who leaves in the middle has used the larger too")
    func left() async throws {
        try await PipelineFixture.with(
            Self.configuration("tokens = 1000"),
            upstream: { request in
                request.write(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 100000\r\n\r\n"
                        + "data: \(Self.usage(77, 1))\r\n\r\n"
                )
            }
        ) { fixture, _ in
            let call = try await fixture.post("/v1beta/models/m:streamGenerateContent?alt=sse", Self.prompt)
            try await eventually("the first event is there") { call.seen.body.contains("usageMetadata") }
            try await call.leave()
            try await expectUsed(77, fixture)
        }
    }

    @Test(
        "Errors and answers without usage keep what was reserved",
        arguments: ["400 Bad Request", "500 No", "200 OK"]
    )
    func kept(status: String) async throws {
        try await PipelineFixture.with(
            Self.configuration("tokens = 1000"),
            upstream: { $0.reply(status, body: #"{"error":{"code":400}}"#) }
        ) { fixture, _ in
            _ = try await fixture.post(Self.path, Self.prompt).answer()
            try await expectUsed(10, fixture)
        }
    }

    @Test("Counting tokens takes none, and neither does what is no call of a model")
    func free() async throws {
        try await PipelineFixture.with(Self.configuration("tokens = 1"), upstream: { $0.reply() }) { fixture, stub in
            for _ in 0..<3 {
                let seen = try await fixture.post("/v1beta/models/m:countTokens", Self.prompt).answer()
                #expect(seen.status == 200)
            }
            let rows = try await fixture.stats()["quotas"] as? [[String: Any]] ?? []
            // Covered, so nobody is warned of it.
            #expect(rows.isEmpty, "\(rows)")
        }
    }

    @Test("What answers told of bytes a token makes the next estimates")
    func learned() async throws {
        try await PipelineFixture.with(
            Self.configuration("tokens = 100000\nburst = 100000"),
            upstream: { request in
                // A token for two bytes; the last answer tells nothing.
                let isLast = request.body.contains("last")
                request.reply(body: isLast ? "{}" : Self.usage(500, 1))
            }
        ) { fixture, _ in
            let text = String(repeating: "a", count: 1_000)
            for _ in 0..<9 {
                _ = try await fixture.post(Self.path, #"{"contents":[{"parts":[{"text":"\#(text)"}]}]}"#).answer()
            }
            try await expectUsed(4_500, fixture)
            let last = text + text.dropLast(4) + "last"
            _ = try await fixture.post(Self.path, #"{"contents":[{"parts":[{"text":"\#(last)"}]}]}"#).answer()
            var used = 0
            try await eventually("the last call is booked") {
                used = try await row(fixture)["used"] as? Int ?? 0
                return used > 4_500
            }
            #expect((5_400...5_500).contains(used), "\(used - 4_500) of 1000")
        }
    }

    @Test("A large body is measured by its length, though only its beginning is kept")
    func large() async throws {
        let configuration = Self.configuration("tokens = 1000000").replacing(
            "retries = 0",
            with: "retries = 0\nreplay_body = \"1KiB\""
        )
        try await PipelineFixture.with(configuration, upstream: { $0.reply() }) { fixture, _ in
            let begin = #"{"contents":[{"parts":[{"text":""#
            let text = String(repeating: "word", count: 10_000)
            let end = "\"}]}]}"
            let length = begin.utf8.count + text.utf8.count + end.utf8.count
            let parts = [begin, String(text.prefix(2_000)), String(text.dropFirst(2_000)), end]
            let call = try await fixture.send(
                "POST \(Self.path) HTTP/1.1\r\nHost: gateway\r\nContent-Length: \(length)",
                body: parts
            )
            #expect(try await call.answer().status == 200)
            try await eventually("about 10,000 tokens are booked") {
                abs((try await row(fixture)["used"] as? Int ?? 0) - 10_000) <= 10
            }
        }
    }

    private static func refusal(_ violations: [(id: String, value: Int)], retry: String) -> String {
        let list = violations.map {
            #"{"quotaId":"\#($0.id)","quotaDimensions":{"model":"m"},"quotaValue":"\#($0.value)"}"#
        }
        return #"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":["#
            + #"{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":["# + list.joined(separator: ",")
            + #"]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"\#(retry)"}]}}"#
    }

    @Test("A 429 for tokens teaches that bucket, for fractions of a second, and its caller gets the answer")
    func refused() async throws {
        let arrivals = Counter()
        try await PipelineFixture.with(
            Self.configuration("tokens = 1000"),
            upstream: { request in
                guard arrivals.next() == 1 else { return request.reply(body: Self.usage(10, 1)) }
                let violation = (id: "GenerateContentInputTokensPerModelPerHour-FreeTier", value: 400)
                request.reply("429 Too Many Requests", body: Self.refusal([violation], retry: "0.35s"))
            }
        ) { fixture, _ in
            let seen = try await fixture.post(Self.path, Self.prompt).answer()
            #expect(seen.status == 200)
            let row = try await row(fixture)
            #expect(row["limit"] as? Int == 400)
            #expect(row["configured"] as? Int == 1_000)
            #expect(row["upstream_429s"] as? Int == 1)
            // The refused try stays counted.
            try await expectUsed(20, fixture)
        }
    }

    @Test("A 429 that outlasts the caller's patience is passed on as it came")
    func passedOn() async throws {
        let violation = (id: "GenerateContentInputTokensPerModelPerHour-FreeTier", value: 400)
        let body = Self.refusal([violation], retry: "30s")
        try await PipelineFixture.with(
            Self.configuration("tokens = 1000"),
            upstream: { $0.reply("429 Too Many Requests", fields: ["X-Upstream: yes"], body: body) }
        ) { fixture, _ in
            let seen = try await fixture.post(Self.path, Self.prompt).answer()
            #expect(seen.status == 429)
            #expect(seen.body == body)
            #expect(seen.value("X-Upstream") == "yes")
        }
    }

    @Test("Violations of several quotas teach each its own limit")
    func several() async throws {
        let arrivals = Counter()
        let second = "tokens = 1000\n[[upstream.quota]]\nname = \"rpm\"\nrequests = 50\nper = \"1h\""
        try await PipelineFixture.with(
            Self.configuration(second),
            upstream: { request in
                guard arrivals.next() == 1 else { return request.reply(body: Self.usage(10, 1)) }
                let violations = [
                    (id: "GenerateContentInputTokensPerModelPerHour-FreeTier", value: 400),
                    (id: "GenerateRequestsPerHourPerProjectPerModel-FreeTier", value: 7),
                ]
                request.reply("429 Too Many Requests", body: Self.refusal(violations, retry: "0.2s"))
            }
        ) { fixture, _ in
            #expect(try await fixture.post(Self.path, Self.prompt).answer().status == 200)
            let rows = try await fixture.stats()["quotas"] as? [[String: Any]] ?? []
            let limits = rows.reduce(into: [String: Int]()) { $0[$1["name"] as? String ?? ""] = $1["limit"] as? Int }
            #expect(limits == ["tokens": 400, "rpm": 7])
        }
    }

    private final class Counter: Sendable {
        private let count = Mutex(0)

        func next() -> Int {
            count.withLock { count in
                count += 1
                return count
            }
        }
    }
}
