import NIOCore
import TestSupport
import Testing

@Suite("What an answer tells of the call's way", .timeLimit(.minutes(2)))
struct AnswerNotesTests {
    /// Milliseconds by name.
    private static func timing(_ answer: RecordedReply.Seen) -> [String: Double] {
        var parts: [String: Double] = [:]
        for part in answer.value("server-timing")?.split(separator: ",") ?? [] {
            let pair = part.split(separator: ";dur=")
            guard pair.count == 2 else { continue }
            parts[pair[0].trimmingPrefix(while: \.isWhitespace).description] = Double(pair[1])
        }
        return parts
    }

    @Test("Tries that failed, and the pause after them, are the upstream's time")
    func retries() async throws {
        let isFirst = Once()
        try await PipelineFixture.with(
            GatewayText.http(upstream: "retries = 1"),
            upstream: { request in
                guard isFirst.take() else { return request.reply() }
                request.channel.eventLoop.scheduleTask(in: .milliseconds(200)) { request.reply("503 Busy") }
            }
        ) { gateway, upstream in
            let answer = try await gateway.get("/a").answer()
            #expect(answer.status == 200)
            #expect(upstream.requests.count == 2)
            let timing = Self.timing(answer)
            // 200 ms until the 503, and a pause of 500 ms ± 25 %.
            #expect((timing["upstream"] ?? 0) >= 575)
            #expect((timing["gateway"] ?? 1000) < 375)
        }
    }

    @Test("Who waits for another caller's answer is told that the upstream took the time")
    func collapsed() async throws {
        let configuration = GatewayText.http(route: "cache = { ttl = \"5m\" }")
        try await PipelineFixture.with(configuration, upstream: { _ in }) { gateway, upstream in
            let first = try await gateway.get("/a")
            let second = try await gateway.get("/a")
            try await eventually("the call arrives") { upstream.requests.count == 1 }
            let request = upstream.requests[0]
            request.channel.eventLoop.scheduleTask(in: .milliseconds(400)) { request.reply() }
            _ = try await first.answer()
            let answer = try await second.answer()
            #expect(upstream.requests.count == 1)
            #expect(answer.value("cache-status") == "sluice; fwd=miss; collapsed")
            let timing = Self.timing(answer)
            #expect((timing["upstream"] ?? 0) >= 200)
            #expect((timing["gateway"] ?? 1000) < 200)
        }
    }

    @Test("A client that leaves while its call waits is no slowness of the gateway")
    func left() async throws {
        try await PipelineFixture.withWaitingCall { gateway, _, waiting in
            try await eventually("it has waited a while") { try await gateway.oldestWait() > 2 }
            try await waiting.leave()
            let latency = try await gateway.stats()["latency"] as? [String: [String: [String: Double]]]
            let minute = try #require(latency?["1m"])
            #expect((minute["queue"]?["p999"] ?? 0) > 1.8)
            #expect((minute["gateway"]?["p999"] ?? 2) < 1.8)
        }
    }

    @Test("A hit that costs nothing leaves the limit as it was, and says so")
    func freeHit() async throws {
        let limit = "[[limit]]\nname = \"few\"\nby = \"ip\"\nrate = \"5/h\"\n\n"
        let route = "limits = [\"few\"]\ncache = { ttl = \"5m\", charge_limits = false }"
        try await PipelineFixture.with(limit + GatewayText.http(route: route)) { gateway, _ in
            let miss = try await gateway.get("/a").answer()
            #expect(miss.value("ratelimit") == "\"few\";r=4;t=720")
            for _ in 0..<3 {
                let hit = try await gateway.get("/a").answer()
                #expect(hit.value("cache-status")?.hasPrefix("sluice; hit") == true)
                #expect(hit.value("ratelimit")?.hasPrefix("\"few\";r=4;t=") == true)
            }
            let next = try await gateway.get("/b").answer()
            #expect(next.value("ratelimit")?.hasPrefix("\"few\";r=3;t=") == true)
        }
    }

    @Test(
        "Prefer: wait is acknowledged as far as it holds, on refusals of the queue too",
        arguments: [(3, 3), (600, 10)]
    )
    func preferredWait(asked: Int, applied: Int) async throws {
        let configuration = GatewayText.gemini(queue: "max_wait = \"10s\"", quota: "requests = 1\nper = \"1h\"")
        try await PipelineFixture.with(configuration) { gateway, _ in
            for status in [200, 503] {
                let answer = try await gateway.post(GatewayText.generate, "{}", fields: ["Prefer: wait=\(asked)"])
                    .answer()
                #expect(answer.status == status)
                #expect(answer.value("preference-applied") == "wait=\(applied)")
            }
        }
    }
}
