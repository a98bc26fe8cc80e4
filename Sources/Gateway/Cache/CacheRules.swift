internal import Dialects
internal import HTTPWire
internal import NIOCore

/// Which calls a route's cache takes, and which answers may be kept.
enum CacheRules {
    private static let pineconeReads: Set<String> = [
        "query", "fetch", "fetch_by_metadata", "list", "describe_index_stats", "search",
    ]

    static func isCached(
        shape: CallShape,
        head: RequestHead,
        dialect: Dialect,
        by cache: Configuration.RouteCache
    ) -> Bool {
        if head.method == .head { return false }
        let method = shape.method?.name ?? head.method.name
        if !cache.methods.isEmpty { return cache.methods.contains(method) }
        switch dialect {
        case .gemini: return shape.model != nil || head.method == .get
        case .pinecone: return !isPineconeWrite(shape: shape, head: head)
        case .http: return head.method == .get
        }
    }

    /// Whatever is no read may have changed what queries find.
    static func isPineconeWrite(shape: CallShape, head: RequestHead) -> Bool {
        if head.method == .get || head.method == .head { return false }
        return !pineconeReads.contains(shape.method?.name ?? "")
    }

    /// What an answer of dialect http may vary by here: an answer that varies by anything else is not kept.
    static func variant(of head: RequestHead) -> ByteBufferView? {
        let fields: [KnownField] = [.accept, .acceptEncoding, .acceptLanguage]
        let values = fields.map { head.fields.string($0) ?? "" }
        return ByteBuffer(string: values.joined(separator: "\u{0}")).readableBytesView
    }

    private static let variantNames: Set<String> = ["accept", "accept-encoding", "accept-language"]

    /// Gemini and Pinecone mark every answer as private; a route with a cache says that it is to be kept all the same.
    static func mayKeep(_ fields: FieldBlock, dialect: Dialect) -> Bool {
        if fields.contains(.setCookie) { return false }
        guard dialect == .http else { return true }
        if fields.has("no-store", in: .cacheControl) || fields.has("private", in: .cacheControl) { return false }
        guard let vary = fields.string(.vary) else { return true }
        return vary.split(separator: ",").allSatisfy { variantNames.contains($0.trimmingSpaces().lowercased()) }
    }

    /// The fields that are kept with an answer: its own, without those of one connection or one request.
    static func keptFields(_ fields: FieldBlock) -> ByteBuffer {
        var kept = ReplyFields(capacity: 256)
        kept.add(fields) { field in
            switch field {
            case .xRequestID, .serverTiming, .setCookie, .rateLimit, .rateLimitPolicy, .age, .date, .via, .altSvc,
                .retryAfter:
                false
            default: true
            }
        }
        return kept.buffer
    }
}
