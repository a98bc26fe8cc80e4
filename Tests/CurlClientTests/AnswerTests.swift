import CurlClient
import NIOCore
import NIOHTTP1
import Testing

extension CurlClientTests {
    @Suite struct Answers {
        @Test("Chunked, close-delimited and empty bodies come decoded and complete")
        func framings() async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { request in
                    switch request.head.uri {
                    case "/chunked":
                        request.write(
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: t\r\n\r\n"
                        )
                    case "/close":
                        request.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end")
                        request.close()
                    case "/204": request.write("HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n")
                    case "/304": request.write("HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n\r\n")
                    default: request.answer("", status: "599 Odd")
                    }
                }
                let chunked = await harness.run(.get(server.url("/chunked")))
                #expect(chunked.body == "abcde")
                #expect(chunked.fields == "Transfer-Encoding: chunked\r\n")
                #expect(chunked.summary?.bytesReceived == 5)
                let closed = await harness.run(.get(server.url("/close")))
                #expect(closed.body == "to the end")
                #expect(closed.summary != nil)
                let none = await harness.run(.get(server.url("/204")))
                #expect((none.status, none.fields, none.body) == (204, "X-A: b\r\n", ""))
                #expect(none.summary != nil)
                let unchanged = await harness.run(.get(server.url("/304")))
                #expect(unchanged.status == 304)
                #expect(unchanged.summary != nil)
                let odd = await harness.run(.get(server.url("/odd")))
                #expect(odd.status == 599)
                #expect(odd.summary?.version == .http1)
                await server.stop()
            }
        }

        @Test("Interim answers are skipped")
        func interim() async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { request in
                    request.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
                    request.answer("real", fields: "X-Final: 1\r\n")
                }
                let outcome = await harness.run(.post(server.url(), .bytes(ByteBuffer(string: "q"))))
                #expect(outcome.status == 200)
                #expect(outcome.fields == "X-Final: 1\r\nContent-Length: 4\r\n")
                #expect(outcome.body == "real")
                await server.stop()
            }
        }

        @Test("Events of a stream are handed over as they arrive, not when it ends")
        func events() async throws {
            try await Harness.with { harness in
                let (requests, sink) = AsyncStream.makeStream(of: ServedRequest.self)
                let server = try await ScriptedServer(on: harness.group) { request in
                    request.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    sink.yield(request)
                }
                let call = harness.begin(.get(server.url()))
                var iterator = requests.makeAsyncIterator()
                let request = try #require(await iterator.next())
                #expect(await call.first { if case .head = $0 { true } else { false } } != nil)
                for number in 0..<3 {
                    let event = "data: \(number)\n\n"
                    request.write("\(String(event.utf8.count, radix: 16))\r\n\(event)\r\n")
                    let next = await call.first { _ in true }
                    #expect(next == .body(event))
                }
                request.write("0\r\n\r\n")
                #expect(await call.outcome().summary?.bytesReceived == 27)
                await server.stop()
            }
        }

        @Test("Coded content is passed on as it is")
        func coding() async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) {
                    $0.answer("no gzip at all", fields: "Content-Encoding: gzip\r\n")
                }
                let outcome = await harness.run(.get(server.url(), fields: "Accept-Encoding: gzip\r\n"))
                #expect(outcome.body == "no gzip at all")
                #expect(server.served.first?.head.headers["accept-encoding"] == ["gzip"])
                await server.stop()
            }
        }

        @Test("Redirects and refusals are passed on, not followed")
        func redirects() async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) {
                    $0.head.uri == "/401"
                        ? $0.answer("", status: "401 Unauthorized", fields: "WWW-Authenticate: Basic\r\n")
                        : $0.answer("", status: "302 Found", fields: "Location: /other\r\nSet-Cookie: a=b\r\n")
                }
                #expect(await harness.run(.get(server.url())).status == 302)
                #expect(await harness.run(.get(server.url("/401"))).status == 401)
                #expect(server.served.count == 2)
                #expect(server.served.last?.head.headers.contains(name: "cookie") == false)
                await server.stop()
            }
        }

        @Test("The summary tells new connections from kept ones")
        func summary() async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { $0.answer("12345") }
                let first = try #require(await harness.run(.get(server.url())).summary)
                let second = try #require(await harness.run(.get(server.url())).summary)
                #expect(!first.reusedConnection)
                #expect(first.connectTime > .zero)
                #expect(first.timeToFirstByte >= first.connectTime)
                #expect(second.reusedConnection)
                #expect(second.connectTime == .zero)
                #expect(second.bytesReceived == 5)
                #expect(try await harness.openConnections() == 1)
                await server.stop()
            }
        }
    }
}
