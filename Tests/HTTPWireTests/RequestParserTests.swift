import HTTPWire
import NIOCore
import TestSupport
import Testing

@Suite struct RequestParserTests {
    @Test("A request's parts are found where they stand")
    func parts() throws {
        let head = try #require(
            try parseHead(
                "POST /v1beta/models/a:generateContent?alt=sse&x=? HTTP/1.1\r\nhOsT: gw:8080\r\nX-Goog-Api-Key:k\r\n"
                    + "X-Odd:\t a b \t\r\nContent-Length: 5\r\n\r\nhello"
            )
        )
        #expect(head.method == .post)
        #expect(text(head.target) == "/v1beta/models/a:generateContent?alt=sse&x=?")
        #expect(text(head.path) == "/v1beta/models/a:generateContent")
        #expect(text(head.query) == "alt=sse&x=?")
        #expect(text(head.authority) == "gw:8080")
        #expect(head.minorVersion == 1)
        #expect(head.body == .fixed(5))
        #expect(head.keepsAlive)
        #expect(head.fields.count == 4)
        #expect(text(head.fields.first(.xGoogApiKey)) == "k")
        #expect(head.fields.string(named: "x-odd") == "a b")
        #expect(!head.fields.contains(.authorization))
        #expect(head.fields.first(.cookie) == nil)
    }

    @Test(
        "A target may be absolute, and then names the host",
        arguments: [
            ("http://a.example/b?c", "/b", "c", "a.example"), ("HTTP://a:80", "/", nil, "a:80"),
            ("https://[::1]:443?q", "/", "q", "[::1]:443"),
        ]
    )
    func absoluteTarget(target: String, path: String, query: String?, authority: String) throws {
        let head = try #require(try parseHead("GET \(target) HTTP/1.1\r\nHost: other\r\n\r\n"))
        #expect(text(head.path) == path)
        #expect(text(head.query) == query)
        #expect(text(head.authority) == authority)
    }

    @Test(
        "Methods are told apart by case and length",
        arguments: [
            ("GET", RequestMethod.get), ("HEAD", .head), ("POST", .post), ("PUT", .put), ("DELETE", .delete),
            ("PATCH", .patch), ("TRACE", .trace), ("OPTIONS", .options), ("get", .other("get")),
            ("GETS", .other("GETS")),
            ("PROPPATCH", .other("PROPPATCH")),
        ]
    )
    func method(name: String, method: RequestMethod) throws {
        let head = try #require(try parseHead("\(name) / HTTP/1.1\r\nHost: a\r\n\r\n"))
        #expect(head.method == method)
        #expect(head.method.name == name)
    }

    @Test(
        "A connection is kept as its version and fields say",
        arguments: [
            ("1.1", "", true), ("1.1", "Connection: close\r\n", false), ("1.1", "Connection: x, Close\r\n", false),
            ("1.0", "", false), ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false), ("1.2", "", true),
        ]
    )
    func keepsAlive(version: String, field: String, expected: Bool) throws {
        let head = try #require(try parseHead("GET / HTTP/\(version)\r\nHost: a\r\n\(field)\r\n"))
        #expect(head.keepsAlive == expected)
    }

    @Test("Requests sent ahead are taken one by one, an empty line between them is skipped")
    func pipelined() throws {
        var parser = RequestParser(limits: WireLimits())
        var received = ByteBuffer(
            string: "\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\n"
                + "Transfer-Encoding: Chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nTrailer: x\r\n\r\nGET /3 HTTP/1.0\r\n\r\n"
        )
        let first = try #require(try parser.nextHead(&received))
        let firstEnd = try parser.nextBody(&received)
        let second = try #require(try parser.nextHead(&received))
        let bytes = try parser.nextBody(&received)
        let secondEnd = try parser.nextBody(&received)
        let third = try #require(try parser.nextHead(&received))
        #expect(text(first.path) == "/1")
        #expect(firstEnd == .end)
        #expect(second.body == .chunked)
        #expect(bytes == .bytes(ByteBuffer(string: "hello")))
        #expect(secondEnd == .end)
        #expect(text(third.path) == "/3")
        // The ranges of an earlier head stay its own though their storage is used again.
        #expect(text(first.fields.first(.host)) == "a")
        #expect(received.readableBytes == 0)
    }

    @Test("However requests are cut into pieces, the same is parsed", arguments: 0..<60)
    func randomPieces(seed: Int) throws {
        let stream =
            "POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\nUser-Agent: x y\tz\r\n\r\nhello world"
            + "\r\nGET /c HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n"
            + "PUT /d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "3\r\nabc\r\n0A ;e=\"f\"\r\n0123456789\r\n000\r\nX-Sum: 1\r\nY: 2\r\n\r\n"
            + "DELETE /e HTTP/1.0\r\n\r\n"
        var random = SeededGenerator(seed: seed)
        var parser = RequestParser(limits: WireLimits())
        var received = ByteBuffer()
        var rest = Array(stream.utf8)[...]
        var seen: [String] = []
        var body: String?
        var buffersHeld: [RequestHead] = []
        while true {
            if body == nil, let head = try parser.nextHead(&received) {
                seen.append("\(head.method.name) \(text(head.target) ?? "") \(head.fields.string(.host) ?? "-")")
                if seed % 2 == 0 { buffersHeld.append(head) }
                body = ""
            }
            if let soFar = body {
                switch try parser.nextBody(&received) {
                case .bytes(let bytes):
                    body = soFar + String(buffer: bytes)
                    continue
                case .end:
                    seen.append(soFar)
                    body = nil
                    continue
                case .incomplete: break
                }
            }
            guard !rest.isEmpty else { break }
            let piece = rest.prefix(Int(random.next() % (seed < 10 ? 3 : 90)) + 1)
            received.writeBytes(piece)
            rest = rest.dropFirst(piece.count)
        }
        let expected = ["POST /a?b h", "hello world", "GET /c h", "", "PUT /d h", "abc0123456789", "DELETE /e -", ""]
        #expect(seen == expected)
    }

    @Test(
        "A malformed chunked body is refused for what is wrong with it",
        arguments: [
            ("g\r\n", WireError.invalidChunkSize), ("\r\n", .invalidChunkSize), ("-1\r\n", .invalidChunkSize),
            ("0x5\r\nhello", .invalidChunkSize), ("5 \r\nhello", .invalidChunkSize), (" 5\r\nhello", .invalidChunkSize),
            ("+5\r\nhello", .invalidChunkSize), ("5,\r\nhello", .invalidChunkSize),
            ("11111111111111111\r\n", .invalidChunkSize), ("8000000000000000\r\n", .invalidChunkSize),
            ("FFFFFFFFFFFFFFFFF\r\n", .invalidChunkSize), ("5\nhello", .bareLineFeed),
            ("5\rhello", .bareCarriageReturn),
            ("5;a\nhello", .bareLineFeed), ("5;a\u{0}\r\n", .malformedChunkExtension),
            ("5;\(String(repeating: "a", count: 300))", .malformedChunkExtension),
            ("5\r\nhelloX", .missingChunkEnd), ("5\r\nhello\n", .missingChunkEnd), ("5\r\nhello\rX", .missingChunkEnd),
            ("0\r\n a: b\r\n\r\n", .foldedField), ("0\r\na : b\r\n\r\n", .spaceBeforeColon),
            ("0\r\na\r\n\r\n", .missingColon), ("0\r\na: b\n\r\n", .bareLineFeed), ("0\r\n\n", .bareLineFeed),
            ("0\r\nA: \(String(repeating: "a", count: 2_000))\r\n\r\n", .trailerTooLarge(limit: 1_024)),
            ("0\r\nA: \(String(repeating: "a", count: 2_000))", .trailerTooLarge(limit: 1_024)),
            ("0\r\n\(String(repeating: "A: b\r\n", count: 400))", .trailerTooLarge(limit: 1_024)),
        ]
    )
    func malformedChunks(body: String, error: WireError) throws {
        var parser = RequestParser(limits: WireLimits(maxHeader: 1_024))
        var received = ByteBuffer(string: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(body)")
        _ = try parser.nextHead(&received)
        #expect(throws: error) {
            while try parser.nextBody(&received) != .incomplete {}
        }
    }

    @Test(
        "A client that waits for 100 Continue is known by a body that it has not sent",
        arguments: [
            ("1.1", "Content-Length: 1\r\n", true), ("1.1", "Transfer-Encoding: chunked\r\n", true),
            ("1.1", "Content-Length: 0\r\n", false), ("1.1", "", false), ("1.0", "Content-Length: 1\r\n", false),
        ]
    )
    func expectsContinue(version: String, length: String, expected: Bool) throws {
        let head = try #require(
            try parseHead("PUT / HTTP/\(version)\r\nHost: a\r\nExpect: 100-Continue\r\n\(length)\r\n")
        )
        #expect(head.expectsContinue == expected)
    }
}
