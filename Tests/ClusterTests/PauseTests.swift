import TestSupport
import Testing

@Suite("Pausing over replicas", .timeLimit(.minutes(2)))
struct PauseTests {
    private func paused(_ deployment: Deployment, _ replica: Int) async throws -> Bool? {
        try await deployment.quota("rpm", of: replica)?["paused"] as? Bool
    }

    private func order(_ deployment: Deployment, replica: Int, _ action: String) async throws -> Int {
        let url = deployment.address(of: replica) + "/admin/quotas/rpm/\(action)"
        return try await HTTP.send("POST", url, fields: ["Authorization: Bearer \(Deployment.adminToken)"]).status
    }

    @Test("What one replica is told to pause no replica sends, until another one is told to resume")
    func everywhere() async throws {
        let quota = "[[upstream.quota]]\nname = \"rpm\"\nrequests = 100\nper = \"1m\"\n"
        let configuration = Configurations.client + Configurations.gemini + quota + Configurations.geminiRoute
        let deployment = try await Deployment.start(.init(replicas: 2, configuration: configuration))
        for replica in 0..<2 { #expect(try await deployment.generate(at: replica).status == 200) }
        #expect(try await order(deployment, replica: 0, "pause") == 200)
        for replica in 0..<2 {
            try await eventually("replica \(replica) shows it") { try await paused(deployment, replica) == true }
        }
        async let waiting = deployment.generate(at: 1)
        try await eventually("it waits") { try await deployment.waiting(of: 1) == 1 }
        #expect(try await deployment.simulator.arrivals(call: "generateContent").count == 2)
        #expect(try await order(deployment, replica: 1, "resume") == 200)
        #expect(try await waiting.status == 200)
        for replica in 0..<2 {
            try await eventually("replica \(replica) shows it") { try await paused(deployment, replica) == false }
        }
        try await deployment.stop()
    }
}
