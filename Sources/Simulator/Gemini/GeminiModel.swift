/// A model's entry in `GET /models`.
struct GeminiModel: Encodable {
    let name: String
    let baseModelId: String
    let version: String
    let displayName: String
    let description: String
    let inputTokenLimit: Int
    let outputTokenLimit: Int
    let supportedGenerationMethods: [String]

    init(id: String) {
        let embeds = id.contains("embedding")
        name = id.hasPrefix("tunedModels/") ? id : "models/" + id
        baseModelId = id
        version = "001"
        displayName = id
        description = "Simulated"
        inputTokenLimit = embeds ? 2048 : 1_048_576
        outputTokenLimit = embeds ? 1 : 65_536
        supportedGenerationMethods =
            embeds ? ["embedContent", "countTokens"] : ["generateContent", "countTokens"]
    }

    static let listed = [
        "gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-embedding-001", "text-embedding-004",
    ]

    /// Any name of a family that exists is served, so that a test may use as many models as it likes.
    static func exists(_ id: String) -> Bool {
        let families = ["gemini-", "gemma-", "learnlm-", "text-embedding-", "embedding-", "tunedModels/"]
        return id.utf8.count <= 200 && families.contains { id.hasPrefix($0) }
    }
}

struct ModelList: Encodable {
    let models: [GeminiModel]
}
