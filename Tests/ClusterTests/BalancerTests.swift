import TestSupport
import Testing

@Suite("The balancer's own answers", .timeLimit(.minutes(1)))
struct BalancerTests {
    @Test("Where no gateway is ready, the shipped HAProxy says so in a problem document")
    func noGateway() async throws {
        let port = freePort()
        let dead = (0..<3).map { _ in freePort() }
        let balancer = try ServerProcess(
            ["haproxy", "-db", "-f", Repository.path("deploy/haproxy/haproxy.cfg")],
            environment: [
                "BIND": "127.0.0.1:\(port)", "GATEWAY_1": "127.0.0.1:\(dead[0])", "GATEWAY_2": "127.0.0.1:\(dead[1])",
                "GATEWAY_3": "127.0.0.1:\(dead[2])",
            ]
        )
        try await balancer.waitUntilAccepting(port: port)
        let answer = try await HTTP.get("http://127.0.0.1:\(port)/v1beta/models")
        #expect(answer.status == 503)
        #expect(answer.fields["content-type"] == "application/problem+json")
        #expect(answer.fields["retry-after"] == "2")
        #expect(answer.body.contains(#""status":503"#))
        try await balancer.kill()
    }
}
