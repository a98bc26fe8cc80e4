/// What a call does, by the names that quotas, caches and metrics use.
package enum CallMethod: Sendable, Equatable, Hashable {
    case generateContent
    case streamGenerateContent
    case embedContent
    case batchEmbedContents
    case countTokens
    /// Any other word after the colon, `images/generations` of OpenAI's paths, or Pinecone's last path segment.
    case other(String)

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

    /// Whether it counts against quotas of tokens. Counting tokens is free, and batches that wait for days have quotas of
    /// their own (ai.google.dev/gemini-api/docs/tokens, …/rate-limits).
    package var costsTokens: Bool {
        switch self {
        case .countTokens, .other("batchGenerateContent"), .other("asyncBatchEmbedContent"): false
        default: true
        }
    }

    /// Whether its answer costs output tokens.
    package var producesTokens: Bool { self == .generateContent || self == .streamGenerateContent }
}

extension Dialect {
    /// Names of methods that the service documents (ai.google.dev/api, docs.pinecone.io/reference/api), the usual first;
    /// there may be newer ones. None: its calls have no method.
    package var knownMethods: [String] {
        switch self {
        case .gemini:
            [
                "generateContent", "streamGenerateContent", "embedContent", "batchEmbedContents", "countTokens",
                "batchGenerateContent", "asyncBatchEmbedContent", "bidiGenerateContent", "predict",
                "predictLongRunning", "generateAnswer", "images/generations",
            ]
        case .pinecone:
            [
                "query", "upsert", "update", "fetch", "fetch_by_metadata", "delete", "list", "search",
                "describe_index_stats",
            ]
        case .http: []
        }
    }
}

extension CallMethod {
    /// The word that ends a path. Known words cost no allocation.
    init(word start: Int, of path: Span<UInt8>) {
        switch path.count - start {
        case 11 where path.has("countTokens", at: start): self = .countTokens
        case 12 where path.has("embedContent", at: start): self = .embedContent
        case 15 where path.has("generateContent", at: start): self = .generateContent
        case 18 where path.has("batchEmbedContents", at: start): self = .batchEmbedContents
        case 21 where path.has("streamGenerateContent", at: start): self = .streamGenerateContent
        default: self.init(name: path.percentDecoded(start..<path.count))
        }
    }

    /// A word whose escapes are decoded.
    private init(name: String) {
        switch name {
        case "countTokens": self = .countTokens
        case "embedContent": self = .embedContent
        case "generateContent": self = .generateContent
        case "batchEmbedContents": self = .batchEmbedContents
        case "streamGenerateContent": self = .streamGenerateContent
        default: self = .other(name)
        }
    }
}
