/// An error as Pinecone sends it: the data plane's form follows gRPC, the control plane has its own.
enum PineconeError: Sendable {
    case badRequest(String)
    case unauthorized(controlPlane: Bool)
    case notFound(String)
    case full(String)
    case queriesExceeded(Violation, index: String)
    case fault(status: Int)

    var reply: Reply {
        switch self {
        case .badRequest(let message): .json(Status(code: 3, message: message), status: 400)
        case .unauthorized(controlPlane: false): .json("Unauthorized", status: 401)
        case .unauthorized(controlPlane: true): Self.control("UNAUTHENTICATED", "Invalid API key", status: 401)
        case .notFound(let message): Self.control("NOT_FOUND", message, status: 404)
        case .full(let message): .json(Status(code: 8, message: message), status: 403)
        case .queriesExceeded(let violation, let index):
            .json(
                Status(
                    code: 8,
                    message: "Request failed. You've reached the max query rate of \(violation.limit) per "
                        + "window for index \(index). Please retry later."
                ),
                status: 429,
                retryAfter: Int(violation.wait.inSeconds.rounded(.up))
            )
        case .fault(let status): .json(Status(code: Self.grpcCode(status), message: Self.text(status)), status: status)
        }
    }

    private struct Status: Encodable {
        let code: Int
        let message: String
        let details: [String] = []

        private enum CodingKeys: String, CodingKey { case code, message, details }
    }

    private struct Control: Encodable {
        let error: Body
        let status: Int

        struct Body: Encodable {
            let code: String
            let message: String
        }
    }

    private static func control(_ code: String, _ message: String, status: Int) -> Reply {
        .json(Control(error: .init(code: code, message: message), status: status), status: status)
    }

    private static func grpcCode(_ status: Int) -> Int {
        switch status {
        case 400: 3
        case 401: 16
        case 403: 7
        case 404: 5
        case 409: 10
        case 429: 8
        case 503: 14
        case 504: 4
        default: 13
        }
    }

    private static func text(_ status: Int) -> String {
        switch status {
        case 429: "Too many requests"
        case 503: "Service unavailable"
        case 504: "Deadline exceeded"
        default: "Internal error"
        }
    }
}
