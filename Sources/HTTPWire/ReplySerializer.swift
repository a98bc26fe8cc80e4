package import NIOCore

/// What the body of a reply is, as its sender knows it.
package enum ReplyBody: Equatable, Sendable {
    case none
    /// Bytes. For HEAD, what GET would have: none are sent.
    case fixed(Int)
    /// Not known: chunked on HTTP/1.1, until the connection's close on 1.0.
    case stream
}

/// How the end of a reply's body shows (RFC 9112, 6).
package enum ReplyFraming: Equatable, Sendable {
    /// No body is sent, whatever the fields say: HEAD, 204, 304.
    case empty
    case fixed(remaining: Int)
    case chunked
    case untilClose

    /// - Parameters:
    ///   - isHead: whether the request's method was HEAD.
    ///   - minorVersion: the request's.
    package init(status: Int, body: ReplyBody, isHead: Bool, minorVersion: Int) {
        if isHead || status == 204 || status == 304 {
            self = .empty
            return
        }
        switch body {
        case .none: self = .fixed(remaining: 0)
        case .fixed(let length): self = .fixed(remaining: length)
        case .stream: self = minorVersion > 0 ? .chunked : .untilClose
        }
    }
}

/// Writes replies in HTTP/1 wire form (RFC 9112, 4 and 7). Does no I/O.
package struct ReplySerializer {
    /// A copied chunk costs less than the two writes it saves up to about here.
    private static let copiedChunk = 1024

    static let `continue` = ByteBuffer(staticString: "HTTP/1.1 100 Continue\r\n\r\n")
    static let chunkEnd = ByteBuffer(staticString: "\r\n")
    static let lastChunk = ByteBuffer(staticString: "0\r\n\r\n")

    private let date: DateField

    package init(date: DateField) {
        self.date = date
    }

    /// Completes a head in place: status line before the fields; Date, framing and Connection behind them.
    /// - Parameters:
    ///   - fields: its buffer is copied only if another reference to it is kept.
    ///   - framing: of this reply; `body` gives the Content-Length of a reply to HEAD.
    package func head(
        status: Int,
        fields: consuming ReplyFields,
        body: ReplyBody,
        framing: ReplyFraming,
        minorVersion: Int,
        keepsAlive: Bool
    ) -> ByteBuffer {
        let hasDate = fields.hasDate
        var buffer = fields.buffer
        fields = ReplyFields(taking: ByteBuffer())
        Self.prependStatusLine(status, to: &buffer)
        if !hasDate { buffer.writeImmutableBuffer(date.line) }
        // A 204 has no length; a 304's would be that of the 200 (RFC 9110, 8.6).
        let describesBody = status != 204 && status != 304
        switch (framing, body) {
        case (.chunked, _): buffer.writeText("Transfer-Encoding: chunked\r\n")
        case (.fixed(let length), _): Self.writeLength(length, to: &buffer)
        case (.empty, .fixed(let length)) where describesBody: Self.writeLength(length, to: &buffer)
        case (.empty, .stream) where describesBody && minorVersion > 0:
            buffer.writeText("Transfer-Encoding: chunked\r\n")
        default: break
        }
        if !keepsAlive {
            buffer.writeText("Connection: close\r\n\r\n")
        } else if minorVersion == 0 {
            buffer.writeText("Connection: keep-alive\r\n\r\n")
        } else {
            buffer.writeText("\r\n")
        }
        return buffer
    }

    /// Frames one chunk: small ones as one buffer, for large ones a line, to be followed by the bytes and `chunkEnd`.
    /// - Parameter bytes: not empty: an empty chunk would end the body.
    func chunk(_ bytes: ByteBuffer) -> (line: ByteBuffer, isWhole: Bool) {
        let length = bytes.readableBytes
        let isWhole = length <= Self.copiedChunk
        var buffer = ByteBufferAllocator().buffer(capacity: isWhole ? length + 20 : 20)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 18) { target in
            var digits = (Int.bitWidth - length.leadingZeroBitCount + 3) / 4
            let count = digits
            var rest = length
            while digits > 0 {
                digits -= 1
                let digit = UInt8(truncatingIfNeeded: rest & 0xF)
                target[digits] = digit < 10 ? 0x30 + digit : 0x57 + digit
                rest >>= 4
            }
            target[count] = ByteClass.carriageReturn
            target[count + 1] = ByteClass.lineFeed
            return count + 2
        }
        if isWhole {
            buffer.writeImmutableBuffer(bytes)
            buffer.writeInteger(0x0D0A as UInt16)
        }
        return (buffer, isWhole)
    }

    private static func prependStatusLine(_ status: Int, to buffer: inout ByteBuffer) {
        guard let line = StatusLine.known(status) else {
            prepend(ByteBuffer(string: "HTTP/1.1 \(status) \r\n"), to: &buffer)
            return
        }
        let start = buffer.readerIndex - line.utf8CodeUnitCount
        guard start >= 0 else {
            prepend(ByteBuffer(staticString: line), to: &buffer)
            return
        }
        _ = buffer.setStaticString(line, at: start)
        buffer.moveReaderIndex(to: start)
    }

    /// For fields whose buffer has no room in front.
    private static func prepend(_ line: ByteBuffer, to buffer: inout ByteBuffer) {
        var joined = ByteBufferAllocator().buffer(capacity: line.readableBytes + buffer.readableBytes + 128)
        joined.writeImmutableBuffer(line)
        joined.writeImmutableBuffer(buffer)
        buffer = joined
    }

    private static func writeLength(_ length: Int, to buffer: inout ByteBuffer) {
        buffer.writeText("Content-Length: ")
        buffer.writeDecimal(length)
        buffer.writeText("\r\n")
    }
}
