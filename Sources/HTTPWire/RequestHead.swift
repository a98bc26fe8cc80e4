package import NIOCore

/// How long a request's body is (RFC 9112, 6.3).
package enum BodyLength: Equatable, Sendable {
    /// Neither Content-Length nor Transfer-Encoding was sent.
    case none
    /// Bytes, by Content-Length; may be 0.
    case fixed(Int)
    case chunked
}

/// Request line and fields, as ranges over the bytes they came in. Copying it copies no bytes.
package struct RequestHead {
    /// The fields; their buffer holds the request line too.
    package let fields: FieldBlock
    package let body: BodyLength
    /// The client waits for "100 Continue" before it sends the body.
    package let expectsContinue: Bool
    /// Whether the client would use the connection again.
    package let keepsAlive: Bool
    private let line: RequestLine

    init(line: RequestLine, fields: FieldBlock, framing: RequestFraming) {
        self.line = line
        self.fields = fields
        body = framing.body
        expectsContinue = framing.expectsContinue
        keepsAlive = framing.keepsAlive
    }

    package var method: RequestMethod { line.method }

    /// The digit after `HTTP/1.`; above 1 the request is treated as 1.1.
    package var minorVersion: Int { line.minorVersion }

    /// The request target as it came.
    package var target: ByteBufferView { view(line.target) }

    /// The target without scheme, authority and query, as it came; begins with a slash, or is `*`.
    package var path: ByteBufferView { view(line.path) }

    /// What follows the first "?", without it; nil where there is none.
    package var query: ByteBufferView? { line.query.map(view) }

    /// Host and port that the request is for: of an absolute target, else of the Host field (RFC 9112, 3.2.2).
    package var authority: ByteBufferView? { line.authority.map(view) ?? fields.first(.host) }

    private func view(_ range: HeadRange) -> ByteBufferView {
        let buffer = fields.buffer
        guard let view = buffer.viewBytes(at: buffer.readerIndex + Int(range.offset), length: Int(range.length)) else {
            preconditionFailure("a part of the request line lies outside its head")
        }
        return view
    }
}
