import CurlClient
import NIOCore
import NIOHTTP1
import Testing

extension CurlClientTests {
    @Suite struct Requests {
        @Test("The caller's fields arrive as they are, in their order, and nothing is added but Host")
        func exactFields() async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { $0.answer("hello", fields: "X-A: 1\r\n") }
                let fields = "X-One: a  b\r\nx-two:c\r\nX-Empty:\r\nX-Blank:  \r\nX-One: again\r\n"
                let outcome = await harness.run(.get(server.url("/a/../b/./%2e?x=1&y=%20?"), fields: fields))
                #expect(outcome.status == 200)
                #expect(outcome.fields == "X-A: 1\r\nContent-Length: 5\r\n")
                #expect(outcome.body == "hello")
                let head = try #require(server.served.first).head
                #expect(head.uri == "/a/../b/./%2e?x=1&y=%20?")
                #expect(
                    head.headers.map { "\($0.name)=\($0.value)" } == [
                        "Host=127.0.0.1:\(server.port)", "X-One=a  b", "x-two=c", "X-Empty=", "X-Blank=", "X-One=again",
                    ]
                )
                await server.stop()
            }
        }

        @Test("Host, Accept, Content-Type and User-Agent of the caller take the place of any other")
        func ownFields() async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { $0.answer("") }
                let fields = "Host: example.test\r\nAccept: a/b\r\nContent-Type: c/d\r\nUser-Agent: e\r\n"
                _ = await harness.run(.post(server.url(), .bytes(ByteBuffer(string: "{}")), fields: fields))
                let head = try #require(server.served.first).head
                #expect(head.headers["host"] == ["example.test"])
                #expect(head.headers["accept"] == ["a/b"])
                #expect(head.headers["content-type"] == ["c/d"])
                #expect(head.headers["user-agent"] == ["e"])
                #expect(head.headers["content-length"] == ["2"])
                #expect(head.headers.count == 5)
                await server.stop()
            }
        }

        @Test("Framing fields of the caller are left out, whatever they say")
        func framing() async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { $0.answer("") }
                let fields = "content-length: 99\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n"
                let outcome = await harness.run(
                    .post(server.url(), .bytes(ByteBuffer(string: "body")), fields: fields)
                )
                #expect(outcome.status == 200)
                let served = try #require(server.served.first)
                #expect(served.head.headers["content-length"] == ["4"])
                #expect(!served.head.headers.contains(name: "transfer-encoding"))
                #expect(!served.head.headers.contains(name: "expect"))
                #expect(String(buffer: served.body) == "body")
                await server.stop()
            }
        }

        @Test("A target goes out byte for byte in place of the URL's, and only for its own transfer")
        func target() async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { $0.answer("ok") }
                for target in ["/a//b/../c%2f?x=%20&y", nil, "/"] {
                    let request = TransferRequest(
                        method: "GET",
                        url: server.url(),
                        target: target.map { ByteBuffer(string: $0) }
                    )
                    let outcome = await harness.run(request)
                    #expect(outcome.status == 200)
                    let sent = server.served.last?.head.uri
                    #expect(sent == target ?? "/")
                }
                #expect(server.connectionCount == 1)
                await server.stop()
            }
        }

        @Test(
            "Any method carries a body, and one handle serves them all in turn",
            arguments: [
                [
                    ("POST", true), ("GET", false), ("PUT", true), ("HEAD", false), ("DELETE", true),
                    ("PATCH", true), ("GET", true), ("OPTIONS", false), ("POST", false), ("PUT", false), ("GET", false),
                ]
            ]
        )
        func methods(cases: [(String, Bool)]) async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { request in
                    request.head.method == .HEAD
                        ? request.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n") : request.answer("ok")
                }
                for (method, hasBody) in cases {
                    let body: TransferBody = hasBody ? .bytes(ByteBuffer(string: "payload")) : .none
                    let outcome = await harness.run(TransferRequest(method: method, url: server.url(), body: body))
                    #expect(outcome.status == 200, "\(method)")
                    #expect(outcome.summary?.bytesSent == (hasBody ? 7 : 0), "\(method)")
                    let served = try #require(server.served.last)
                    #expect(served.head.method.rawValue == method)
                    #expect(served.body.readableBytes == (hasBody ? 7 : 0), "\(method)")
                    let length = served.head.headers["content-length"]
                    let needsLength = ["POST", "PUT", "PATCH"].contains(method)
                    #expect(length == (hasBody ? ["7"] : needsLength ? ["0"] : []), "\(method)")
                    #expect(!served.head.headers.contains(name: "content-type"), "\(method)")
                }
                #expect(server.connectionCount == 1)
                await server.stop()
            }
        }

        @Test("A body larger than every buffer arrives whole", arguments: [70_000, 3_000_000])
        func largeBytes(size: Int) async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { $0.answer("\($0.body.readableBytes)") }
                let body = ByteBuffer(repeating: 7, count: size)
                let outcome = await harness.run(.post(server.url(), .bytes(body)))
                #expect(outcome.body == "\(size)")
                #expect(server.served.first?.body == body)
                #expect(server.served.first?.head.headers.contains(name: "expect") == false)
                await server.stop()
            }
        }

        @Test(
            "What could smuggle a field or a request is refused before anything is connected",
            arguments: [
                "X: a\rb\r\n", "X: a\nY: b\r\n", "X: a\0b\r\n", "X: a", "X\r\n", ": a\r\n", "X Y: a\r\n", "X : a\r\n",
                " X: folded\r\n", "\r\n", "X: a\r\n\r\nGET / HTTP/1.1\r\n",
            ]
        )
        func injection(fields: String) async throws {
            try await Harness.with { harness in
                let outcome = await harness.run(.get("http://127.0.0.1:1/", fields: fields))
                guard case .invalidRequest = outcome.error else {
                    Issue.record("\(String(describing: outcome.result))")
                    return
                }
                let running = try await harness.runningTransfers()
                #expect(running == 0)
            }
        }

        @Test(
            "A request that cannot be sent says why",
            arguments: [
                TransferRequest(method: "G ET", url: "http://127.0.0.1/"),
                TransferRequest(method: "", url: "http://127.0.0.1/"),
                TransferRequest(method: "CONNECT", url: "http://127.0.0.1/"),
                TransferRequest(method: "HEAD", url: "http://127.0.0.1/", body: .bytes(ByteBuffer(string: "x"))),
                TransferRequest(method: "GET", url: "http://127.0.0.1/a b"),
                TransferRequest(method: "GET", url: "http://127.0.0.1/\r\nX: y"),
                TransferRequest(method: "GET", url: "http://127.0.0.1/", target: ByteBuffer(string: "/a b")),
                TransferRequest(method: "GET", url: "http://127.0.0.1/", target: ByteBuffer(string: "/\r\nX: y")),
                TransferRequest(method: "GET", url: "http://127.0.0.1/", target: ByteBuffer(string: "a")),
                TransferRequest(method: "GET", url: "ftp://127.0.0.1/"),
                TransferRequest(method: "GET", url: "http://user:word@127.0.0.1/"),
            ]
        )
        func invalid(request: TransferRequest) async throws {
            try await Harness.with { harness in
                let outcome = await harness.run(request)
                guard case .invalidRequest(let text) = outcome.error else {
                    Issue.record("\(String(describing: outcome.result))")
                    return
                }
                #expect(!text.contains("word"))
            }
        }
    }
}
