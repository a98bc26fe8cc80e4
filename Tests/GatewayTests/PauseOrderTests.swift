import TestSupport
import Testing

@Suite("Pausing a quota by /admin", .timeLimit(.minutes(1)))
struct PauseOrderTests {
    private static let token = "Authorization: Bearer token"
    private static let configuration = GatewayText.gemini(quota: "requests = 100\nper = \"1m\"")

    private func order(_ gateway: PipelineFixture, _ path: String, fields: [String] = [token]) async throws -> (
        status: Int, body: String
    ) {
        let answer = try await gateway.post("/admin/quotas/\(path)", "", fields: fields).answer()
        return (answer.status, answer.body)
    }

    private func paused(_ gateway: PipelineFixture) async throws -> Bool? {
        let rows = try await gateway.stats()["quotas"] as? [[String: Any]] ?? []
        return rows.first { $0["name"] as? String == "rpm" }?["paused"] as? Bool
    }

    @Test(
        "A quota, or all of its upstream, holds its calls until it is resumed, and says so",
        arguments: [("rpm", #""rpm""#), ("gemini", "null"), ("r%70m", #""rpm""#)]
    )
    func holds(name: String, quota: String) async throws {
        try await PipelineFixture.with(Self.configuration) { gateway, upstream in
            _ = try await gateway.post(GatewayText.generate, "{}").answer()
            var answer = try await order(gateway, "\(name)/pause")
            #expect(answer.status == 200)
            #expect(answer.body == #"{"upstream":"gemini","quota":\#(quota),"paused":true}"#)
            try await eventually("the stats show it") { try await paused(gateway) == true }
            let waiting = try await gateway.post(GatewayText.generate, "{}")
            try await eventually("it waits") { try await gateway.waiting() == 1 }
            #expect(upstream.requests.count == 1)
            answer = try await order(gateway, "\(name)/resume")
            #expect(answer.body == #"{"upstream":"gemini","quota":\#(quota),"paused":false}"#)
            let status = try await waiting.answer().status
            #expect(status == 200)
            try await eventually("the stats show it") { try await paused(gateway) == false }
        }
    }

    @Test("What is not there is named with what is, and only POST and the token do it")
    func refused() async throws {
        try await PipelineFixture.with(Self.configuration) { gateway, _ in
            let unknown = try await order(gateway, "rpn/pause")
            #expect(unknown.status == 404)
            #expect(unknown.body.contains(#"there are \"rpm\", \"gemini\""#))
            for path in ["rpm", "rpm/stop", "rpm/pause/", "/pause"] {
                let status = try await order(gateway, path).status
                #expect(status == 404, "\(path)")
            }
            let read = try await gateway.get("/admin/quotas/rpm/pause", fields: [Self.token]).answer()
            #expect(read.status == 405)
            #expect(read.value("allow") == "POST")
            let status = try await order(gateway, "rpm/pause", fields: []).status
            #expect(status == 401)
            let isPaused = try await paused(gateway)
            #expect(isPaused != true)
        }
    }

    @Test("A queue whose store is out of reach says so: the order would reach nobody else")
    func outOfReach() async throws {
        let redis = "[redis]\nurl = \"redis://127.0.0.1:\(freePort())\"\n"
        try await PipelineFixture.with(redis + Self.configuration) { gateway, _ in
            let status = try await order(gateway, "rpm/pause").status
            #expect(status == 503)
        }
    }

    @Test(
        "Without a token a change takes a Host of this machine and no Origin of another site",
        arguments: [
            ("Host: localhost:8081", nil, 200), ("Host: 127.0.0.1", nil, 200), ("Host: [::1]:9", nil, 200),
            ("Host: localhost:8081", "Origin: http://localhost:8081", 200),
            ("Host: localhost:8081", "Origin: https://evil.example", 403),
            ("Host: localhost:8081", "Origin: null", 403), ("Host: evil.example", nil, 403),
            ("Host: 127.0.0.1.evil.example", nil, 403),
        ] as [(String, String?, Int)]
    )
    func withoutToken(host: String, origin: String?, expected: Int) async throws {
        let text = Self.configuration.split(separator: "token = \"token\"\n", maxSplits: 1)
            .joined(separator: "listen = \"127.0.0.1:0\"\n")
        try await PipelineFixture.with(text) { gateway, _ in
            let lines =
                ["POST /admin/quotas/rpm/pause HTTP/1.1", host, "Content-Length: 0"] + (origin.map { [$0] } ?? [])
            let answer = try await gateway.send(lines.joined(separator: "\r\n"), isAdmin: true).answer()
            #expect(answer.status == expected)
        }
    }
}
