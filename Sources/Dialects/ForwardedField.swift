package import NIOCore

extension Dialect {
    private static let geminiPrefixes = ["content-", "x-goog-", "x-stainless-"]
    private static let pineconePrefixes = ["content-", "x-pinecone-", "x-stainless-"]
    private static let fieldsOfBoth = ["accept", "user-agent", "x-request-id", "traceparent", "via"]
    /// Set anew by whoever sends the request: framing by the transfer, keys by the gateway.
    private static let withheld = ["content-length", "x-goog-api-key"]

    /// Whether a request field of a caller may go to an upstream of this dialect.
    ///
    /// Towards gemini and pinecone only what the call needs: no caller's address, cookie or user leaves the house.
    /// `Accept-Encoding` does not go either, as both are asked for identity coding. Hop-by-hop fields of http are the
    /// caller's concern, as `Connection` names more of them.
    /// - Parameter name: in any case.
    package func forwards(_ name: ByteBufferView) -> Bool {
        let prefixes: [String]
        switch self {
        case .http: return true
        case .gemini: prefixes = Self.geminiPrefixes
        case .pinecone: prefixes = Self.pineconePrefixes
        }
        if Self.withheld.contains(where: { name.count == $0.utf8.count && name.hasLowercased($0) }) { return false }
        return Self.fieldsOfBoth.contains(where: { name.count == $0.utf8.count && name.hasLowercased($0) })
            || prefixes.contains(where: name.hasLowercased)
    }
}

extension ByteBufferView {
    /// Whether the bytes begin with `prefix`, which is in lower case, ASCII case ignored.
    fileprivate func hasLowercased(_ prefix: String) -> Bool {
        var index = startIndex
        for byte in prefix.utf8 {
            guard index < endIndex, self[index].asciiLowercased == byte else { return false }
            index += 1
        }
        return true
    }
}
