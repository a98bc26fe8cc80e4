/// The quotas that the simulator enforces.
package enum Quota: String, Sendable, CaseIterable {
    case requestsPerMinute = "requests-per-minute"
    case tokensPerMinute = "tokens-per-minute"
    case requestsPerDay = "requests-per-day"
    case pineconeQueriesPerMinute = "pinecone-queries-per-minute"
}

/// What a call asks of the quotas.
package struct Demand: Sendable, Equatable {
    package enum Service: Sendable, Equatable { case gemini(Gemini), pinecone }
    package enum Gemini: Sendable, Equatable { case generate, embed }

    package let service: Service
    /// Gemini counts by model; Pinecone by index.
    package let model: String
    /// A batch of embeddings counts as many requests as it has items.
    package let requests: Int
    /// Input tokens.
    package let tokens: Int

    package init(service: Service, model: String, requests: Int = 1, tokens: Int = 0) {
        self.service = service
        self.model = model
        self.requests = requests
        self.tokens = tokens
    }

    func weight(in quota: Quota) -> Int? {
        switch (quota, service) {
        case (.requestsPerMinute, .gemini), (.requestsPerDay, .gemini): requests
        case (.tokensPerMinute, .gemini): tokens
        case (.pineconeQueriesPerMinute, .pinecone): requests
        case (.pineconeQueriesPerMinute, .gemini), (_, .pinecone): nil
        }
    }
}

/// A quota that a call does not fit.
package struct Violation: Sendable, Equatable {
    package let quota: Quota
    package let limit: Int
    /// How long until the call would fit if nothing else arrived.
    package let wait: Duration
}
