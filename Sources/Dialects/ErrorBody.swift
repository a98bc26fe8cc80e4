package import NIOCore

/// An error that the gateway itself answers with, before it has a form.
package struct ErrorBody: Sendable, Equatable {
    /// The canonical codes of `google.rpc.Code` that the gateway uses; every form derives its own word from them.
    package enum Kind: String, Sendable, Equatable, CaseIterable {
        case invalidArgument = "INVALID_ARGUMENT"
        case failedPrecondition = "FAILED_PRECONDITION"
        case unauthenticated = "UNAUTHENTICATED"
        case permissionDenied = "PERMISSION_DENIED"
        case notFound = "NOT_FOUND"
        case resourceExhausted = "RESOURCE_EXHAUSTED"
        case cancelled = "CANCELLED"
        case unimplemented = "UNIMPLEMENTED"
        case unavailable = "UNAVAILABLE"
        case deadlineExceeded = "DEADLINE_EXCEEDED"
        case internalError = "INTERNAL"
    }

    /// One limit that a call was over.
    package struct QuotaViolation: Sendable, Equatable {
        /// The name that the configuration gives it.
        package var limit: String
        /// How many it lets pass at once.
        package var value: Int?

        package init(limit: String, value: Int? = nil) {
            self.limit = limit
            self.value = value
        }
    }

    /// The HTTP status.
    package var status: Int
    package var kind: Kind
    /// One sentence that names what to change.
    package var message: String
    /// When the same call may succeed; rendered where the form has a place for it.
    package var retryAfter: Duration?
    package var quotaViolations: [QuotaViolation]

    package init(
        status: Int,
        kind: Kind,
        message: String,
        retryAfter: Duration? = nil,
        quotaViolations: [QuotaViolation] = []
    ) {
        self.status = status
        self.kind = kind
        self.message = message
        self.retryAfter = retryAfter
        self.quotaViolations = quotaViolations
    }

    /// The whole body of an error response. Its content type is `form.contentType`.
    package func rendered(in form: ErrorForm) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: 192 + message.utf8.count + 96 * quotaViolations.count)
        write(in: form, into: &buffer)
        return buffer
    }

    /// The error as the last words of a stream that has begun, after which the connection closes without a
    /// terminator of the stream; `nil`: the form has none, cut the stream.
    ///
    /// Native Gemini gets the bare object, to be passed on in a write of its own: its JavaScript SDK looks for an
    /// error only at the start of what one read returned.
    package func renderedInStream(of form: ErrorForm) -> ByteBuffer? {
        var buffer = ByteBufferAllocator().buffer(capacity: 256 + message.utf8.count)
        switch form {
        case .gemini:
            write(in: form, into: &buffer)
        case .openAI:
            buffer.writeStaticString("data: ")
            write(in: form, into: &buffer)
            buffer.writeStaticString("\n\n")
        case .problem:
            buffer.writeStaticString("event: error\ndata: ")
            write(in: form, into: &buffer)
            buffer.writeStaticString("\n\n")
        case .pinecone:
            return nil
        }
        return buffer
    }

    private func write(in form: ErrorForm, into buffer: inout ByteBuffer) {
        switch form {
        case .gemini: writeGemini(into: &buffer)
        case .openAI: writeOpenAI(into: &buffer)
        case .pinecone: writePinecone(into: &buffer)
        case .problem: writeProblem(into: &buffer)
        }
    }

    /// `error` comes first and `code` is a number: the Python SDK recognises an error in a stream by both.
    private func writeGemini(into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"error\":{\"code\":")
        buffer.writeString(String(status))
        buffer.writeStaticString(",\"message\":")
        buffer.writeJSON(message)
        buffer.writeStaticString(",\"status\":\"")
        buffer.writeString(kind.rawValue)
        buffer.writeStaticString("\"")
        if retryAfter != nil || !quotaViolations.isEmpty {
            buffer.writeStaticString(",\"details\":[")
            if !quotaViolations.isEmpty {
                writeQuotaFailure(into: &buffer)
                if retryAfter != nil { buffer.writeStaticString(",") }
            }
            if let retryAfter {
                buffer.writeStaticString("{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"")
                buffer.writeString(ProtobufDuration.text(retryAfter))
                buffer.writeStaticString("\"}")
            }
            buffer.writeStaticString("]")
        }
        buffer.writeStaticString("}}")
    }

    private func writeQuotaFailure(into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\",\"violations\":[")
        for (index, violation) in quotaViolations.enumerated() {
            buffer.writeStaticString(index == 0 ? "{\"quotaId\":" : ",{\"quotaId\":")
            buffer.writeJSON(violation.limit)
            if let value = violation.value {
                buffer.writeStaticString(",\"quotaValue\":\"")
                buffer.writeString(String(value))
                buffer.writeStaticString("\"")
            }
            buffer.writeStaticString("}")
        }
        buffer.writeStaticString("]}")
    }

    private func writeOpenAI(into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"error\":{\"message\":")
        buffer.writeJSON(message)
        buffer.writeStaticString(",\"type\":\"")
        buffer.writeStaticString(openAIType)
        buffer.writeStaticString("\",\"param\":null,\"code\":\"")
        buffer.writeStaticString(openAICode)
        buffer.writeStaticString("\"}}")
    }

    private func writePinecone(into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"error\":{\"code\":\"")
        buffer.writeString(kind.rawValue)
        buffer.writeStaticString("\",\"message\":")
        buffer.writeJSON(message)
        buffer.writeStaticString("},\"status\":")
        buffer.writeString(String(status))
        buffer.writeStaticString("}")
    }

    private func writeProblem(into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"type\":\"about:blank\",\"title\":")
        buffer.writeJSON(StatusTitle.of(status))
        buffer.writeStaticString(",\"status\":")
        buffer.writeString(String(status))
        buffer.writeStaticString(",\"detail\":")
        buffer.writeJSON(message)
        buffer.writeStaticString("}")
    }

    private var openAIType: StaticString {
        switch kind {
        case .resourceExhausted: "requests"
        case .unauthenticated: "authentication_error"
        case .permissionDenied: "permission_error"
        case .invalidArgument, .failedPrecondition, .notFound, .unimplemented: "invalid_request_error"
        case .unavailable, .deadlineExceeded, .internalError, .cancelled: "server_error"
        }
    }

    private var openAICode: StaticString {
        switch kind {
        case .resourceExhausted: "rate_limit_exceeded"
        case .unauthenticated: "invalid_api_key"
        case .permissionDenied: "permission_denied"
        case .invalidArgument: "invalid_request"
        case .failedPrecondition: "failed_precondition"
        case .notFound: "not_found"
        case .unimplemented: "unsupported"
        case .unavailable: "unavailable"
        case .deadlineExceeded: "timeout"
        case .internalError: "internal_error"
        case .cancelled: "cancelled"
        }
    }
}

extension ErrorBody.Kind {
    /// The code that a status stands for (google.rpc.Code's own mapping, read the other way).
    package static func of(status: Int) -> ErrorBody.Kind {
        switch status {
        case 401: .unauthenticated
        case 403: .permissionDenied
        case 404: .notFound
        case 429: .resourceExhausted
        case 499: .cancelled
        case 501: .unimplemented
        case 503: .unavailable
        case 504, 408: .deadlineExceeded
        case 400..<500: .invalidArgument
        case 500: .internalError
        default: .unavailable
        }
    }
}
