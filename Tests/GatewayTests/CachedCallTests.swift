import NIOCore
import TestSupport
import Testing

@Suite("What a route with a cache keeps", .timeLimit(.minutes(2)))
struct CachedCallTests {
    private static let cached = "cache = { ttl = \"5m\" }"

    @Test("An anonymous caller's own credentials make its answer its own: never kept")
    func personal() async throws {
        try await PipelineFixture.with(GatewayText.http(route: Self.cached)) { gateway, upstream in
            for _ in 0..<2 {
                let answer = try await gateway.get("/me", fields: ["Authorization: Bearer secret"]).answer()
                #expect(answer.value("cache-status") == "sluice; fwd=miss")
            }
            #expect(upstream.requests.count == 2)
            // The same without credentials is kept.
            for _ in 0..<2 { _ = try await gateway.get("/all").answer() }
            #expect(upstream.requests.count == 3)
        }
    }

    @Test("The upstream's key is the only Authorization that it gets")
    func oneAuthorization() async throws {
        let configuration = GatewayText.http(upstream: "key = \"upstream-key\"")
        try await PipelineFixture.with(configuration) { gateway, upstream in
            _ = try await gateway.get("/a", fields: ["Authorization: Bearer mine"]).answer()
            #expect(upstream.requests[0].values("authorization") == ["Bearer upstream-key"])
        }
    }

    @Test("A caller's Authorization reaches an upstream that has no key of its own")
    func ownAuthorization() async throws {
        try await PipelineFixture.with(GatewayText.http()) { gateway, upstream in
            _ = try await gateway.get("/a", fields: ["Authorization: Bearer mine"]).answer()
            #expect(upstream.requests[0].values("authorization") == ["Bearer mine"])
        }
    }

    @Test(
        "no-cache is answered with fwd=request, whatever becomes of the answer",
        arguments: ["200 OK", "404 Not Found", "500 Internal Server Error"]
    )
    func noCache(status: String) async throws {
        let configuration = GatewayText.http(upstream: "retries = 0", route: Self.cached)
        try await PipelineFixture.with(configuration, upstream: { $0.reply(status) }) { gateway, upstream in
            for fields in [[], ["Authorization: Bearer mine"]] {
                let answer = try await gateway.get("/a", fields: fields + ["Cache-Control: no-cache"]).answer()
                #expect(answer.value("cache-status") == "sluice; fwd=request")
            }
            #expect(upstream.requests.count == 2)
        }
    }

    @Test("no-cache is answered with fwd=request where the upstream cannot be reached, too")
    func noCacheUnreachable() async throws {
        let configuration = GatewayText.http(
            "http://127.0.0.1:\(freePort())",
            upstream: "retries = 0",
            route: Self.cached
        )
        try await PipelineFixture.with(configuration) { gateway, _ in
            let answer = try await gateway.get("/a", fields: ["Cache-Control: no-cache"]).answer()
            #expect(answer.status == 502)
            #expect(answer.value("cache-status") == "sluice; fwd=request")
        }
    }

    @Test("A Pinecone write outdates the route's kept queries although its caller left before the answer")
    func writeWhoseCallerLeft() async throws {
        let configuration = """
            [auth]
            mode = "none"
            [[upstream]]
            name = "pinecone"
            dialect = "pinecone"
            url = "${UPSTREAM}"
            key = "upstream-key"
            [[route]]
            path = "/**"
            upstream = "pinecone"
            cache = { ttl = "5m" }
            """
        let answersQueries: @Sendable (UpstreamRequest) -> Void = { request in
            if request.requestLine.contains("/query") { request.reply() }
        }
        try await PipelineFixture.with(configuration, upstream: answersQueries) { gateway, upstream in
            func query() async throws -> String? {
                try await gateway.post("/query", #"{"topK":1}"#).answer().value("cache-status")
            }
            let first = try await query()
            #expect(first == "sluice; fwd=miss; stored")
            let kept = try await query()
            #expect(kept?.hasPrefix("sluice; hit") == true)
            let write = try await gateway.post("/vectors/upsert", #"{"vectors":[]}"#)
            try await eventually("the write arrives") { upstream.requests.count == 2 }
            try await write.leave()
            let after = try await query()
            #expect(after == "sluice; fwd=miss; stored")
        }
    }

    @Test("An answer too large to be kept waits for a client that takes nothing")
    func slowReaderOfLargeAnswer() async throws {
        let size = 16 << 20
        let configuration = GatewayText.http(route: Self.cached) + "\n[cache]\nmax_entry = \"64KiB\"\n"
        try await PipelineFixture.with(
            configuration,
            upstream: { request in
                let isLarge = request.requestLine.contains("/large")
                request.reply(body: isLarge ? String(repeating: "x", count: size) : "{}")
            }
        ) { gateway, _ in
            let call = try await gateway.get("/large", takesBytes: false)
            try await eventually("more has come than is kept") { call.seen.body.utf8.count > 64 << 10 }
            // Each is a round trip on the same loop: time enough for all of it to come, if nothing stopped it.
            for number in 0..<50 { _ = try await gateway.get("/small/\(number)").answer() }
            #expect(call.seen.body.utf8.count < 1 << 20)
            try await call.takesBytes(true)
            let answer = try await call.answer()
            #expect(answer.body.utf8.count == size)
        }
    }
}
