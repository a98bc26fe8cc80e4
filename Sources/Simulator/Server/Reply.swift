internal import FoundationEssentials
package import NIOCore

/// An answer, whole or in the pieces in which it is streamed.
package struct Reply: Sendable {
    package enum Body: Sendable { case whole(ByteBuffer), pieces([ByteBuffer]) }

    package var status: Int
    package var contentType: String
    /// Whole seconds; Pinecone's 429 carries it, Gemini's does not.
    package var retryAfter: Int?
    package var body: Body

    package init(status: Int = 200, contentType: String, retryAfter: Int? = nil, body: Body) {
        self.status = status
        self.contentType = contentType
        self.retryAfter = retryAfter
        self.body = body
    }
}

extension Reply {
    /// A value as JSON. Members are sorted, so that the same answer has the same bytes.
    package static func json(
        _ value: some Encodable,
        status: Int = 200,
        contentType: String = "application/json",
        retryAfter: Int? = nil
    ) -> Reply {
        Reply(
            status: status,
            contentType: contentType,
            retryAfter: retryAfter,
            body: .whole(ByteBuffer(bytes: encodedJSON(value)))
        )
    }
}

/// What to do with a request whose body has been read.
package enum Plan: Sendable {
    /// Answered at once: bad requests, look-ups that no quota counts.
    case answer(Reply)
    /// Goes through quotas, faults and latency first.
    case work(Work)
}

/// A call that quotas count and faults hit.
package struct Work: Sendable {
    /// What it costs; nil: no quota counts it.
    package let demand: Demand?
    package let answer: @Sendable () -> Reply
    package let refusal: @Sendable ([Violation]) -> Reply
    package let failure: @Sendable (_ status: Int) -> Reply
}

/// - Returns: compact JSON with sorted members. Values of this module always encode: they hold no non-finite numbers.
func encodedJSON(_ value: some Encodable) -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
        positiveInfinity: "Infinity",
        negativeInfinity: "-Infinity",
        nan: "NaN"
    )
    do {
        return try encoder.encode(value)
    } catch {
        preconditionFailure("an answer does not encode: \(error)")
    }
}

/// Why a body was refused: a sentence for the caller, without the body's content.
struct BodyError: Error {
    let reason: String
}

/// - Throws: `BodyError`, with the place where the body has another shape.
func decodedJSON<Value: Decodable>(_ type: Value.Type, from body: ByteBuffer) throws(BodyError) -> Value {
    do {
        return try JSONDecoder().decode(type, from: Data(body.readableBytesView))
    } catch let error as DecodingError {
        throw BodyError(reason: error.place)
    } catch {
        throw BodyError(reason: "not JSON")
    }
}

extension DecodingError {
    fileprivate var place: String {
        let (context, what): (Context, String) =
            switch self {
            case .typeMismatch(_, let context): (context, "wrong type at")
            case .valueNotFound(_, let context): (context, "missing value at")
            case .keyNotFound(let key, let context): (context, "missing \"\(key.stringValue)\" at")
            case .dataCorrupted(let context): (context, "not valid JSON at")
            @unknown default: (Context(codingPath: [], debugDescription: ""), "unreadable at")
            }
        let path = context.codingPath.map { key in
            key.intValue.map { "[\($0)]" } ?? "." + key.stringValue
        }
        return "\(what) $\(path.joined())"
    }
}
