internal import HTTPTypes

/// The API key of a request, where its service looks for it.
struct Credentials {
    let key: String?

    init(gemini fields: HTTPFields, query: QueryItems) {
        key = Self.value(fields, "x-goog-api-key") ?? query.first("key") ?? Self.bearer(fields)
    }

    init(pinecone fields: HTTPFields) {
        key = Self.value(fields, "api-key")
    }

    /// FNV-1a in hexadecimal: tells keys apart without showing them.
    var hash: String? {
        key.map { String(textHash($0.utf8), radix: 16) }
    }

    /// Field values that never go into a log.
    static let secretFields: Set = ["x-goog-api-key", "api-key", "authorization", "cookie", "proxy-authorization"]

    private static func value(_ fields: HTTPFields, _ name: String) -> String? {
        HTTPField.Name(name).flatMap { fields[$0] }
    }

    private static func bearer(_ fields: HTTPFields) -> String? {
        guard let value = fields[.authorization], value.lowercased().hasPrefix("bearer ") else { return nil }
        return String(value.dropFirst("bearer ".count))
    }
}
