/// How an upstream speaks: its error format, its key's header, how its calls are named and what they cost.
package enum Dialect: String, Sendable, Equatable, CaseIterable {
    /// The Gemini API, natively and on its OpenAI-compatible paths.
    case gemini
    /// Pinecone's control and data planes.
    case pinecone
    /// Anything else.
    case http

    /// Lower-case name of the request field that selects the API's version, where there is one.
    ///
    /// Answers differ by it, so it belongs into a cache key.
    package var versionField: String? {
        switch self {
        case .gemini, .http: nil
        case .pinecone: "x-pinecone-api-version"
        }
    }
}
