import TestSupport
import Testing

@Suite("Official SDKs wait for their slots in streams", .timeLimit(.minutes(3)))
struct HeartbeatTests {
    struct Stream: Decodable {
        let text: String
        let error: String
        let seconds: Double
    }

    private static let waiting = ["google-genai", "google-genai asynchronous", "openai"]

    private static let configuration =
        Configurations.client + Configurations.gemini + """
            retries = 0

            [upstream.queue]
            heartbeat = "200ms"

            [[upstream.quota]]
            name = "rpm"
            requests = 1
            per = "5s"
            burst = 1

            """ + Configurations.geminiRoute

    @Test("The signs of life are skipped, and the stream is read to its end")
    func answers() async throws {
        let deployment = try await Deployment.start(.init(redis: false, configuration: Self.configuration))
        let seen: [String: Stream] = try await Python.run("waiting_streams", [deployment.address, Deployment.key])
        for name in Self.waiting {
            let stream = try #require(seen[name])
            #expect(stream.error.isEmpty, "\(name): \(stream.error)")
            #expect(!stream.text.isEmpty, "\(name)")
            #expect(stream.seconds > 1, "\(name) did not wait")
        }
        try await deployment.stop()
    }

    @Test("An upstream's error behind them is raised as the SDK's own, with the upstream's words")
    func errors() async throws {
        let deployment = try await Deployment.start(.init(redis: false, configuration: Self.configuration))
        try await deployment.simulator.configure(#"{"fail-rate": 1, "fail-status": 503}"#)
        let seen: [String: Stream] = try await Python.run("waiting_streams", [deployment.address, Deployment.key])
        let plain = try #require(seen["first"]?.error)
        let words = try #require(plain.split(separator: " ", maxSplits: 2).last)
        #expect(plain.hasPrefix("ServerError 503"))
        for name in Self.waiting {
            let stream = try #require(seen[name])
            #expect(stream.text.isEmpty, "\(name)")
            #expect(stream.error.contains(words), "\(name): \(stream.error)")
        }
        #expect(seen["google-genai"]?.error.hasPrefix("ServerError 503") == true)
        #expect(seen["google-genai asynchronous"]?.error.hasPrefix("ServerError 503") == true)
        #expect(seen["openai"]?.error.hasPrefix("APIError") == true)
        try await deployment.stop()
    }
}
