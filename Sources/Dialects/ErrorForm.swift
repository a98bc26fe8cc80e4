package import NIOCore

/// The shape of an error that the caller's SDK turns into its own typed error.
package enum ErrorForm: Sendable, Equatable, CaseIterable {
    /// `{"error":{"code":429,"message":…,"status":"RESOURCE_EXHAUSTED","details":[…]}}`
    case gemini
    /// `{"error":{"message","type","param","code"}}`, an object: openai loses the code of Gemini's one-element array.
    case openAI
    /// `{"error":{"code":"RESOURCE_EXHAUSTED","message":…},"status":429}`
    case pinecone
    /// RFC 9457.
    case problem

    /// - Parameters:
    ///   - path: the raw path, without the query, as the client sent it.
    ///   - upstreamDialect: that of the matched route; `nil` where no route matched.
    package static func of(path: ByteBufferView, upstreamDialect: Dialect?) -> ErrorForm {
        let buffer = ByteBuffer(path)
        let path = buffer.readableBytesUInt8Span
        if path.index(behindSegment: "openai") != nil { return .openAI }
        switch upstreamDialect {
        case .gemini: return .gemini
        case .pinecone: return .pinecone
        case .http: return .problem
        case nil:
            let isGemini =
                path.begins(withSegment: "v1") || path.begins(withSegment: "v1beta")
                || path.begins(withSegment: "v1alpha")
            return isGemini ? .gemini : .problem
        }
    }

    /// With charset, where the real services send one.
    package var contentType: StaticString {
        switch self {
        case .gemini: "application/json; charset=UTF-8"
        case .openAI, .pinecone: "application/json"
        case .problem: "application/problem+json"
        }
    }

    /// A sign of life in a stream that waits for its slot, which the form's SDKs skip; `nil`: there is none.
    ///
    /// For native Gemini only where the caller asked for `alt=sse`: its SDKs fail on comments and skip empty events.
    /// - Parameters:
    ///   - position: 1 is the next in order.
    ///   - wait: what is still expected.
    package func heartbeat(position: Int, wait: Duration) -> ByteBuffer? {
        switch self {
        case .gemini:
            return ByteBuffer(string: "\r\n\r\n")
        case .openAI, .problem:
            let tenths = max(0, (wait.components.seconds * 10) + wait.components.attoseconds / 100_000_000_000_000_000)
            return ByteBuffer(string: ": queued position=\(position) wait=\(tenths / 10).\(tenths % 10)\n\n")
        case .pinecone:
            return nil
        }
    }
}
