import Foundation
import TestSupport
import Testing

@Suite("Official SDKs, unmodified", .timeLimit(.minutes(3)))
struct SDKTests {
    struct Gemini: Decodable {
        let plain: String
        let tokens: Int
        let stream: [String]
        let embedding: Int
        let asyncPlain: String
        let asyncStream: [String]
    }

    @Test("google-genai gets answers, streams and embeddings, synchronous and asynchronous")
    func gemini() async throws {
        let deployment = try await Deployment.start(.init(redis: false, configuration: Configurations.all))
        let seen: Gemini = try await Python.run("genai_calls", [deployment.address, Deployment.key])
        #expect(!seen.plain.isEmpty)
        #expect(seen.tokens > 0)
        #expect(seen.stream.count > 1)
        #expect(seen.embedding > 0)
        #expect(!seen.asyncPlain.isEmpty)
        #expect(seen.asyncStream.count > 1)
        try await deployment.stop()
    }

    struct OpenAI: Decodable {
        let plain: String
        let stream: [String]
        let embeddings: Int
    }

    @Test("openai gets answers and streams through Gemini's compatible paths")
    func openAI() async throws {
        let deployment = try await Deployment.start(.init(redis: false, configuration: Configurations.all))
        let seen: OpenAI = try await Python.run("openai_calls", [deployment.address, Deployment.key])
        #expect(!seen.plain.isEmpty)
        #expect(seen.stream.joined().isEmpty == false)
        #expect(seen.embeddings == 2)
        try await deployment.stop()
    }

    struct Pinecone: Decodable {
        let ids: [String]
        let count: Int
    }

    @Test("pinecone upserts and queries, nearest first")
    func pinecone() async throws {
        let deployment = try await Deployment.start(.init(redis: false, configuration: Configurations.all))
        let seen: Pinecone = try await Python.run("pinecone_calls", [deployment.address, Deployment.key])
        #expect(seen.ids == ["a", "b"])
        #expect(seen.count == 2)
        try await deployment.stop()
    }

    struct Errors: Decodable {
        let values: [String: Value]
        enum Value: Decodable, Equatable {
            case text(String), list([String])
            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                if let text = try? container.decode(String.self) {
                    self = .text(text)
                } else {
                    self = .list(try container.decode([String].self))
                }
            }
        }
        init(from decoder: any Decoder) throws {
            values = try decoder.singleValueContainer().decode([String: Value].self)
        }
    }

    @Test("Each SDK raises its own typed error for what the gateway refuses")
    func errors() async throws {
        let limited = Configurations.all.replacingOccurrences(
            of: "path = \"/{v1,v1beta,v1alpha}/**\"",
            with: "path = \"/{v1,v1beta,v1alpha}/**\"\nlimits = [\"few\"]"
        )
        let limit = "[[limit]]\nname = \"few\"\nby = \"client\"\nrate = \"2/hour\"\n\n"
        let deployment = try await Deployment.start(.init(redis: false, configuration: limit + limited))
        let seen: Errors = try await Python.run("error_types", [deployment.address, Deployment.key, "wrong"])
        #expect(seen.values["genai unknown key"] == .text("ClientError 401"))
        #expect(seen.values["genai over limit"] == .text("ClientError 429"))
        #expect(seen.values["genai status"] == .text("RESOURCE_EXHAUSTED"))
        #expect(seen.values["genai details"] == .list(["QuotaFailure", "RetryInfo"]))
        #expect(seen.values["openai unknown key"] == .text("AuthenticationError invalid_api_key"))
        #expect(seen.values["openai over limit"] == .text("RateLimitError rate_limit_exceeded"))
        #expect(seen.values["pinecone unknown key"].map { "\($0)" }?.contains("Unauthorized") == true)
        try await deployment.stop()
    }
}
