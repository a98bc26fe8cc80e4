import CurlClient
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import Testing

extension CurlClientTests {
    @Suite struct Streaming {
        @Test("A paused reader holds the server back, and gets every byte after it has resumed")
        func paused() async throws {
            try await Harness.with { harness in
                let total = 10 * 1024 * 1024
                let sent = Mutex(0)
                let server = try await ScriptedServer(on: harness.group) { request in
                    request.write("HTTP/1.1 200 OK\r\nContent-Length: \(total)\r\n\r\n")
                    for _ in 0..<(total / 65_536) {
                        request.channel.writeAndFlush(ByteBuffer(repeating: 120, count: 65_536)).whenSuccess {
                            sent.withLock { $0 += 65_536 }
                        }
                    }
                }
                let received = Mutex(0)
                let call = harness.begin(.get(server.url())) { event, transfer in
                    guard case .body(let text) = event else { return }
                    let before = received.withLock { count in
                        defer { count += text.utf8.count }
                        return count
                    }
                    if before == 0 { transfer?.pause() }
                }
                _ = await call.first { if case .body = $0 { true } else { false } }
                #expect(try await harness.untilStill { sent.withLock { $0 } } < total)
                #expect(received.withLock { $0 } <= 16_384)
                try await call.act { $0.resume() }
                let outcome = await call.outcome()
                #expect(outcome.summary?.bytesReceived == total)
                #expect(received.withLock { $0 } == total)
                await server.stop()
            }
        }

        @Test("Pausing and resuming at every piece loses and doubles nothing", arguments: [true, false])
        func pulsed(inCallback: Bool) async throws {
            try await Harness.with { harness in
                let text = (0..<100_000).map { "\($0)," }.joined()
                let server = try await ScriptedServer(on: harness.group) { $0.answer(text) }
                let loop = harness.loop
                let call = harness.begin(.get(server.url())) { event, transfer in
                    guard case .body = event, let transfer else { return }
                    transfer.pause()
                    if inCallback {
                        transfer.resume()
                    } else {
                        let bound = NIOLoopBound(transfer, eventLoop: loop)
                        loop.execute { bound.value.resume() }
                    }
                }
                let outcome = await call.outcome()
                #expect((outcome.body == text) as Bool, "\(outcome.body.utf8.count) of \(text.utf8.count) bytes")
                #expect(outcome.summary != nil)
                await server.stop()
            }
        }

        @Test("A body is streamed up, with a length or in chunks", arguments: [Optional(11), nil])
        func upload(length: Int?) async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { $0.answer(String(buffer: $0.body)) }
                let call = harness.begin(.post(server.url(), .stream(length: length)))
                #expect(await call.first { $0 == .needsBody } != nil)
                try await call.act { $0.send(ByteBuffer(string: "hello ")) }
                #expect(await call.first { $0 == .needsBody } != nil)
                try await call.act {
                    $0.send(ByteBuffer(string: "world"))
                    $0.finishBody()
                }
                let outcome = await call.outcome()
                #expect(outcome.body == "hello world")
                #expect(outcome.summary?.bytesSent == 11)
                let headers = try #require(server.served.first).head.headers
                #expect(headers["content-length"] == (length == nil ? [] : ["11"]))
                #expect(headers["transfer-encoding"] == (length == nil ? ["chunked"] : []))
                await server.stop()
            }
        }

        @Test("A slow server holds the sender back")
        func slowServer() async throws {
            try await Harness.with { harness in
                let piece = 64 * 1024
                let total = 200 * piece
                let (heads, sink) = AsyncStream.makeStream(of: (any Channel).self)
                let server = try await ScriptedServer(
                    on: harness.group,
                    onHead: { _, channel in
                        channel.setOption(.autoRead, value: false).whenSuccess { sink.yield(channel) }
                    },
                    script: { $0.answer("\($0.body.readableBytes)") }
                )
                let sent = Mutex(0)
                let call = harness.begin(.post(server.url(), .stream(length: total))) { event, transfer in
                    guard event == .needsBody, let transfer else { return }
                    while transfer.wantsBody, sent.withLock({ $0 }) < total {
                        sent.withLock { $0 += piece }
                        transfer.send(ByteBuffer(repeating: 1, count: piece))
                    }
                    if sent.withLock({ $0 }) == total { transfer.finishBody() }
                }
                var iterator = heads.makeAsyncIterator()
                let channel = try #require(await iterator.next())
                #expect(try await harness.untilStill { sent.withLock { $0 } } < total)
                try await channel.setOption(.autoRead, value: true).get()
                channel.read()
                #expect(await call.outcome().body == "\(total)")
                await server.stop()
            }
        }

        @Test("An answer that comes before the body's end is passed on")
        func earlyAnswer() async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(
                    on: harness.group,
                    onHead: { _, channel in
                        let text = "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig"
                        channel.writeAndFlush(ByteBuffer(string: text), promise: nil)
                    },
                    script: { _ in }
                )
                let call = harness.begin(.post(server.url(), .stream(length: 1_000_000)))
                let outcome = await call.outcome()
                #expect(outcome.status == 413)
                #expect(outcome.body == "big")
                await server.stop()
            }
        }

        @Test("A streamed body of another length than declared ends the transfer", arguments: [3, 9])
        func wrongLength(sent: Int) async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { $0.answer("no") }
                let call = harness.begin(.post(server.url(), .stream(length: 5)))
                _ = await call.first { $0 == .needsBody }
                try await call.act {
                    $0.send(ByteBuffer(repeating: 1, count: sent))
                    $0.finishBody()
                }
                #expect(await call.outcome().error == .bodyLength)
                #expect(server.served.isEmpty)
                await server.stop()
            }
        }
    }
}
