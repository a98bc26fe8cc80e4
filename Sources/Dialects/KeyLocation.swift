package import NIOCore

/// Where a caller's SDK puts its key.
package enum KeyLocation: Sendable, Equatable {
    case xGoogAPIKey
    case apiKey
    case xAPIKey
    /// `Authorization: Bearer …`.
    case bearer
    /// `?key=…`.
    case queryKey
}

extension Dialect {
    /// The name of the query parameter that holds a key; it is taken off before a call is forwarded or cached.
    package static let keyParameter = "key"

    private static let nativeGemini: [KeyLocation] = [.xGoogAPIKey, .bearer, .queryKey]
    private static let openAIGemini: [KeyLocation] = [.bearer, .xGoogAPIKey, .queryKey]
    private static let pineconeFields: [KeyLocation] = [.apiKey, .bearer]
    private static let httpFields: [KeyLocation] = [.bearer, .xAPIKey]

    /// Where to look for a caller's key, the likeliest first. The first place that holds one decides.
    package func keyLocations(isOpenAI: Bool) -> [KeyLocation] {
        switch self {
        case .gemini: isOpenAI ? Self.openAIGemini : Self.nativeGemini
        case .pinecone: Self.pineconeFields
        case .http: Self.httpFields
        }
    }

    /// Names those places in a sentence: `x-goog-api-key, Authorization: Bearer or ?key=`.
    package func keyLocationsText(isOpenAI: Bool) -> String {
        switch self {
        case .gemini where isOpenAI: "Authorization: Bearer, x-goog-api-key or ?key="
        case .gemini: "x-goog-api-key, Authorization: Bearer or ?key="
        case .pinecone: "Api-Key or Authorization: Bearer"
        case .http: "Authorization: Bearer or x-api-key"
        }
    }

    /// The field line, with CR LF, that carries the gateway's own key to the upstream. Made once an upstream.
    package func upstreamKeyLine(_ key: String, isOpenAI: Bool) -> String {
        switch self {
        case .gemini where isOpenAI: "Authorization: Bearer \(key)\r\n"
        case .gemini: "x-goog-api-key: \(key)\r\n"
        case .pinecone: "Api-Key: \(key)\r\n"
        case .http: "Authorization: Bearer \(key)\r\n"
        }
    }

    /// The token of an `Authorization` value of the scheme Bearer, which is named in any case (RFC 9110, 11.1).
    package static func bearerToken(_ value: ByteBufferView) -> ByteBufferView? {
        let scheme = "bearer"
        var index = value.startIndex
        for byte in scheme.utf8 {
            guard index < value.endIndex, value[index].asciiLowercased == byte else { return nil }
            index += 1
        }
        guard index < value.endIndex, value[index] == UInt8(ascii: " ") else { return nil }
        while index < value.endIndex, value[index] == UInt8(ascii: " ") { index += 1 }
        return index < value.endIndex ? value[index..<value.endIndex] : nil
    }
}
