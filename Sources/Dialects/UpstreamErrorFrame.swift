package import NIOCore

/// An upstream's own error as the last words of a stream that a heartbeat began: the 200 is out, so that its status and
/// fields can no longer be passed on, but its words can.
package enum UpstreamErrorFrame {
    /// So much of an error's body is looked at and passed on, in bytes.
    package static let bodyLimit = 64 << 10
    /// Of a text that is no error object, in bytes.
    private static let quoteLimit = 1000

    /// - Parameters:
    ///   - status: that the upstream answered with.
    ///   - body: its body, complete and without content coding; `nil`: it cannot be read.
    /// - Returns: `nil` where the form has no place for an error in a stream: cut it.
    package static func make(status: Int, body: ByteBuffer?, in form: ErrorForm) -> ByteBuffer? {
        let object = body.flatMap { errorObject(in: $0) }
        switch (form, object) {
        case (.gemini, let object?):
            return object
        case (.openAI, let object?):
            return frame("data: ", object)
        case (.problem, _):
            // Its upstream speaks a dialect of its own; any text on one line is fit for an event.
            guard let text = body.flatMap({ quotable($0, limit: bodyLimit) }), !text.isEmpty else { break }
            return frame("event: error\ndata: ", ByteBuffer(string: text))
        default: break
        }
        let quote = body.flatMap { quotable($0, limit: quoteLimit) }
        let told = "the upstream answered \(status)" + (quote.map { $0.isEmpty ? "" : ": \($0)" } ?? "")
        // A success that does not fit the stream is an error here all the same.
        let code = status < 400 ? 502 : status
        return ErrorBody(status: code, kind: .of(status: code), message: told).renderedInStream(of: form)
    }

    /// `{"error":{…` as it came, on one line, out of the one-element array too in which OpenAI-compatible paths wrap it.
    ///
    /// - Returns: `nil` for anything else, or what is not complete.
    static func errorObject(in body: ByteBuffer) -> ByteBuffer? {
        let bytes = body.readableBytesUInt8Span
        var lexer = JSONLexer()
        lexer.captures = true
        var index = 0
        var depth = 0
        var start: Int?
        var end: Int?
        var keys = 0
        while index < bytes.count, let token = lexer.next(in: bytes, from: &index) {
            switch token {
            case .beginArray where start == nil && depth == 0: continue
            case .endArray where depth == 0: continue
            case .beginObject, .beginArray:
                // A second value beside the error is none that this knows.
                if depth == 0, end != nil || token == .beginArray { return nil }
                if depth == 0 { start = index - 1 }
                // The SDKs look for an object behind the first key.
                if depth == 1, keys == 1, token == .beginArray { return nil }
                depth += 1
            case .endObject, .endArray:
                depth -= 1
                if depth < 0 { return nil }
                if depth == 0 { end = index }
            case .string where depth == 1 && keys == 0:
                guard lexer.textEquals("error") else { return nil }
                keys = 1
            case .scalar where depth == 1 && keys == 1, .string where depth == 1 && keys == 1: return nil
            case .colon, .comma, .string, .scalar: if depth == 0 { return nil }
            case .invalid: return nil
            }
            if depth == 2 { keys = max(keys, 2) }
        }
        guard depth == 0, keys == 2, let start, let end,
            let object = body.getSlice(at: body.readerIndex + start, length: end - start)
        else { return nil }
        return onOneLine(object)
    }

    /// Line ends are white space in JSON, which no string holds as they are.
    private static func onOneLine(_ object: ByteBuffer) -> ByteBuffer {
        guard object.readableBytesView.contains(where: { $0 == 10 || $0 == 13 }) else { return object }
        return ByteBuffer(bytes: object.readableBytesView.lazy.map { $0 == 10 || $0 == 13 ? 32 : $0 })
    }

    private static func frame(_ prefix: StaticString, _ text: ByteBuffer) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: text.readableBytes + 32)
        buffer.writeStaticString(prefix)
        buffer.writeImmutableBuffer(text)
        buffer.writeStaticString("\n\n")
        return buffer
    }

    /// What people can read of a body, on one line; a page of HTML is nothing to quote.
    private static func quotable(_ body: ByteBuffer, limit: Int) -> String? {
        guard body.readableBytes <= limit,
            let text = try? body.getUTF8ValidatedString(
                at: body.readerIndex,
                length: body.readableBytes
            )
        else { return nil }
        let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
        let printable = line.unicodeScalars.allSatisfy { $0.value >= 0x20 || $0 == "\t" }
        return printable && !line.hasPrefix("<") ? line : nil
    }
}
