/// The parts of Gemini's requests that an answer depends on.
struct GenerateContentRequest: Decodable {
    let contents: [Content]?
    let systemInstruction: Content?
    let generationConfig: GenerationConfig?

    struct GenerationConfig: Decodable {
        let maxOutputTokens: Int?
    }

    /// Everything that is sent to the model.
    var prompt: String {
        ([systemInstruction].compactMap(\.self) + (contents ?? [])).map(\.text).joined(separator: "\n")
    }

    /// What the user said last.
    var question: String {
        (contents ?? []).last { $0.role != "model" }?.text ?? ""
    }
}

struct CountTokensRequest: Decodable {
    let contents: [Content]?
    let generateContentRequest: GenerateContentRequest?

    var prompt: String {
        generateContentRequest?.prompt ?? (contents ?? []).map(\.text).joined(separator: "\n")
    }
}

struct EmbedContentRequest: Decodable {
    let content: Content
    let outputDimensionality: Int?
}

struct BatchEmbedContentsRequest: Decodable {
    let requests: [EmbedContentRequest]
}

struct Content: Codable {
    var role: String?
    var parts: [Part]?

    struct Part: Codable {
        var text: String?
    }

    var text: String {
        (parts ?? []).compactMap(\.text).joined(separator: " ")
    }
}

struct GenerateContentResponse: Encodable {
    let candidates: [Candidate]
    let usageMetadata: UsageMetadata
    let modelVersion: String
    let responseId: String

    struct Candidate: Encodable {
        let content: Content
        /// Absent until the end of a stream.
        let finishReason: String?
        let index: Int
    }
}

struct UsageMetadata: Encodable {
    let promptTokenCount: Int
    let candidatesTokenCount: Int
    let totalTokenCount: Int
    let promptTokensDetails: [ModalityTokens]

    init(prompt: Int, candidates: Int) {
        promptTokenCount = prompt
        candidatesTokenCount = candidates
        totalTokenCount = prompt + candidates
        promptTokensDetails = [ModalityTokens(modality: "TEXT", tokenCount: prompt)]
    }
}

struct ModalityTokens: Encodable {
    let modality: String
    let tokenCount: Int
}

struct CountTokensResponse: Encodable {
    let totalTokens: Int
    let promptTokensDetails: [ModalityTokens]
}

struct EmbedContentResponse: Encodable {
    let embedding: Embedding
}

struct BatchEmbedContentsResponse: Encodable {
    let embeddings: [Embedding]
}

struct Embedding: Encodable {
    let values: [Float]
}
