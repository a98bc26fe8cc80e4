import CurlClient
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import Testing

extension CurlClientTests {
    @Suite struct Failures {
        @Test("A refused connection is known to have sent nothing")
        func refused() async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { _ in }
                await server.stop()
                let outcome = await harness.run(.get(server.url()))
                #expect(outcome.error == .connect(errno: ECONNREFUSED))
                #expect(outcome.error?.bytesSent == false)
            }
        }

        @Test("A host without address is told apart")
        func unresolved() async throws {
            try await Harness.with { harness in
                let outcome = await harness.run(.get("http://no-such-host.invalid/?key=secret"))
                #expect(outcome.error == .resolve)
            }
        }

        @Test("A connection that nobody accepts times out in its phase")
        func blackHole() async throws {
            try await Harness.with { harness in
                let hole = try BlackHole()
                let timeouts = TransferTimeouts(connect: .milliseconds(200))
                let clock = ContinuousClock()
                let begun = clock.now
                let outcome = await harness.run(.get("http://127.0.0.1:\(hole.port)/", timeouts: timeouts))
                #expect(outcome.error == .timedOut(.connect, bytesSent: false))
                #expect(clock.now - begun >= .milliseconds(200))
                hole.close()
            }
        }

        @Test("Silence before the answer and within it time out, each in its phase")
        func silence() async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { request in
                    if request.head.uri == "/idle" {
                        request.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab")
                    } else {
                        request.write("HTTP/1.1 103 Early Hints\r\n\r\n")
                    }
                }
                let timeouts = TransferTimeouts(firstByte: .milliseconds(150), idle: .milliseconds(100))
                let clock = ContinuousClock()
                let begun = clock.now
                let first = await harness.run(.get(server.url("/"), timeouts: timeouts))
                let taken = clock.now - begun
                #expect(first.error == .timedOut(.firstByte, bytesSent: true))
                #expect(taken >= .milliseconds(150))
                #expect(taken < .milliseconds(400))
                let idle = await harness.run(.get(server.url("/idle"), timeouts: timeouts))
                #expect(idle.error == .timedOut(.idle, bytesSent: true))
                #expect(idle.body == "ab")
                await server.stop()
            }
        }

        @Test("No idle time passes while the reader has paused")
        func pausedIdle() async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { request in
                    request.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
                }
                let timeouts = TransferTimeouts(idle: .milliseconds(50))
                let call = harness.begin(.get(server.url(), timeouts: timeouts)) { event, transfer in
                    if case .head = event { transfer?.pause() }
                }
                _ = await call.first { if case .head = $0 { true } else { false } }
                try await harness.pass(.milliseconds(120))
                server.served.first?.write("cd")
                try await call.act { $0.resume() }
                let outcome = await call.outcome()
                #expect(outcome.body == "abcd")
                #expect(outcome.summary != nil)
                await server.stop()
            }
        }

        @Test("A broken answer never looks like a complete one")
        func broken() async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { request in
                    switch request.head.uri {
                    case "/reset": request.reset()
                    case "/close": request.close()
                    case "/half-head":
                        request.write("HTTP/1.1 200 OK\r\nContent-Le")
                        request.close()
                    case "/length":
                        request.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
                        request.close()
                    case "/chunks":
                        request.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
                        request.close()
                    case "/mid-reset":
                        request.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
                        request.reset()
                    case "/bad-chunk":
                        request.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n")
                    case "/101": request.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")
                    default: request.write("SSH-2.0-OpenSSH\r\n")
                    }
                }
                #expect(await harness.run(.get(server.url("/reset"))).error == .reset(bytesSent: true))
                #expect(await harness.run(.get(server.url("/close"))).error == .reset(bytesSent: true))
                let halfHead = await harness.run(.get(server.url("/half-head")))
                #expect(halfHead.error != nil)
                #expect(halfHead.status == 0)
                #expect(await harness.run(.get(server.url("/length"))).error == .truncated)
                #expect(await harness.run(.get(server.url("/chunks"))).error == .truncated)
                let midReset = await harness.run(.get(server.url("/mid-reset")))
                #expect([.reset(bytesSent: true), .truncated].contains(midReset.error))
                #expect(await harness.run(.get(server.url("/bad-chunk"))).error != nil)
                let switched = await harness.run(.get(server.url("/101")))
                #expect(switched.error == .malformedAnswer("status 101 is out of place"))
                guard case .malformedAnswer = await harness.run(.get(server.url("/ssh"))).error else {
                    Issue.record("a stranger's greeting was taken for an answer")
                    return
                }
                await server.stop()
            }
        }

        @Test("A head without bound is cut off")
        func endlessHead() async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { request in
                    request.write("HTTP/1.1 200 OK\r\n")
                    let line = "X-Filler: " + String(repeating: "x", count: 1000) + "\r\n"
                    request.write(String(repeating: line, count: 400))
                }
                let error = await harness.run(.get(server.url())).error
                guard case .malformedAnswer = error else {
                    Issue.record("\(String(describing: error))")
                    return
                }
                await server.stop()
            }
        }
    }
}

/// A port whose backlog is full: connecting to it neither succeeds nor fails.
struct BlackHole {
    let port: Int
    private let listener: Int32
    private let fillers: [Int32]

    init() throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = listener
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 0) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        try #require(bound)
        port = Int(UInt16(bigEndian: address.sin_port))
        fillers = (0..<4).map { _ in
            let filler = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
            withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = connect(filler, $0, length) }
            }
            return filler
        }
    }

    func close() {
        for descriptor in fillers + [listener] { _ = Glibc.close(descriptor) }
    }
}
