import CurlClient
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import Testing

extension CurlClientTests {
    @Suite struct TLS {
        static func with(
            alpn: String = "h2,http/1.1",
            limits: CurlLimits = CurlLimits(),
            script: @escaping @Sendable (ServedRequest) -> Void,
            _ body: (Harness, ScriptedServer, TLSFront) async throws -> Void
        ) async throws {
            try await Harness.with(limits) { harness in
                let server = try await ScriptedServer(on: harness.group, script: script)
                let front = try await TLSFront(before: server, alpn: alpn)
                try await body(harness, server, front)
                try await front.stop()
                await server.stop()
            }
        }

        @Test("HTTP/2 is spoken where the server offers it, else HTTP/1.1", arguments: ["h2,http/1.1", "http/1.1"])
        func version(alpn: String) async throws {
            try await Self.with(alpn: alpn, script: { $0.answer("secret", fields: "X-A: b\r\n") }) {
                harness,
                server,
                front in
                let first = await harness.run(front.get("/a?b=c", fields: "X-Empty:\r\nX-Some: thing\r\n"))
                #expect(first.status == 200)
                #expect(first.body == "secret")
                #expect(first.fields.lowercased().contains("x-a: b\r\n"))
                #expect(first.summary?.version == (alpn == "http/1.1" ? .http1 : .http2))
                #expect(first.summary?.reusedConnection == false)
                let head = try #require(server.served.first).head
                #expect(head.uri == "/a?b=c")
                #expect(head.headers["x-empty"] == [""])
                #expect(head.headers["x-some"] == ["thing"])
                #expect(!head.headers.contains(name: "accept"))
                let second = await harness.run(front.post(.bytes(ByteBuffer(string: "body"))))
                #expect(second.summary?.reusedConnection == true)
                #expect(server.served.last.map { String(buffer: $0.body) } == "body")
                #expect(server.served.last?.head.headers.contains(name: "content-type") == false)
            }
        }

        @Test("An unknown authority and another host's certificate are refused before anything is sent")
        func verification() async throws {
            try await Self.with(script: { $0.answer("") }) { harness, server, front in
                let unknown = await harness.run(.get(front.url("/?key=secret")))
                guard case .tls(let reason) = unknown.error else {
                    Issue.record("\(String(describing: unknown.result))")
                    return
                }
                #expect(!reason.contains("secret"))
                #expect(unknown.error?.bytesSent == false)
                var request = front.get()
                request.url = "https://localhost:\(front.port)/"
                guard case .tls = await harness.run(request).error else {
                    Issue.record("another host's certificate was taken")
                    return
                }
                #expect(server.served.isEmpty)
            }
        }

        @Test("Many transfers at once share one HTTP/2 connection")
        func multiplexed() async throws {
            try await Self.with(script: { $0.answer($0.head.uri) }) { harness, server, front in
                let requests = (0..<90).map { front.get("/\($0)") }
                let connections = await withTaskGroup(of: Outcome.self) { tasks in
                    for request in requests { tasks.addTask { await harness.run(request) } }
                    var bodies: Set<String> = []
                    var connections = 0
                    for await outcome in tasks {
                        bodies.insert(outcome.body)
                        if outcome.summary?.reusedConnection == false { connections += 1 }
                    }
                    #expect(bodies.count == 90)
                    return connections
                }
                #expect(connections == 1)
                #expect(server.served.count == 90)
            }
        }

        @Test("A paused HTTP/2 stream loses nothing, and the others go on")
        func paused() async throws {
            let text = (0..<300_000).map { "\($0)," }.joined()
            try await Self.with(script: { $0.answer($0.head.uri == "/large" ? text : "small") }) { harness, _, front in
                let call = harness.begin(front.get("/large")) { event, transfer in
                    if case .head = event { transfer?.pause() }
                }
                _ = await call.first { if case .head = $0 { true } else { false } }
                for _ in 0..<20 { #expect(await harness.run(front.get()).body == "small") }
                try await call.act { $0.resume() }
                let outcome = await call.outcome()
                #expect((outcome.body == text) as Bool, "\(outcome.body.utf8.count) of \(text.utf8.count) bytes")
                #expect(outcome.summary?.version == .http2)
            }
        }

        @Test("Pausing an HTTP/2 stream again and again loses and doubles nothing", arguments: [true, false])
        func pulsed(inCallback: Bool) async throws {
            let text = (0..<200_000).map { "\($0)," }.joined()
            try await Self.with(script: { $0.answer(text) }) { harness, _, front in
                let loop = harness.loop
                let request = front.get()
                await withTaskGroup(of: Outcome.self) { tasks in
                    for _ in 0..<4 {
                        tasks.addTask {
                            await harness.begin(request) { event, transfer in
                                guard case .body = event, let transfer else { return }
                                transfer.pause()
                                if inCallback { return transfer.resume() }
                                let bound = NIOLoopBound(transfer, eventLoop: loop)
                                loop.scheduleTask(in: .microseconds(200)) { bound.value.resume() }
                            }.outcome()
                        }
                    }
                    for await outcome in tasks {
                        #expect(
                            (outcome.body == text) as Bool,
                            "\(outcome.body.utf8.count) of \(text.utf8.count) bytes"
                        )
                        #expect(outcome.summary != nil)
                    }
                }
            }
        }

        @Test("A body is streamed up over HTTP/2, piece by piece", arguments: [Optional(300_000), nil])
        func upload(length: Int?) async throws {
            try await Self.with(script: { $0.answer("\($0.body.readableBytes)") }) { harness, _, front in
                let sent = Mutex(0)
                let call = harness.begin(front.post(.stream(length: length))) { event, transfer in
                    guard event == .needsBody, let transfer else { return }
                    let total = sent.withLock { sent in
                        sent += 50_000
                        return sent
                    }
                    transfer.send(ByteBuffer(repeating: 3, count: 50_000))
                    if total == 300_000 { transfer.finishBody() }
                }
                let outcome = await call.outcome()
                #expect(outcome.body == "300000")
                #expect(outcome.summary?.bytesSent == 300_000)
            }
        }

        @Test("Cancelling reaches the server at once, or with the next byte where others use the connection")
        func cancel() async throws {
            try await Self.with(script: {
                $0.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            }) { harness, server, front in
                let alone = harness.begin(front.get())
                _ = await alone.first { $0 == .body("abc") }
                try await alone.act { $0.cancel() }
                try await server.served[0].channel.closeFuture.get()
                #expect(try await alone.eventCount() == 3)

                let staying = harness.begin(front.get())
                _ = await staying.first { $0 == .body("abc") }
                let leaving = harness.begin(front.get())
                _ = await leaving.first { $0 == .body("abc") }
                try await leaving.act { $0.cancel() }
                server.served[1].write("1\r\nd\r\n")
                try await server.served[2].channel.closeFuture.get()
                server.served[1].write("1\r\ne\r\n0\r\n\r\n")
                let outcome = await staying.outcome()
                #expect(outcome.body == "de")
                #expect(outcome.summary?.bytesReceived == 5)
                #expect(outcome.summary?.version == .http2)
            }
        }

        @Test("A stream that the server breaks off never looks complete")
        func broken() async throws {
            try await Self.with(script: {
                $0.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            }) { harness, server, front in
                let call = harness.begin(front.get())
                #expect(await call.first { $0 == .body("abc") } != nil)
                server.served[0].close()
                let error = await call.outcome().error
                #expect([.reset(bytesSent: true), .truncated].contains(error))
            }
        }
    }
}
