import Dialects
import Foundation
import NIOCore
import Testing

@Suite struct ErrorBodyTests {
    private let refused = ErrorBody(
        status: 429,
        kind: .resourceExhausted,
        message: "Over the limit \"per-ip\":\n10/minute.",
        retryAfter: .milliseconds(12_345),
        quotaViolations: [.init(limit: "per-ip", value: 10)]
    )

    private func object(_ buffer: ByteBuffer) throws -> [String: Any] {
        let parsed = try JSONSerialization.jsonObject(with: Data(buffer.readableBytesView))
        return try #require(parsed as? [String: Any])
    }

    @Test("google-genai finds code, status, RetryInfo and QuotaFailure, and the error comes first")
    func gemini() throws {
        let buffer = refused.rendered(in: .gemini)
        #expect(String(buffer: buffer).hasPrefix("{\"error\":{\"code\":429,"))
        let error = try #require(object(buffer)["error"] as? [String: Any])
        #expect(error["message"] as? String == refused.message)
        #expect(error["status"] as? String == "RESOURCE_EXHAUSTED")
        let details = try #require(error["details"] as? [[String: Any]])
        #expect(
            details.map { $0["@type"] as? String } == [
                "type.googleapis.com/google.rpc.QuotaFailure", "type.googleapis.com/google.rpc.RetryInfo",
            ]
        )
        #expect(details[1]["retryDelay"] as? String == "12.345s")
        let violations = try #require(details[0]["violations"] as? [[String: String]])
        #expect(violations == [["quotaId": "per-ip", "quotaValue": "10"]])
    }

    @Test("Our own refusal reads like an upstream's", arguments: [1, 3])
    func ownRefusalIsReadable(count: Int) {
        var refused = refused
        refused.quotaViolations = (0..<count).map { .init(limit: "limit-\($0)", value: $0) }
        let read = UpstreamRefusal(body: refused.rendered(in: .gemini), retryAfter: nil, secondsSinceEpoch: 0)
        #expect(read.retryAfter == .milliseconds(12_345))
        #expect(read.violations.map(\.quotaID) == (0..<count).map { "limit-\($0)" })
        #expect(read.violations.map(\.quotaValue) == (0..<count).map { $0 })
    }

    @Test("Without a retry time or a limit there are no details")
    func noDetails() throws {
        let error = ErrorBody(status: 404, kind: .notFound, message: "no")
        #expect(
            String(buffer: error.rendered(in: .gemini))
                == #"{"error":{"code":404,"message":"no","status":"NOT_FOUND"}}"#
        )
    }

    @Test("openai finds an object with message, type, param and code")
    func openAI() throws {
        let error = try #require(object(refused.rendered(in: .openAI))["error"] as? [String: Any])
        #expect(Set(error.keys) == ["message", "type", "param", "code"])
        #expect(error["message"] as? String == refused.message)
        #expect(error["code"] as? String == "rate_limit_exceeded")
        #expect(error["param"] is NSNull)
    }

    @Test("pinecone finds error.code, error.message and status")
    func pinecone() throws {
        let body = try object(refused.rendered(in: .pinecone))
        #expect(body["status"] as? Int == 429)
        #expect(body["error"] as? [String: String] == ["code": "RESOURCE_EXHAUSTED", "message": refused.message])
    }

    @Test("Everyone else gets a problem document of RFC 9457")
    func problem() throws {
        let body = try object(refused.rendered(in: .problem))
        #expect(body["type"] as? String == "about:blank")
        #expect(body["title"] as? String == "Too Many Requests")
        #expect(body["status"] as? Int == 429)
        #expect(body["detail"] as? String == refused.message)
        #expect(String(describing: ErrorForm.problem.contentType) == "application/problem+json")
    }

    @Test("Every kind is valid JSON in every form", arguments: ErrorForm.allCases, ErrorBody.Kind.allCases)
    func everyKind(form: ErrorForm, kind: ErrorBody.Kind) throws {
        let error = ErrorBody(status: 503, kind: kind, message: "\u{0}\u{1F}\\\"\t\r\n\u{8} é 😀", retryAfter: .zero)
        let text = String(buffer: error.rendered(in: form))
        let body = try object(error.rendered(in: form))
        let message = (body["error"] as? [String: Any])?["message"] ?? body["detail"]
        #expect(message as? String == error.message, "\(text)")
    }

    @Test("A stream that has begun ends with the error in the form's own frame")
    func inStream() throws {
        let gemini = try #require(refused.renderedInStream(of: .gemini))
        #expect(gemini == refused.rendered(in: .gemini))
        let openAI = String(buffer: try #require(refused.renderedInStream(of: .openAI)))
        #expect(openAI == "data: \(String(buffer: refused.rendered(in: .openAI)))\n\n")
        let problem = String(buffer: try #require(refused.renderedInStream(of: .problem)))
        #expect(problem == "event: error\ndata: \(String(buffer: refused.rendered(in: .problem)))\n\n")
        #expect(refused.renderedInStream(of: .pinecone) == nil)
    }

    @Test("Heartbeats are what each form's SDK skips")
    func heartbeat() {
        func text(_ form: ErrorForm) -> String? {
            form.heartbeat(position: 12, wait: .milliseconds(8_249)).map { String(buffer: $0) }
        }
        #expect(text(.gemini) == "\r\n\r\n")
        #expect(text(.openAI) == ": queued position=12 wait=8.2\n\n")
        #expect(text(.problem) == ": queued position=12 wait=8.2\n\n")
        #expect(text(.pinecone) == nil)
    }

    @Test(
        "Path and upstream decide the form",
        arguments: [
            ("/v1beta/models/m:generateContent", Dialect.gemini, ErrorForm.gemini),
            ("/v1beta/openai/chat/completions", .gemini, .openAI),
            ("/proxy/v1/openai/models", .gemini, .openAI),
            ("/v1beta/openai/x", nil, .openAI),
            ("/v1beta/openai", nil, .gemini),
            ("/v1beta/notopenai/x", nil, .gemini),
            ("/pinecone/query", .pinecone, .pinecone),
            ("/chat", .http, .problem),
            ("/v1/x", .http, .problem),
            ("/v1/x", nil, .gemini),
            ("/v1", nil, .gemini),
            ("/v1alpha/x", nil, .gemini),
            ("/v12/x", nil, .problem),
            ("/", nil, .problem),
            ("", nil, .problem),
        ] as [(String, Dialect?, ErrorForm)]
    )
    func form(path: String, dialect: Dialect?, expected: ErrorForm) {
        #expect(ErrorForm.of(path: ByteBuffer(string: path).readableBytesView, upstreamDialect: dialect) == expected)
    }
}
