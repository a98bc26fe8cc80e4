internal import FoundationEssentials

/// An error as Gemini sends it.
struct GeminiError: Encodable, Sendable {
    let code: Int
    let message: String
    let status: String
    var details: [Detail] = []

    private enum CodingKeys: String, CodingKey { case code, message, status, details }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(code, forKey: .code)
        try container.encode(message, forKey: .message)
        try container.encode(status, forKey: .status)
        if !details.isEmpty { try container.encode(details, forKey: .details) }
    }

    /// Which path the caller used: the OpenAI-compatible ones wrap an error in an array of one.
    enum Form: Sendable { case native, openAI }

    func reply(_ form: Form) -> Reply {
        let type = "application/json; charset=UTF-8"
        let envelope = ["error": self]
        return switch form {
        case .native: .json(envelope, status: code, contentType: type)
        case .openAI: .json([envelope], status: code, contentType: type)
        }
    }
}

extension GeminiError {
    static func badRequest(_ message: String) -> GeminiError {
        GeminiError(code: 400, message: message, status: "INVALID_ARGUMENT")
    }

    static func unreadable(_ error: BodyError) -> GeminiError {
        .badRequest("Invalid JSON payload received. \(error.reason)")
    }

    static let invalidKey = GeminiError(
        code: 400,
        message: "API key not valid. Please pass a valid API key.",
        status: "INVALID_ARGUMENT",
        details: [
            .errorInfo(reason: "API_KEY_INVALID"),
            .localizedMessage("API key not valid. Please pass a valid API key."),
        ]
    )

    static let missingKey = GeminiError(
        code: 403,
        message: "Method doesn't allow unregistered callers (callers without established identity). "
            + "Please use API Key or other form of API consumer identity to call this API.",
        status: "PERMISSION_DENIED"
    )

    static let unknownPath = GeminiError(
        code: 404,
        message: "Requested entity was not found.",
        status: "NOT_FOUND"
    )

    static let tooLarge = GeminiError(
        code: 400,
        message: "Request payload size exceeds the limit: 20971520 bytes.",
        status: "INVALID_ARGUMENT"
    )

    static func unknownModel(_ model: String) -> GeminiError {
        GeminiError(
            code: 404,
            message: "models/\(model) is not found, or is not supported for this method. "
                + "Call ListModels to see the list of available models and their supported methods.",
            status: "NOT_FOUND"
        )
    }

    /// A fault that was asked for.
    static func fault(status: Int) -> GeminiError {
        let (name, message) =
            switch status {
            case 400: ("INVALID_ARGUMENT", "Request contains an invalid argument.")
            case 401: ("UNAUTHENTICATED", "Request had invalid authentication credentials.")
            case 403: ("PERMISSION_DENIED", "The caller does not have permission.")
            case 404: ("NOT_FOUND", "Requested entity was not found.")
            case 429: ("RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).")
            case 499: ("CANCELLED", "The operation was cancelled.")
            case 503: ("UNAVAILABLE", "The model is overloaded. Please try again later.")
            case 504: ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete.")
            default: ("INTERNAL", "An internal error has occurred. Please retry.")
            }
        return GeminiError(code: status, message: message, status: name)
    }

    /// Several quotas may be spent at once; each is a violation. The retry delay is the longest wait of a minute's
    /// quotas; a spent daily quota says 36 s, as the real service does, though it will not help.
    static func quotaExceeded(_ violations: [Violation], demand: Demand) -> GeminiError {
        let waits = violations.map { $0.quota == .requestsPerDay ? .seconds(36) : $0.wait }
        let delay = (waits.max() ?? .zero).protobufText
        let spent = violations.map { Detail.Violation($0, demand: demand) }
        let lines = spent.map {
            "* Quota exceeded for metric: \($0.quotaMetric), limit: \($0.quotaValue), model: \(demand.model)"
        }
        return GeminiError(
            code: 429,
            message: "You exceeded your current quota, please check your plan and billing details. "
                + "For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.\n"
                + lines.joined(separator: "\n") + "\nPlease retry in \(delay).",
            status: "RESOURCE_EXHAUSTED",
            details: [.quotaFailure(spent), .help, .retryInfo(delay: delay)]
        )
    }

