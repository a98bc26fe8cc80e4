import TestSupport
import Testing

@Suite("Names that callers choose are told apart by their bytes", .timeLimit(.minutes(1)))
struct CallerNamesTests {
    /// Tabs part the names of counters, a backslash hides one, marks combine with what stands before them, and the last
    /// two are canonically equivalent.
    private static let models = [
        "a\tb", #"a\tb"#, #"a\\tb"#, "\\", "\t", "\u{301}c", "a/b", "caf\u{e9}", "cafe\u{301}",
    ]

    @Test("Each model has its own row of tokens, and its own among those that no quota covers")
    func models() async throws {
        let configuration = GatewayText.gemini(quota: "models = [\"other\"]\nrequests = 1\nper = \"1h\"")
        let usage = #"{"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":7,"totalTokenCount":12}}"#
        try await PipelineFixture.with(configuration, upstream: { $0.reply(body: usage) }) { gateway, _ in
            for model in Self.models {
                let escaped = model.utf8.map { "%" + String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
                let answer = try await gateway.post("/v1beta/models/\(escaped):generateContent", "{}").answer()
                #expect(answer.status == 200)
            }
            let stats = try await gateway.stats()
            let tokens = try #require(stats["tokens"] as? [[String: Any]])
            #expect(Self.names(tokens) == Self.names(Self.models))
            #expect(tokens.allSatisfy { $0["input"] as? Int == 5 && $0["output"] as? Int == 7 })
            let quotas = try #require(stats["quotas"] as? [[String: Any]])
            #expect(Self.names(quotas) == Self.names(Self.models))
        }
    }

    /// `String` would take two of them for the same.
    private static func names(_ models: [String]) -> [[UInt8]] {
        models.map { Array($0.utf8) }.sorted { $0.lexicographicallyPrecedes($1) }
    }

    private static func names(_ rows: [[String: Any]]) -> [[UInt8]] {
        names(rows.compactMap { $0["model"] as? String })
    }
}
