import CurlClient
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import Testing

extension CurlClientTests {
    @Suite struct Life {
        @Test("The check right before sending refuses the call, and nothing is sent")
        func check() async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { $0.answer("") }
                let outcome = await harness.begin(.get(server.url()), allowed: false).outcome()
                #expect(outcome.error == .refusedByCheck(bytesSent: false))
                let next = await harness.run(.get(server.url()))
                #expect(next.status == 200)
                #expect(server.served.count == 1)
                await server.stop()
            }
        }

        @Test("A connection that died while idle is replaced unseen")
        func deadIdle() async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { $0.answer("ok") }
                #expect(await harness.run(.post(server.url(), .bytes(ByteBuffer(string: "a")))).status == 200)
                try await server.connections[0].close()
                let second = await harness.run(.post(server.url(), .bytes(ByteBuffer(string: "b"))))
                #expect(second.status == 200)
                #expect(second.summary?.reusedConnection == false)
                #expect(server.served.map { String(buffer: $0.body) } == ["a", "b"])
                await server.stop()
            }
        }

        @Test("A call that a dying kept connection may have taken is repeated only where that is allowed")
        func deadInUse() async throws {
            try await Harness.with { harness in
                // Every second request of a connection is read and answered with a reset.
                let seen = Mutex<[Int: Int]>([:])
                let server = try await ScriptedServer(on: harness.group) { request in
                    let count = seen.withLock { seen in
                        seen[request.connection, default: 0] += 1
                        return seen[request.connection] ?? 0
                    }
                    if count == 1 { request.answer("ok") } else { request.reset() }
                }
                var request = TransferRequest.post(server.url(), .bytes(ByteBuffer(string: "body")))
                #expect(await harness.run(request).status == 200)
                let first = harness.begin(request)
                #expect(await first.outcome().error == .reset(bytesSent: true))
                #expect(server.served.count == 2)

                request.repeatsOnDeadConnection = true
                #expect(await harness.run(request).status == 200)
                let asked = Mutex(0)
                let repeated = await harness.begin(request) { event, _ in
                    if event == .mayStart { asked.withLock { $0 += 1 } }
                }.outcome()
                #expect(repeated.status == 200)
                #expect(asked.withLock { $0 } == 2)
                #expect(server.served.map { String(buffer: $0.body) } == Array(repeating: "body", count: 5))
                await server.stop()
            }
        }

        @Test("A stream cannot be repeated: it ends as reset")
        func deadStream() async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { request in
                    request.body.readableBytes == 0 ? request.answer("ok") : request.reset()
                }
                #expect(await harness.run(.get(server.url())).status == 200)
                var request = TransferRequest.post(server.url(), .stream(length: 4))
                request.repeatsOnDeadConnection = true
                let call = harness.begin(request) { event, transfer in
                    guard event == .needsBody else { return }
                    transfer?.send(ByteBuffer(string: "abcd"))
                    transfer?.finishBody()
                }
                #expect(await call.outcome().error == .reset(bytesSent: true))
                await server.stop()
            }
        }

        @Test("Cancelling while connecting, waiting or reading ends all calls to the receiver")
        func cancel() async throws {
            try await Harness.with { harness in
                let hole = try BlackHole()
                let connecting = harness.begin(.get("http://127.0.0.1:\(hole.port)/"))
                try await harness.settle()
                try await connecting.act { $0.cancel() }
                #expect(try await connecting.eventCount() == 0)

                let (requests, sink) = AsyncStream.makeStream(of: ServedRequest.self)
                let server = try await ScriptedServer(on: harness.group) { sink.yield($0) }
                var iterator = requests.makeAsyncIterator()
                let waiting = harness.begin(.get(server.url()))
                let first = try #require(await iterator.next())
                try await waiting.act { $0.cancel() }
                try await first.channel.closeFuture.get()
                #expect(try await waiting.eventCount() == 1)

                let reading = harness.begin(.get(server.url()))
                let second = try #require(await iterator.next())
                second.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
                _ = await reading.first { $0 == .body("abc") }
                try await reading.act { $0.cancel() }
                try await second.channel.closeFuture.get()
                #expect(try await reading.eventCount() == 3)
                #expect(try await harness.runningTransfers() == 0)
                #expect(try await harness.openConnections() == 0)
                hole.close()
                await server.stop()
            }
        }

        @Test("Cancelling a name that is being resolved does not block the loop")
        func cancelResolving() async throws {
            try await Harness.with { harness in
                let call = harness.begin(.get("http://no-such-host-either.invalid/"))
                try await call.act { $0.cancel() }
                try await harness.settle()
                #expect(try await call.eventCount() == 0)
            }
        }

        @Test(
            "Cancelling from inside any callback is safe",
            arguments: ["mayStart", "needsBody", "head", "body", "ended"]
        )
        func cancelWithin(callback: String) async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { request in
                    request.write("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n")
                    request.write(String(repeating: "x", count: 200_000))
                }
                let (ends, sink) = AsyncStream.makeStream(of: Void.self)
                for _ in 0..<3 {
                    let call = harness.begin(.post(server.url(), .stream(length: 2))) { event, transfer in
                        let name =
                            switch event {
                            case .mayStart: "mayStart"
                            case .needsBody: "needsBody"
                            case .head: "head"
                            case .body: "body"
                            case .ended: "ended"
                            }
                        guard name == callback else {
                            if event == .needsBody {
                                transfer?.send(ByteBuffer(string: "ab"))
                                transfer?.finishBody()
                            }
                            return
                        }
                        transfer?.cancel()
                        transfer?.resume()
                        transfer?.send(ByteBuffer(string: "late"))
                        sink.yield()
                    }
                    var iterator = ends.makeAsyncIterator()
                    _ = await iterator.next()
                    let count = try await call.eventCount()
                    try await harness.settle()
                    #expect(try await call.eventCount() == count)
                    #expect(try await harness.runningTransfers() == 0)
                }
                await server.stop()
            }
        }

        @Test("A transfer may be begun from inside a callback")
        func startWithin() async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { $0.answer($0.head.uri) }
                let (calls, sink) = AsyncStream.makeStream(of: Call.self)
                let url = server.url("/second")
                let first = await harness.begin(.get(server.url("/first"))) { event, _ in
                    if case .head = event { sink.yield(harness.begin(.get(url))) }
                }.outcome()
                #expect(first.body == "/first")
                var iterator = calls.makeAsyncIterator()
                let second = try #require(await iterator.next())
                #expect(await second.outcome().body == "/second")
                await server.stop()
            }
        }

        @Test("Descriptor numbers that come back are watched again")
        func descriptorReuse() async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { request in
                    request.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
                    request.close()
                }
                for _ in 0..<300 {
                    let outcome = await harness.run(.get(server.url()))
                    #expect(outcome.body == "ok")
                }
                #expect(server.connectionCount == 300)
                #expect(try await harness.openConnections() <= 1)
                await server.stop()
            }
        }

        @Test("Resolver descriptors do not get in the way of sockets")
        func resolverDescriptors() async throws {
            try await Harness.with { harness in
                let server = try await ScriptedServer(on: harness.group) { request in
                    request.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
                    request.close()
                }
                for _ in 0..<20 {
                    async let missing = harness.run(.get("http://missing.invalid/"))
                    async let found = harness.run(.get(server.url()))
                    #expect(await missing.error == .resolve)
                    #expect(await found.body == "ok")
                }
                await server.stop()
            }
        }

        @Test("Many transfers at once all end, on no more connections than allowed", arguments: [0, 8])
        func many(connectionsPerHost: Int) async throws {
            try await Harness.with(CurlLimits(connectionsPerHost: connectionsPerHost)) { harness in
                let server = try await ScriptedServer(on: harness.group) { request in
                    request.answer(request.head.uri)
                }
                try await withThrowingTaskGroup(of: Bool.self) { tasks in
                    for number in 0..<500 {
                        tasks.addTask { await harness.run(.get(server.url("/\(number)"))).body == "/\(number)" }
                    }
                    for try await isRight in tasks { #expect(isRight) }
                }
                #expect(server.served.count == 500)
                if connectionsPerHost > 0 { #expect(server.connectionCount <= connectionsPerHost) }
                #expect(try await harness.runningTransfers() == 0)
                await server.stop()
            }
        }

        @Test("Several clients and loops share one watcher")
        func severalLoops() async throws {
            let group = MultiThreadedEventLoopGroup(numberOfThreads: 3)
            let watcher = try CurlWatcher()
            let server = try await ScriptedServer(on: group) { $0.answer($0.head.uri) }
            var harnesses: [Harness] = []
            for loop in group.makeIterator() {
                let client = try await loop.submit {
                    NIOLoopBound(try CurlClient(eventLoop: loop, watcher: watcher), eventLoop: loop)
                }.get()
                harnesses.append(Harness(group: group, loop: loop, watcher: watcher, client: client))
            }
            await withTaskGroup(of: Bool.self) { tasks in
                for (number, harness) in harnesses.enumerated() {
                    for count in 0..<50 {
                        let target = "/\(number)/\(count)"
                        tasks.addTask { await harness.run(.get(server.url(target))).body == target }
                    }
                }
                for await isRight in tasks { #expect(isRight) }
            }
            for harness in harnesses {
                let client = harness.client
                try await harness.loop.submit { client.value.close() }.get()
            }
            watcher.close()
            watcher.close()
            await server.stop()
            try await group.shutdownGracefully()
        }

        @Test("Closing ends what runs, tells it, and gives every descriptor and thread back")
        func close() async throws {
            let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
            let loop = group.next()
            let server = try await ScriptedServer(on: group) { _ in }
            func entries(_ directory: String) -> Int {
                guard let stream = opendir(directory) else { return -1 }
                defer { closedir(stream) }
                var count = 0
                while readdir(stream) != nil { count += 1 }
                return count
            }
            func cycle() async throws {
                let watcher = try CurlWatcher()
                let client = try await loop.submit {
                    NIOLoopBound(try CurlClient(eventLoop: loop, watcher: watcher), eventLoop: loop)
                }.get()
                let harness = Harness(group: group, loop: loop, watcher: watcher, client: client)
                let call = harness.begin(.get(server.url()))
                _ = await call.first { $0 == .mayStart }
                try await loop.submit { client.value.close() }.get()
                #expect(await call.outcome().error == .cancelled)
                #expect(await harness.run(.get(server.url())).error == .cancelled)
                watcher.close()
                for connection in server.connections {
                    try? await connection.closeFuture.get()  // closed with an error is closed too
                }
            }
            try await cycle()
            // Other tests of the process open and close theirs meanwhile, now and then; what leaks leaks in every round.
            var leaked: [(descriptors: Int, threads: Int)] = []
            for _ in 0..<10 {
                let before = (descriptors: entries("/proc/self/fd"), threads: entries("/proc/self/task"))
                for _ in 0..<5 { try await cycle() }
                let more = (
                    descriptors: entries("/proc/self/fd") - before.descriptors,
                    threads: entries("/proc/self/task") - before.threads
                )
                leaked.append(more)
                if more.descriptors <= 0, more.threads < 4 { break }
            }
            #expect(leaked.contains { $0.descriptors <= 0 && $0.threads < 4 }, "\(leaked)")
            await server.stop()
            try await group.shutdownGracefully()
        }

        @Test("Closing from inside a callback is put off until curl has returned")
        func closeWithin() async throws {
            let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
            let loop = group.next()
            let watcher = try CurlWatcher()
            let server = try await ScriptedServer(on: group) { $0.answer("x") }
            let client = try await loop.submit {
                NIOLoopBound(try CurlClient(eventLoop: loop, watcher: watcher), eventLoop: loop)
            }.get()
            let harness = Harness(group: group, loop: loop, watcher: watcher, client: client)
            let outcome = await harness.begin(.get(server.url())) { event, _ in
                if case .head = event { client.value.close() }
            }.outcome()
            #expect(outcome.error == .cancelled || outcome.summary != nil)
            watcher.close()
            await server.stop()
            try await group.shutdownGracefully()
        }
    }
}
