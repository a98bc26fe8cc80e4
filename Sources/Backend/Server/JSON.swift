internal import FoundationEssentials
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import NIOFoundationCompat

/// JSON in and out: snake case, members sorted, so that the same value is the same bytes.
enum JSON {
    static func encode(_ value: some Encodable, snakeCase: Bool = true) -> ByteBuffer {
        let encoder = JSONEncoder()
        if snakeCase { encoder.keyEncodingStrategy = .convertToSnakeCase }
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return ByteBuffer(bytes: try encoder.encode(value))
        } catch {
            preconditionFailure("one of our own values has no JSON: \(error)")
        }
    }

    static func decode<Value: Decodable>(_ type: Value.Type, from bytes: ByteBuffer) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(bytes.readableBytesView))
    }

    /// The body of a request.
    /// - Throws: `Problem` that names the member that is missing or of the wrong type; 413; 415.
    static func body<Value: Decodable>(_ type: Value.Type, of request: Request, upTo limit: Int) async throws -> (
        Value, ByteBuffer
    ) {
        if let contentType = request.headers[.contentType], !contentType.lowercased().hasPrefix("application/json") {
            throw Problem(.unsupportedMediaType, "the body must be application/json")
        }
        let bytes = try await request.body.collect(upTo: limit)
        do {
            return (try decode(type, from: bytes), bytes)
        } catch let error as DecodingError {
            throw Problem(error)
        }
    }

    static func response(_ value: some Encodable, status: HTTPResponse.Status = .ok) -> Response {
        response(encode(value), status: status)
    }

    static func response(_ body: ByteBuffer, status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status,
            headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: .init(byteBuffer: body)
        )
    }
}

extension Problem {
    fileprivate init(_ error: DecodingError) {
        switch error {
        case .keyNotFound(let key, _):
            self = .invalid(key.stringValue, "is missing")
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            guard let key = context.codingPath.last else {
                self.init(.badRequest, "the body must be a JSON object")
                return
            }
            self = .invalid(key.stringValue, "has the wrong type")
        case .dataCorrupted(let context):
            guard let key = context.codingPath.last else {
                self.init(.badRequest, "the body is not valid JSON")
                return
            }
            self = .invalid(key.stringValue, "is not valid")
        @unknown default:
            self.init(.badRequest, "the body is not valid")
        }
    }
}
