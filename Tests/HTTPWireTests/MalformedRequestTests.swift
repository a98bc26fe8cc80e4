import HTTPWire
import NIOCore
import Testing

@Suite struct MalformedRequestTests {
    static let heads: [(String, WireError)] = [
        // Request line.
        ("GET\r\n", .malformedRequestLine),
        ("GET /\r\n\r\n", .malformedRequestLine),
        (" GET / HTTP/1.1\r\n", .malformedRequestLine),
        ("GET  / HTTP/1.1\r\n", .malformedRequestLine),
        ("GET /  HTTP/1.1\r\n", .malformedVersion),
        ("GET / HTTP/1.1 \r\n", .malformedVersion),
        ("GET / HTTP/1.1x\r\n", .malformedVersion),
        ("GET / http/1.1\r\n", .malformedVersion),
        ("GET / HTTP/11\r\n\r\n", .malformedVersion),
        ("GET /a b HTTP/1.1\r\n", .malformedVersion),
        ("GET / HTTP/2.0\r\n\r\n", .versionNotSupported),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .versionNotSupported),
        ("GET / HTTP/0.9\r\n\r\n", .versionNotSupported),
        ("G(T / HTTP/1.1\r\n", .malformedMethod),
        ("G\u{0}T / HTTP/1.1\r\n", .malformedMethod),
        ("\u{16}\u{3}\u{1}\u{2}", .tlsOnPlaintextPort),
        ("GET\t/ HTTP/1.1\r\n", .malformedMethod),
        ("GET /\u{1} HTTP/1.1\r\n", .invalidTarget),
        ("GET /\u{7F} HTTP/1.1\r\n", .invalidTarget),
        ("GET /ä HTTP/1.1\r\n", .invalidTarget),
        ("GET /#a HTTP/1.1\r\n", .invalidTarget),
        ("GET a HTTP/1.1\r\n", .invalidTarget),
        ("GET * HTTP/1.1\r\n", .invalidTarget),
        ("GET ftp://a/ HTTP/1.1\r\n", .invalidTarget),
        ("GET http:/// HTTP/1.1\r\n", .invalidTarget),
        ("GET http://u@a/ HTTP/1.1\r\n", .invalidTarget),
        ("CONNECT a:443 HTTP/1.1\r\n", .connectNotOffered),
        ("GET / HTTP/1.1\n", .bareLineFeed),
        ("GET / HTTP/1.1\rX", .bareCarriageReturn),
        ("\nGET / HTTP/1.1\r\n", .malformedRequestLine),
        ("\r\n\r\nGET / HTTP/1.1\r\n", .malformedRequestLine),
        // Fields.
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", .bareLineFeed),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", .bareLineFeed),
        ("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", .bareCarriageReturn),
        ("GET / HTTP/1.1\r\nHost: a\r\n\rX", .bareCarriageReturn),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", .foldedField),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", .foldedField),
        ("GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", .foldedField),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", .spaceBeforeColon),
        ("GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", .spaceBeforeColon),
        ("GET / HTTP/1.1\r\nHost\r\n\r\n", .missingColon),
        ("GET / HTTP/1.1\r\n: a\r\n\r\n", .malformedFieldName),
        ("GET / HTTP/1.1\r\nH(st: a\r\n\r\n", .malformedFieldName),
        ("GET / HTTP/1.1\r\nHöst: a\r\n\r\n", .malformedFieldName),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: \u{0}\r\n\r\n", .controlInFieldValue),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: 12345678\u{B}\r\n\r\n", .controlInFieldValue),
        ("GET / HTTP/1.1\r\nHost: a\r\nA: \u{7F}\r\n\r\n", .controlInFieldValue),
        // Host.
        ("GET / HTTP/1.1\r\n\r\n", .missingHost),
        ("GET http://a/ HTTP/1.1\r\n\r\n", .missingHost),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", .repeatedHost),
        ("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", .repeatedHost),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", .invalidHost),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", .invalidHost),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", .invalidHost),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", .expectationNotSupported),
    ]

    /// Two readers that disagree on where a body ends are how requests are smuggled.
    static let framings: [(String, WireError)] = [
        ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", .lengthAndCoding),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", .lengthAndCoding),
        ("Content-Length: 3\r\nContent-Length: 4\r\n", .repeatedContentLength),
        ("Content-Length: 3\r\ncontent-length: 3\r\n", .repeatedContentLength),
        ("Content-Length: 3, 3\r\n", .invalidContentLength),
        ("Content-Length: \r\n", .invalidContentLength),
        ("Content-Length: +3\r\n", .invalidContentLength),
        ("Content-Length: -3\r\n", .invalidContentLength),
        ("Content-Length: 0x3\r\n", .invalidContentLength),
        ("Content-Length: 3 4\r\n", .invalidContentLength),
        ("Content-Length: 3.0\r\n", .invalidContentLength),
        ("Content-Length: 9223372036854775808\r\n", .contentLengthTooLarge),
        ("Content-Length: 99999999999999999999999\r\n", .contentLengthTooLarge),
        ("Transfer-Encoding: gzip\r\n", .finalCodingNotChunked),
        ("Transfer-Encoding: identity\r\n", .finalCodingNotChunked),
        ("Transfer-Encoding: xchunked\r\n", .finalCodingNotChunked),
        ("Transfer-Encoding: \"chunked\"\r\n", .finalCodingNotChunked),
        ("Transfer-Encoding: chunked;q=1\r\n", .finalCodingNotChunked),
        ("Transfer-Encoding: \r\n", .finalCodingNotChunked),
        ("Transfer-Encoding: chunked, gzip\r\n", .finalCodingNotChunked),
        ("Transfer-Encoding: chunked, chunked\r\n", .finalCodingNotChunked),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", .finalCodingNotChunked),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", .finalCodingNotChunked),
        ("Transfer-Encoding: gzip, chunked\r\n", .transferCodingNotSupported),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", .transferCodingNotSupported),
        ("Transfer-Encoding : chunked\r\n", .spaceBeforeColon),
        ("Transfer-Encoding:\u{B}chunked\r\n", .controlInFieldValue),
        ("Transfer-Encoding:\r\n chunked\r\n", .foldedField),
        ("Transfer_Encoding: chunked\r\nX: \rContent-Length: 3\r\n", .bareCarriageReturn),
    ]

    @Test("A malformed head is refused for what is wrong with it", arguments: heads)
    func head(text: String, error: WireError) {
        #expect(throws: error) { try parseHead(text) }
    }

    @Test("Whatever could be framed in two ways is refused", arguments: framings)
    func framing(fields: String, error: WireError) {
        #expect(throws: error) { try parseHead("POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\nabc") }
    }

    @Test(
        "A malformed head is refused for the same reason when it comes byte by byte",
        arguments: heads
            + framings.map {
                ("POST / HTTP/1.1\r\nHost: a\r\n\($0.0)\r\n", $0.1)
            }
    )
    func bytewise(text: String, error: WireError) {
        // A head whose end has not come may be told malformed only then.
        let whole = text.hasSuffix("\r\n\r\n") ? text : text + "\r\n\r\n"
        #expect(throws: error) {
            var parser = RequestParser(limits: WireLimits())
            var received = ByteBuffer()
            for byte in whole.utf8 {
                received.writeInteger(byte)
                _ = try parser.nextHead(&received)
            }
        }
    }

    @Test("HTTP/1.0 with a transfer coding is refused")
    func codingBeforeHTTP11() {
        #expect(throws: WireError.transferCodingBeforeHTTP11) {
            try parseHead("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")
        }
    }

    @Test("A head above the limit is refused, whole or not", arguments: ["\r\n\r\n", "\r\n", ""])
    func tooLarge(end: String) {
        let padding = String(repeating: "a", count: 200)
        #expect(throws: WireError.headerTooLarge(limit: 128)) {
            var parser = RequestParser(limits: WireLimits(maxHeader: 128))
            var received = ByteBuffer(string: "GET / HTTP/1.1\r\nHost: a\r\nX: \(padding)\(end)")
            _ = try parser.nextHead(&received)
        }
    }

    @Test("A head as large as the limit is taken")
    func atTheLimit() throws {
        let text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        var parser = RequestParser(limits: WireLimits(maxHeader: text.utf8.count))
        var received = ByteBuffer(string: text)
        let head = try parser.nextHead(&received)
        #expect(head != nil)
    }

    @Test("Bare line feeds that come in pieces are refused at the empty line")
    func bareLineFeedsInPieces() {
        var parser = RequestParser(limits: WireLimits())
        var received = ByteBuffer(string: "GET / HT")
        #expect(throws: WireError.bareLineFeed) {
            _ = try parser.nextHead(&received)
            received.writeString("TP/1.1\nHost: a\n\n")
            _ = try parser.nextHead(&received)
        }
    }

    @Test("Every error has a status and a sentence", arguments: heads.map(\.1) + framings.map(\.1))
    func described(error: WireError) {
        #expect([400, 408, 413, 417, 431, 501, 505].contains(error.status))
        #expect(error.sentence.hasSuffix(".") && error.sentence.count > 20)
    }

    @Test(
        "The target is known as far as it came",
        arguments: [
            ("GET /v1beta/models HTTP/2.0\r\n", "/v1beta/models"), ("GET /v1", "/v1"), ("GET ", nil), ("GET", nil),
            ("GET\r\nHost: a b", nil),
        ]
    )
    func partialTarget(text line: String, target: String?) {
        #expect(text(RequestParser.partialTarget(in: ByteBuffer(string: line))) == target)
    }
}

@discardableResult
func parseHead(_ text: String) throws -> RequestHead? {
    var parser = RequestParser(limits: WireLimits())
    var received = ByteBuffer(string: text)
    return try parser.nextHead(&received)
}