    enum Detail: Encodable, Sendable {
        case errorInfo(reason: String)
        case localizedMessage(String)
        case quotaFailure([Violation])
        case help
        case retryInfo(delay: String)
    }
}

extension GeminiError.Detail {
    struct Violation: Encodable, Sendable {
        let quotaMetric: String
        let quotaId: String
        let quotaDimensions: [String: String]
        let quotaValue: String

        init(_ violation: Simulator.Violation, demand: Demand) {
            let embeds = demand.service == .gemini(.embed)
            let family = embeds ? "embed_content" : "generate_content"
            let metric: String
            (metric, quotaId) =
                switch (violation.quota, embeds) {
                case (.tokensPerMinute, false):
                    ("input_token_count", "GenerateContentInputTokensPerModelPerMinute-FreeTier")
                case (.tokensPerMinute, true):
                    ("input_token_count", "EmbedContentInputTokensPerModelPerMinute-FreeTier")
                case (.requestsPerDay, false): ("requests", "GenerateRequestsPerDayPerProjectPerModel-FreeTier")
                case (.requestsPerDay, true): ("requests", "EmbedContentRequestsPerDayPerProjectPerModel-FreeTier")
                case (_, false): ("requests", "GenerateRequestsPerMinutePerProjectPerModel-FreeTier")
                case (_, true): ("requests", "EmbedContentRequestsPerMinutePerProjectPerModel-FreeTier")
                }
            quotaMetric = "generativelanguage.googleapis.com/\(family)_free_tier_\(metric)"
            quotaDimensions = ["location": "global", "model": demand.model]
            quotaValue = String(violation.limit)
        }
    }

    private struct Link: Encodable {
        let description: String
        let url: String
    }

    private enum CodingKeys: String, CodingKey {
        case type = "@type"
        case reason, domain, metadata, locale, message, violations, links, retryDelay
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .errorInfo(let reason):
            try container.encode("type.googleapis.com/google.rpc.ErrorInfo", forKey: .type)
            try container.encode(reason, forKey: .reason)
            try container.encode("googleapis.com", forKey: .domain)
            try container.encode(["service": "generativelanguage.googleapis.com"], forKey: .metadata)
        case .localizedMessage(let message):
            try container.encode("type.googleapis.com/google.rpc.LocalizedMessage", forKey: .type)
            try container.encode("en-US", forKey: .locale)
            try container.encode(message, forKey: .message)
        case .quotaFailure(let violations):
            try container.encode("type.googleapis.com/google.rpc.QuotaFailure", forKey: .type)
            try container.encode(violations, forKey: .violations)
        case .help:
            try container.encode("type.googleapis.com/google.rpc.Help", forKey: .type)
            let link = Link(
                description: "Learn more about Gemini API quotas",
                url: "https://ai.google.dev/gemini-api/docs/rate-limits"
            )
            try container.encode([link], forKey: .links)
        case .retryInfo(let delay):
            try container.encode("type.googleapis.com/google.rpc.RetryInfo", forKey: .type)
            try container.encode(delay, forKey: .retryDelay)
        }
    }
}

extension Duration {
    /// A protobuf Duration's JSON: seconds with up to nine decimals, never rounded down.
    fileprivate var protobufText: String {
        let nanoseconds = (components.attoseconds + 999_999_999) / 1_000_000_000
        let seconds = components.seconds + nanoseconds / 1_000_000_000
        let rest = nanoseconds % 1_000_000_000
        guard rest > 0 else { return "\(seconds)s" }
        let digits = String(rest)
        return "\(seconds).\(String(repeating: "0", count: 9 - digits.count))\(digits)s"
    }
}
