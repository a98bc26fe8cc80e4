package import NIOCore

/// What a call is to its quotas: method, model, size, and how its answer comes.
///
/// Read from the path first; `needs` says what only the body can tell, `complete(with:)` takes that.
package struct CallShape: Sendable, Equatable {
    /// How the answer's body is framed.
    package enum Framing: Sendable, Equatable {
        /// One document.
        case document
        /// `text/event-stream`.
        case serverSentEvents
        /// Gemini's stream without `alt=sse`: one JSON array that grows.
        case jsonArray
    }

    /// `nil`: the call is none of a model (files, model lists, …), or the dialect has no methods.
    package private(set) var method: CallMethod?
    /// Without the prefix `models/`; tuned models keep theirs. `nil`: none, or not yet known.
    package private(set) var model: String?
    package private(set) var framing = Framing.document
    /// Items of a batch of embeddings; 1 for everything else.
    package private(set) var items = 1
    /// Whether the path is one of Gemini's OpenAI-compatible ones.
    package private(set) var isOpenAI = false
    /// What is still to be read from the body.
    package private(set) var needs: BodyFacts.Wanted = []

    /// Whether the answer is a stream that must be passed on as it comes.
    package var streams: Bool { framing != .document }

    /// Reads what path and query tell.
    ///
    /// - Parameters:
    ///   - path: raw, with or without a route's prefix, without the query.
    ///   - query: raw, without the question mark.
    package init(path: ByteBufferView, query: ByteBufferView?, dialect: Dialect) {
        let buffer = ByteBuffer(path)
        let path = buffer.readableBytesUInt8Span
        switch dialect {
        case .gemini:
            if let start = path.index(behindSegment: "openai") {
                readOpenAI(path, from: start)
            } else {
                readGemini(path, query: query)
            }
        case .pinecone:
            let start = path.indexBehindLastSlash
            if start < path.count { method = CallMethod(word: start, of: path) }
        case .http:
            isOpenAI = path.index(behindSegment: "openai") != nil
        }
    }

    /// Adds what the body told. What it did not tell stays as it is: one item, no stream.
    package mutating func complete(with facts: BodyFacts) {
        if needs.contains(.model), let name = facts.model { model = Self.modelName(name) }
        if needs.contains(.stream), facts.stream == true {
            method = .streamGenerateContent
            framing = .serverSentEvents
        }
        if let count = facts.items { items = max(1, count) }
        needs = []
    }

    private mutating func readOpenAI(_ path: Span<UInt8>, from start: Int) {
        isOpenAI = true
        var end = path.count
        while end > start, path[end - 1] == .slash { end -= 1 }
        switch path.percentDecoded(start..<end) {
        case "chat/completions":
            method = .generateContent
            needs = [.model, .stream]
        case "embeddings":
            method = .batchEmbedContents
            needs = [.model, .input]
        case "images/generations":
            method = .other("images/generations")
            needs = [.model]
        default:
            break
        }
    }

    /// The method is the word after the last colon, which may be escaped; names may hold colons themselves.
    private mutating func readGemini(_ path: Span<UInt8>, query: ByteBufferView?) {
        var colon = path.count - 1
        var word = path.count
        while colon >= 0, path[colon] != .slash {
            if path[colon] == .colon {
                word = colon + 1
                break
            }
            if path[colon] == .percent, path.has("%3A", at: colon) || path.has("%3a", at: colon) {
                word = colon + 3
                break
            }
            colon -= 1
        }
        guard word < path.count, colon > 0 else { return }
        let method = CallMethod(word: word, of: path)
        self.method = method
        if let start = path.index(behindSegment: "models"), start < colon {
            model = path.percentDecoded(start..<colon)
        } else if let start = path.index(behindSegment: "tunedModels"), start < colon {
            model = "tunedModels/" + path.percentDecoded(start..<colon)
        }
        if method == .batchEmbedContents { needs = [.requests] }
        if method == .streamGenerateContent {
            let alt = query.flatMap { QueryParameter.value(of: "alt", in: $0) }
            framing = alt == "sse" ? .serverSentEvents : .jsonArray
        }
    }

    private static func modelName(_ name: String) -> String {
        name.hasPrefix("models/") ? String(name.dropFirst("models/".count)) : name
    }
}
