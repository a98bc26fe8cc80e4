internal import FoundationEssentials
package import HTTPTypes
internal import Hummingbird
internal import NIOCore

/// An answer that says what went wrong: RFC 9457, `application/problem+json`.
package struct Problem: Error, Equatable, Encodable {
    /// The status's own meaning is all there is to say.
    package var type = "about:blank"
    package let title: String
    package let status: Int
    package var detail: String
    /// Which parts of the request are wrong.
    package var errors: [Violation]?
    /// Seconds; also sent as `Retry-After`, and of use where the problem comes in a stream.
    package var retryAfter: Int?

    package struct Violation: Equatable, Encodable, Sendable {
        /// A JSON pointer as URI fragment, into the body: `#/message`.
        package var pointer: String?
        /// A query parameter or a field of the head.
        package var parameter: String?
        package let detail: String
    }

    package init(_ status: HTTPResponse.Status, _ detail: String, retryAfter: Int? = nil) {
        self.title = status.reasonPhrase
        self.status = status.code
        self.detail = detail
        self.retryAfter = retryAfter
    }

    /// 400 for one member of the body.
    static func invalid(_ member: String, _ detail: String) -> Problem {
        var problem = Problem(.badRequest, "\(member) \(detail)")
        problem.errors = [Violation(pointer: "#/\(member)", parameter: nil, detail: detail)]
        return problem
    }

    /// 400 for one query parameter or field of the head.
    static func invalid(parameter: String, _ detail: String) -> Problem {
        var problem = Problem(.badRequest, "\(parameter) \(detail)")
        problem.errors = [Violation(pointer: nil, parameter: parameter, detail: detail)]
        return problem
    }

    static var noSuchConversation: Problem { Problem(.notFound, "there is no such conversation") }

    var response: Response {
        var fields = HTTPFields()
        fields[.contentType] = "application/problem+json"
        if let retryAfter { fields[.retryAfter] = String(retryAfter) }
        let body = JSON.encode(self)
        return Response(status: .init(code: status), headers: fields, body: .init(byteBuffer: body))
    }
}
