/// The parts of Gemini's JSON that the backend speaks: `generativelanguage/v1beta`.
struct Content: Codable, Equatable, Sendable {
    var role: String?
    var parts: [Part]?

    struct Part: Codable, Equatable, Sendable {
        var text: String?
        /// A summary of the model's thinking, not part of the answer.
        var thought: Bool?
    }
}

struct EmbedRequest: Encodable {
    let model: String
    let content: Content
    let taskType: Gemini.Purpose
    let title: String?
}

struct EmbedResponse: Decodable {
    let embedding: Embedding

    struct Embedding: Decodable { let values: [Float] }
}

struct GenerateRequest: Encodable, Equatable, Sendable {
    let systemInstruction: Content
    let contents: [Content]
}

/// A whole answer, or a piece of a stream, or the error that ends one.
struct GenerateResponse: Decodable {
    let candidates: [Candidate]?
    let promptFeedback: PromptFeedback?
    let usageMetadata: UsageMetadata?
    let error: Failure?

    struct Candidate: Decodable {
        let content: Content?
        let finishReason: String?
    }

    struct PromptFeedback: Decodable { let blockReason: String? }

    struct UsageMetadata: Decodable {
        let promptTokenCount: Int?
        let candidatesTokenCount: Int?
        let thoughtsTokenCount: Int?
    }

    struct Failure: Decodable {
        let code: Int?
        let message: String?
        let details: [Detail]?

        struct Detail: Decodable { let retryDelay: String? }

        /// Of a `RetryInfo`: a protobuf duration such as `26.4s`, in whole seconds, rounded up.
        var retryAfter: Int? {
            for detail in details ?? [] {
                guard let text = detail.retryDelay, text.hasSuffix("s"), let seconds = Double(text.dropLast()),
                    seconds >= 0, seconds < 1e9
                else { continue }
                return Int(seconds.rounded(.up))
            }
            return nil
        }
    }
}

/// Tokens of a turn's generation.
struct Usage: Codable, Equatable, Sendable {
    let inputTokens: Int
    let outputTokens: Int
}
