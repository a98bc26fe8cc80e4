/// What a call does, by the names that quotas, caches and metrics use.
package enum CallMethod: Sendable, Equatable, Hashable {
    case generateContent
    case streamGenerateContent
    case embedContent
    case batchEmbedContents
    case countTokens
    /// Any other word after the colon, any other OpenAI path, or Pinecone's last path segment.
    case other(String)

    package init(name: String) {
        switch name {
        case "generateContent": self = .generateContent
        case "streamGenerateContent": self = .streamGenerateContent
        case "embedContent": self = .embedContent
        case "batchEmbedContents": self = .batchEmbedContents
        case "countTokens": self = .countTokens
        default: self = .other(name)
        }
    }

    /// As the configuration's `methods` spell it.
    package var name: String {
        switch self {
        case .generateContent: "generateContent"
        case .streamGenerateContent: "streamGenerateContent"
        case .embedContent: "embedContent"
        case .batchEmbedContents: "batchEmbedContents"
        case .countTokens: "countTokens"
        case .other(let name): name
        }
    }
}
