import TestSupport
import Testing

@Suite("What /metrics tells", .timeLimit(.minutes(2)))
struct MetricsTests {
    @Test("Every family has its help and its type, once and before its samples")
    func families() async throws {
        let configuration = GatewayText.gemini(quota: "requests = 1\nper = \"1h\"", route: "cache = { ttl = \"5m\" }")
        try await PipelineFixture.with(configuration) { gateway, _ in
            _ = try await gateway.post(GatewayText.generate, "{}").answer()
            var told: Set<String> = []
            var current = ""
            for line in try await gateway.metrics().split(separator: "\n") {
                let words = line.split(separator: " ")
                if line.hasPrefix("# HELP ") {
                    current = String(words[2])
                    #expect(told.insert(current).inserted, "\(current) comes twice")
                    #expect(words.count > 4, "\(current) is not explained")
                } else if line.hasPrefix("# TYPE ") {
                    #expect(words[2] == current)
                    #expect(["counter", "gauge", "histogram"].contains(words[3]))
                } else {
                    #expect(line.hasPrefix(current), "\(line) stands below \(current)")
                    #expect(words.last.flatMap { Double($0) } != nil)
                }
            }
            #expect(told.allSatisfy { $0.hasPrefix("gateway_") })
        }
    }

    @Test("Slots, refusals and waiting calls are counted by upstream and quota")
    func queue() async throws {
        try await PipelineFixture.withWaitingCall(#"{"a":1}"#) { gateway, _, waiting in
            let refused = try await gateway.post(GatewayText.generate, "{}").answer()
            #expect(refused.status == 503)
            var samples = try await gateway.samples()
            #expect(samples[#"gateway_queue_depth{quota="rpm",model="gemini-2.5-flash"}"#] == 1)
            #expect(samples[#"gateway_queue_waiting_bytes{upstream="gemini"}"#] == 7)
            #expect(samples[#"gateway_queue_entered_total{upstream="gemini"}"#] == 3)
            // A slot may come back and be given again, where a busy machine takes long to connect.
            let granted = samples[#"gateway_queue_grants_total{upstream="gemini"}"#] ?? 0
            let handedBack = samples[#"gateway_queue_hand_backs_total{upstream="gemini"}"#] ?? 0
            #expect(granted - handedBack == 1)
            #expect(samples[#"gateway_queue_refusals_total{upstream="gemini",reason="too_long"}"#] == 1)
            #expect(samples[#"gateway_queue_refusals_total{upstream="gemini",reason="full"}"#] == 0)
            #expect(samples[#"gateway_queue_left_total{upstream="gemini"}"#] == 0)
            #expect(samples[#"gateway_queue_used_elsewhere{quota="rpm",model="gemini-2.5-flash"}"#] == 0)
            try await waiting.leave()
            samples = try await gateway.samples()
            #expect(samples[#"gateway_queue_depth{quota="rpm",model="gemini-2.5-flash"}"#] == 0)
            #expect(samples[#"gateway_queue_left_total{upstream="gemini"}"#] == 1)
            #expect(samples[#"gateway_queue_waiting_bytes{upstream="gemini"}"#] == 0)
        }
    }

    @Test("Calls that fairness moves are counted with the places by which it moved them")
    func moved() async throws {
        let client = { (name: String, more: String) in "[[client]]\nname = \"\(name)\"\nkey = \"\(name)\"\n\(more)\n" }
        let clients = client("slow", "priority = 5") + client("urgent", "priority = 1")
        let queued = GatewayText.gemini(quota: "requests = 1\nper = \"1s\"")
            .split(separator: "[auth]\nmode = \"none\"\n", maxSplits: 1).joined()
        try await PipelineFixture.with(clients + queued) { gateway, _ in
            _ = try await gateway.post(GatewayText.generate, "{}", fields: ["x-goog-api-key: slow"]).answer()
            var calls: [SentCall] = []
            for name in ["slow", "slow", "urgent"] {
                let fields = ["x-goog-api-key: \(name)"]
                calls.append(try await gateway.post(GatewayText.generate, "{}", fields: fields))
            }
            for call in calls {
                let status = try await call.answer().status
                #expect(status == 200)
            }
            let samples = try await gateway.samples()
            #expect(samples[#"gateway_queue_moved_total{quota="rpm",direction="before"}"#] == 1)
            #expect(samples[#"gateway_queue_moved_places_total{quota="rpm",direction="before"}"#] == 2)
            #expect(samples[#"gateway_queue_moved_total{quota="rpm",direction="behind"}"#] == 2)
            #expect(samples[#"gateway_queue_moved_places_total{quota="rpm",direction="behind"}"#] == 2)
        }
    }

    @Test("The queue's store: its state, and what Redis refused and why")
    func store() async throws {
        let redis = try await RedisServer.start()
        let configuration =
            "[redis]\nurl = \"\(redis.url)\"\n" + GatewayText.gemini(quota: "requests = 100\nper = \"1m\"")
        try await PipelineFixture.with(configuration) { gateway, _ in
            try await eventually("connected") {
                try await gateway.samples()[Self.state("connected")] == 1
            }
            let answer = try await gateway.post(GatewayText.generate, "{}").answer()
            #expect(answer.status == 200)
            // By then it was told who else lives, which its own part is reckoned from.
            try await eventually("a few calls were answered") {
                try await gateway.samples()[#"gateway_queue_store_calls_total{upstream="gemini"}"#] ?? 0 > 3
            }
            // As where it is full, and evicts nothing.
            let full = try await run(["redis-cli", "-p", "\(redis.port)", "config", "set", "maxmemory", "1"])
            #expect(full.status == 0)
            try await eventually("a refused call is counted") {
                try await gateway.samples()[Self.failure("out_of_memory")] ?? 0 > 0
            }
            let samples = try await gateway.samples()
            #expect(samples[Self.failure("read_only")] == 0)
            #expect(samples["gateway_redis_errors_total"] ?? 0 >= 1)
            let freed = try await run(["redis-cli", "-p", "\(redis.port)", "config", "set", "maxmemory", "0"])
            #expect(freed.status == 0)
            try await eventually("connected again", within: .seconds(20)) {
                try await gateway.samples()[Self.state("connected")] == 1
            }
            #expect(try await gateway.samples()[Self.state("local")] == 0)
        }
        try await redis.kill()
    }

    private static func state(_ name: String) -> String {
        "gateway_queue_store_state{upstream=\"gemini\",state=\"\(name)\"}"
    }

    private static func failure(_ reason: String) -> String {
        "gateway_queue_store_failures_total{upstream=\"gemini\",reason=\"\(reason)\"}"
    }
}
