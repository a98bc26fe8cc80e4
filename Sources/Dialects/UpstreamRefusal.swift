package import NIOCore

/// What an upstream's 429 says: when to come back, and which quota was spent.
///
/// Everything may be missing: several violations may come at once, or none; Gemini sends no `Retry-After`, Pinecone
/// nothing else.
package struct UpstreamRefusal: Sendable, Equatable {
    /// One entry of `google.rpc.QuotaFailure`.
    package struct Violation: Sendable, Equatable {
        /// Such as `GenerateRequestsPerMinutePerProjectPerModel-FreeTier`.
        package var quotaID = ""
        /// The limit that the upstream enforces.
        package var quotaValue: Int?
        package var model: String?

        package init(quotaID: String = "", quotaValue: Int? = nil, model: String? = nil) {
            self.quotaID = quotaID
            self.quotaValue = quotaValue
            self.model = model
        }

        /// Spent until the day's reset, whatever `retryDelay` says.
        package var isPerDay: Bool { quotaID.contains("PerDay") }
        package var isPerMinute: Bool { quotaID.contains("PerMinute") }
        /// Counts tokens, not requests.
        package var countsTokens: Bool { quotaID.contains("Tokens") }
    }

    /// From `google.rpc.RetryInfo`, else from `Retry-After`.
    package private(set) var retryAfter: Duration?
    package private(set) var violations: [Violation] = []

    /// A 429's body is looked at so far, in bytes.
    package static let bodyLimit = 64 << 10
    private static let violationLimit = 16
    /// No quota is larger: what is reckoned with it holds in 64 bits.
    private static let largestValue = 1 << 40

    /// - Parameters:
    ///   - body: the whole body or its first `bodyLimit` bytes; need not be JSON.
    ///   - retryAfter: the field's value.
    ///   - secondsSinceEpoch: wall clock, for a `Retry-After` that is a date.
    package init(body: ByteBuffer, retryAfter field: String?, secondsSinceEpoch: Int64) {
        read(body)
        if retryAfter == nil {
            retryAfter = field.flatMap { RetryAfter.parse($0, secondsSinceEpoch: secondsSinceEpoch) }
        }
    }

    /// Members are told by name and nesting, so the one-element array of OpenAI-compatible paths reads the same.
    private mutating func read(_ body: ByteBuffer) {
        let bytes = body.readableBytesUInt8Span
        var lexer = JSONLexer()
        lexer.captures = true
        var index = 0
        var depth = 0
        var violationsDepth: Int?
        var violation = Violation()
        var key = ""
        var lastString: String?
        while index < bytes.count, let token = lexer.next(in: bytes, from: &index) {
            switch token {
            case .beginArray:
                depth += 1
                if key == "violations" { violationsDepth = depth }
                key = ""
            case .beginObject:
                depth += 1
                if let violationsDepth, depth == violationsDepth + 1 { violation = Violation() }
                key = ""
            case .endObject, .endArray:
                if let start = violationsDepth {
                    if depth == start + 1, violations.count < Self.violationLimit { violations.append(violation) }
                    if depth <= start { violationsDepth = nil }
                }
                depth -= 1
                key = ""
            case .string:
                let text = lexer.isTruncated ? "" : lexer.decodedText
                if key.isEmpty {
                    lastString = text
                } else {
                    take(text, named: key, into: &violation, isInside: violationsDepth != nil)
                    key = ""
                }
            case .scalar:
                take(lexer.decodedText, named: key, into: &violation, isInside: violationsDepth != nil)
                key = ""
            case .colon:
                key = lastString ?? ""
                lastString = nil
            case .comma:
                key = ""
            case .invalid:
                return
            }
        }
    }

    private mutating func take(_ value: String, named key: String, into violation: inout Violation, isInside: Bool) {
        switch key {
        case "retryDelay" where !isInside: retryAfter = ProtobufDuration.parse(value)
        case "quotaId" where isInside: violation.quotaID = value
        case "quotaValue" where isInside:
            violation.quotaValue = Int(value).map { min(max(0, $0), Self.largestValue) }
        case "model" where isInside: violation.model = value
        default: break
        }
    }
}
