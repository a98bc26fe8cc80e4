internal import Dialects
package import HTTPWire
package import NIOCore

/// The answer to bytes that are no HTTP request, sent before the connection closes.
package enum MalformedAnswer {
    package static func make(
        _ error: WireError,
        target: ByteBufferView?
    ) -> (status: Int, fields: ReplyFields, body: ByteBuffer) {
        let path = target.map { $0.prefix { $0 != UInt8(ascii: "?") } }
        let form = path.map { ErrorForm.of(path: $0, upstreamDialect: nil) } ?? .problem
        var fields = ReplyFields(capacity: 128)
        fields.add("content-type", form.contentType)
        fields.add("via", "1.1 sluice")
        let kind: ErrorBody.Kind =
            switch error.status {
            case 408: .deadlineExceeded
            case 501: .unimplemented
            default: .invalidArgument
            }
        let body = ErrorBody(status: error.status, kind: kind, message: error.sentence).rendered(in: form)
        return (error.status, fields, body)
    }
}
