/// What a request line asks for. Pure: no field and no body is looked at.
package enum Endpoint: Equatable, Sendable {
    case gemini(GeminiCall)
    case openAI(OpenAICall)
    case pinecone(PineconeCall)
    case control(ControlCall)
    case unknown(Service)

    /// Whose form of 404 an unknown path gets.
    package enum Service: Equatable, Sendable { case gemini, pinecone }

    /// - Parameters:
    ///   - path: still percent-encoded, without the query.
    ///   - pineconePrefix: a path below which Pinecone's calls are known too; empty: at the root only.
    package init(method: String, path: String, query: QueryItems = QueryItems(""), pineconePrefix: String = "") {
        var segments = path.split(separator: "/").map { $0.percentDecoded }
        let prefix = pineconePrefix.split(separator: "/").map(String.init)
        if !prefix.isEmpty, segments.starts(with: prefix) { segments.removeFirst(prefix.count) }
        switch segments.first {
        case "v1", "v1beta", "v1alpha":
            let rest = Array(segments.dropFirst())
            if rest.first == "openai" {
                self = OpenAICall(method: method, segments: rest.dropFirst()).map { .openAI($0) } ?? .unknown(.gemini)
            } else {
                let streamsEvents = query.first("alt") == "sse"
                self =
                    GeminiCall(method: method, segments: rest, streamsEvents: streamsEvents).map { .gemini($0) }
                    ?? .unknown(.gemini)
            }
        case "simulator":
            self =
                ControlCall(method: method, name: segments.dropFirst().joined(separator: "/")).map { .control($0) }
                ?? .unknown(.pinecone)
        default:
            self = PineconeCall(method: method, segments: segments).map { .pinecone($0) } ?? .unknown(.pinecone)
        }
    }
}

package enum GeminiCall: Equatable, Sendable {
    case generateContent(model: String)
    case streamGenerateContent(model: String, events: Bool)
    case embedContent(model: String)
    case batchEmbedContents(model: String)
    case countTokens(model: String)
    case listModels
    case getModel(String)

    /// The method is the word after the last `:`; a tuned model's name may hold others.
    init?(method: String, segments: [String], streamsEvents: Bool) {
        guard let collection = segments.first, collection == "models" || collection == "tunedModels" else { return nil }
        if segments.count == 1, method == "GET" {
            self = .listModels
            return
        }
        guard segments.count == 2 else { return nil }
        let name = (collection == "models" ? "" : "tunedModels/") + segments[1]
        guard method == "POST" else {
            guard method == "GET", !name.contains(":") else { return nil }
            self = .getModel(name)
            return
        }
        guard let colon = name.lastIndex(of: ":") else { return nil }
        let model = String(name[..<colon])
        switch name[name.index(after: colon)...] {
        case "generateContent": self = .generateContent(model: model)
        case "streamGenerateContent": self = .streamGenerateContent(model: model, events: streamsEvents)
        case "embedContent": self = .embedContent(model: model)
        case "batchEmbedContents": self = .batchEmbedContents(model: model)
        case "countTokens": self = .countTokens(model: model)
        default: return nil
        }
    }

    /// The word that names the method.
    var name: String {
        switch self {
        case .generateContent: "generateContent"
        case .streamGenerateContent: "streamGenerateContent"
        case .embedContent: "embedContent"
        case .batchEmbedContents: "batchEmbedContents"
        case .countTokens: "countTokens"
        case .listModels: "listModels"
        case .getModel: "getModel"
        }
    }
}

package enum OpenAICall: Equatable, Sendable {
    case chatCompletions, embeddings, listModels
    case getModel(String)

    init?(method: String, segments: ArraySlice<String>) {
        switch (method, segments.joined(separator: "/")) {
        case ("POST", "chat/completions"): self = .chatCompletions
        case ("POST", "embeddings"): self = .embeddings
        case ("GET", "models"): self = .listModels
        case ("GET", let path) where path.hasPrefix("models/"):
            self = .getModel(path.split(separator: "/").last.map(String.init) ?? "")
        default: return nil
        }
    }

    var name: String {
        switch self {
        case .chatCompletions: "chat/completions"
        case .embeddings: "embeddings"
        case .listModels: "listModels"
        case .getModel: "getModel"
        }
    }
}

package enum PineconeCall: Equatable, Sendable {
    case query, upsert, update, fetch, delete, list, describeIndexStats, listIndexes
    case describeIndex(String)

    init?(method: String, segments: [String]) {
        switch (method, segments.joined(separator: "/")) {
        case ("POST", "query"): self = .query
        case ("POST", "vectors/upsert"): self = .upsert
        case ("POST", "vectors/update"): self = .update
        case ("GET", "vectors/fetch"): self = .fetch
        case ("POST", "vectors/delete"), ("DELETE", "vectors/delete"): self = .delete
        case ("GET", "vectors/list"): self = .list
        case ("POST", "describe_index_stats"), ("GET", "describe_index_stats"): self = .describeIndexStats
        case ("GET", "indexes"): self = .listIndexes
        case ("GET", _) where segments.count == 2 && segments[0] == "indexes": self = .describeIndex(segments[1])
        default: return nil
        }
    }

    var name: String {
        switch self {
        case .query: "query"
        case .upsert: "upsert"
        case .update: "update"
        case .fetch: "fetch"
        case .delete: "delete"
        case .list: "list"
        case .describeIndexStats: "describe_index_stats"
        case .listIndexes: "listIndexes"
        case .describeIndex: "describeIndex"
        }
    }
}

package enum ControlCall: String, Equatable, Sendable {
    case readConfig = "GET config"
    case changeConfig = "POST config"
    case readLog = "GET log"
    case clearLog = "DELETE log"
    case readStats = "GET stats"
    case clearStats = "DELETE stats"
    case health = "GET health"

    init?(method: String, name: String) {
        self.init(rawValue: "\(method) \(name)")
    }
}
