import TestSupport
import Testing

@Suite("What a call tells its upstream, and statistics tell of callers", .timeLimit(.minutes(2)))
struct CallFieldsTests {
    @Test("X-Server-Timeout goes on with what is left of it, and only where the caller sent one")
    func serverTimeout() async throws {
        let configuration = GatewayText.http(upstream: "timeout = \"5s\"")
        try await PipelineFixture.with(configuration) { gateway, upstream in
            _ = try await gateway.get("/without").answer()
            _ = try await gateway.get("/longer", fields: ["X-Server-Timeout: 100"]).answer()
            _ = try await gateway.get("/shorter", fields: ["X-Server-Timeout: 3"]).answer()
            let told = upstream.requests.map { $0.values("x-server-timeout").compactMap(Int.init) }
            #expect(told[0] == [])
            #expect(told[1].count == 1)
            #expect((1...5).contains(told[1].first ?? 0))
            #expect(told[2].count == 1)
            #expect((1...3).contains(told[2].first ?? 0))
        }
    }

    @Test("Distinct users: who comes without a cookie is counted by address, not by the id made for each call")
    func users() async throws {
        let configuration = GatewayText.http(upstream: "identity_secret = \"secret\"")
        try await PipelineFixture.with(configuration) { gateway, _ in
            for _ in 0..<3 { _ = try await gateway.send(Self.head, from: "192.0.2.1").answer() }
            _ = try await gateway.send(Self.head, from: "192.0.2.2").answer()
            let cluster = try await gateway.stats()["cluster"] as? [String: Any]
            #expect(cluster?["users"] as? Int == 2)
        }
    }

    @Test("Distinct users: one with a cookie is one, whatever address it comes from")
    func userWithCookie() async throws {
        let configuration = GatewayText.http(upstream: "identity_secret = \"secret\"")
        try await PipelineFixture.with(configuration) { gateway, _ in
            let first = try await gateway.send(Self.head, from: "192.0.2.1").answer()
            let cookie = try #require(first.value("set-cookie")?.split(separator: ";").first)
            for host in 1...3 {
                _ = try await gateway.send(Self.head + "\r\nCookie: \(cookie)", from: "192.0.2.\(host)").answer()
            }
            let cluster = try await gateway.stats()["cluster"] as? [String: Any]
            // The address of the first call, and the user.
            #expect(cluster?["users"] as? Int == 2)
        }
    }

    private static let head = "GET / HTTP/1.1\r\nHost: gateway"
}
