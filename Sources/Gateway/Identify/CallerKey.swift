package import Dialects
package import HTTPWire
package import NIOCore

/// The API key that a caller sent, where its SDK puts it.
package enum CallerKey {
    /// The first place that holds one decides.
    package static func find(in head: RequestHead, dialect: Dialect, isOpenAI: Bool) -> ByteBufferView? {
        for location in dialect.keyLocations(isOpenAI: isOpenAI) {
            if let found = key(at: location, in: head), !found.isEmpty { return found }
        }
        return nil
    }

    private static func key(at location: KeyLocation, in head: RequestHead) -> ByteBufferView? {
        switch location {
        case .xGoogAPIKey: return head.fields.first(.xGoogApiKey)
        case .apiKey: return head.fields.first(.apiKey)
        case .xAPIKey: return head.fields.first(.xApiKey)
        case .bearer: return head.fields.first(.authorization).flatMap { Dialect.bearerToken($0) }
        case .queryKey:
            return head.query
                .flatMap { QueryParameter.value(of: Dialect.keyParameter, in: $0) }
                .map { ByteBuffer(string: $0).readableBytesView }
        }
    }

    /// Whether a field holds, or could hold, a caller's key: a client's key never leaves the gateway.
    ///
    /// - Parameter isKnown: the caller was identified by a key, so an Authorization field holds it. An upstream of dialect
    ///   http behind `auth = "none"` may have an Authorization of its own, which goes on.
    package static func holdsKey(_ field: KnownField, dialect: Dialect, isKnown: Bool) -> Bool {
        switch field {
        case .xGoogApiKey, .apiKey, .xApiKey, .authorization: dialect != .http || isKnown
        default: false
        }
    }
}
