import NIOCore
import NIOPosix
import RedisClient
import TestSupport
import Testing

@Suite("A Redis connection", .timeLimit(.minutes(1)))
struct RedisConnectionTests {
    @Test("Arguments of every kind arrive byte for byte")
    func arguments() async throws {
        let redis = try await RedisServer.start()
        let handle = try await connect(redis.url)
        let arguments: [(RedisArgument, String)] = [
            ("literal", "literal"), (.text("tëxt\r\n"), "tëxt\r\n"), (.bytes(Array("bytes".utf8)), "bytes"),
            (.buffer(ByteBuffer(string: "buffer")), "buffer"), (0, "0"), (-7, "-7"), (.integer(.max), "\(Int.max)"),
            (.integer(.min), "\(Int.min)"), ("", ""),
        ]
        for (argument, text) in arguments {
            #expect(try await handle.send("ECHO", argument) == .bytes(ByteBuffer(string: text)))
        }
        await handle.close()
    }

    @Test("What is sent in one tick is answered in order")
    func pipelining() async throws {
        let redis = try await RedisServer.start()
        let handle = try await connect(redis.url)
        let answers = Collected<Int?>()
        await handle.read { connection in
            for number in 0..<1000 {
                connection.send(["ECHO", .integer(number)], timeout: .seconds(5)) { result in
                    answers.add((try? result.get())?.string.flatMap(Int.init))
                }
            }
        }
        try await eventually("all are answered") { answers.values.count == 1000 }
        #expect(answers.values == (0..<1000).map { $0 })
        let counters = await handle.read { $0.counters }
        #expect(counters.errors == 0)
        await handle.close()
    }

    @Test("An error is told as such and the connection goes on")
    func serverError() async throws {
        let redis = try await RedisServer.start()
        let handle = try await connect(redis.url)
        try await handle.send("SET", "key", "text")
        let message = "WRONGTYPE Operation against a key holding the wrong kind of value"
        await #expect(throws: RedisError.server(RedisServerError(message: message))) {
            try await handle.send("LPUSH", "key", "x")
        }
        #expect(try await handle.send("GET", "key").string == "text")
        #expect(await handle.read { $0.counters.serverErrors } == 1)
        await handle.close()
    }

    @Test("The run id is that of the server, and another one after a restart")
    func runIdentifier() async throws {
        let redis = try await RedisServer.start()
        let handle = try await connect(redis.url)
        let first = try #require(await handle.read { $0.serverRunID })
        #expect(try await handle.send("INFO", "server").string?.contains(first) == true)
        #expect(await handle.read { $0.server?.evictionPolicy } == "noeviction")
        try await redis.restart(keepingData: false)
        let second = try await eventualValue("a new run id") {
            await handle.read { $0.isUp && $0.serverRunID != first ? $0.serverRunID : nil }
        }
        #expect(second.count == first.count)
        await handle.close()
    }

    @Test("While Redis is gone commands fail at once, and within a second of its return they work")
    func returns() async throws {
        let redis = try await RedisServer.start()
        let handle = try await connect(redis.url)
        try await redis.kill()
        try await eventually("the loss is noticed") { await handle.read { !$0.isUp } }
        await #expect(throws: RedisError.notConnected) { try await handle.send("PING") }
        try await redis.start()
        try await eventually("connected again", within: .seconds(3)) { await handle.read { $0.isUp } }
        #expect(try await handle.send("PING") == .status("PONG"))
        await handle.close()
    }

    @Test("A Redis that is not there yet is found when it comes")
    func comesLater() async throws {
        let port = freePort()
        let endpoint = try RedisEndpoint(url: "redis://127.0.0.1:\(port)")
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let handle = await RedisHandle.open(endpoint, on: loop, logger: quiet)
        await #expect(throws: RedisError.notConnected) { try await handle.send("PING") }
        let redis = try await RedisServer.start(port: port)
        try await eventually("connected", within: .seconds(3)) { await handle.read { $0.isUp } }
        await handle.close()
        try await redis.stop()
    }

    @Test("A command's time is kept, and the late reply is not taken for the next one's")
    func lateReply() async throws {
        let redis = try await RedisServer.start()
        let handle = try await connect(redis.url)
        redis.pause()
        // In the order of the loop's timers, however late it comes to them.
        let told = Collected<String>()
        await handle.read { connection in
            connection.send(["ECHO", "late"], timeout: .milliseconds(300)) {
                if case .failure(.timedOut) = $0 { told.add("timed out") }
            }
            for (name, milliseconds) in [("before", Int64(290)), ("after", 600)] {
                connection.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(milliseconds)) { told.add(name) }
            }
        }
        try await eventually("its time is over") { told.values.count == 3 }
        #expect(told.values == ["before", "timed out", "after"])
        redis.resume()
        #expect(try await handle.send("ECHO", "next").string == "next")
        let counters = await handle.read { $0.counters }
        #expect(counters.timeouts == 1)
        #expect(counters.lateReplies == 1)
        #expect(counters.disconnects == 0)
        await handle.close()
    }

    @Test("The shorter time runs out first, though its command was sent later")
    func mixedTimeouts() async throws {
        let redis = try await RedisServer.start()
        let handle = try await connect(redis.url)
        let results = Collected<String?>()
        redis.pause()
        await handle.read { connection in
            for (text, timeout) in [("long", TimeAmount.seconds(20)), ("short", .milliseconds(50))] {
                connection.send(["ECHO", .text(text)], timeout: timeout) { results.add((try? $0.get())?.string) }
            }
        }
        try await eventually("the shorter ran out") { !results.values.isEmpty }
        #expect(results.values == [nil])
        redis.resume()
        try await eventually("the longer is answered") { results.values == [nil, "long"] }
        await handle.close()
    }

    @Test("A Redis that says nothing for several time-outs is left, and met again when it wakes")
    func silence() async throws {
        let redis = try await RedisServer.start()
        let handle = try await connect(redis.url)
        redis.pause()
        await #expect(throws: RedisError.timedOut) { try await handle.send("PING", timeout: .milliseconds(20)) }
        try await eventually("it is left") { await handle.read { !$0.isUp } }
        await #expect(throws: RedisError.notConnected) { try await handle.send("PING") }
        redis.resume()
        try await eventually("connected again", within: .seconds(3)) { await handle.read { $0.isUp } }
        #expect(try await handle.send("PING") == .status("PONG"))
        await handle.close()
    }

    @Test("What is unanswered when the connection ends is told, once")
    func lost() async throws {
        let redis = try await RedisServer.start()
        let handle = try await connect(redis.url)
        let results = Collected<RedisError?>()
        redis.pause()
        await handle.read { connection in
            for _ in 0..<10 {
                connection.send(["PING"], timeout: .seconds(30)) { result in
                    if case .failure(let error) = result { results.add(error) } else { results.add(nil) }
                }
            }
        }
        try await redis.kill()
        try await eventually("all were told") { results.values.count >= 10 }
        #expect(results.values == Array(repeating: .connectionLost, count: 10))
        await handle.close()
    }

    @Test("What may be unanswered is bounded")
    func bounded() async throws {
        let redis = try await RedisServer.start()
        let handle = try await connect(redis.url)
        redis.pause()
        let refused = Collected<RedisError>()
        await handle.read { connection in
            for _ in 0..<20_000 {
                connection.send(["PING"], timeout: .seconds(30)) { result in
                    if case .failure(let error) = result { refused.add(error) }
                }
            }
        }
        #expect(refused.values.count == 20_000 - 16_384)
        #expect(refused.values.allSatisfy { $0 == .overloaded })
        redis.resume()
        #expect(try await eventualReply(handle) == .status("PONG"))
        await handle.close()
    }

    @Test("After closing nothing is sent and nothing comes back up")
    func closing() async throws {
        let redis = try await RedisServer.start()
        let handle = try await connect(redis.url)
        let errors = Collected<RedisError>()
        await handle.read { connection in
            connection.send(["PING"], timeout: .seconds(5)) { if case .failure(let error) = $0 { errors.add(error) } }
            connection.close()
            connection.send(["PING"], timeout: .seconds(5)) { if case .failure(let error) = $0 { errors.add(error) } }
        }
        #expect(errors.values == [.connectionLost, .notConnected])
        #expect(await handle.read { !$0.isUp })
        try await eventually("Redis sees it go") {
            try await redis.command("CLIENT", "LIST").contains("sluice") == false
        }
    }

    @Test("The observer is told how long each reply took")
    func latency() async throws {
        let redis = try await RedisServer.start()
        let handle = try await connect(redis.url)
        let latencies = Collected<TimeAmount>()
        await handle.read { $0.latencyObserver = { latencies.add($0) } }
        let start = NIODeadline.now()
        try await handle.send("PING")
        let taken = NIODeadline.now() - start
        #expect(latencies.values.count == 1)
        #expect(latencies.values.allSatisfy { $0 > .zero && $0 <= taken })
        await handle.close()
    }

    private func eventualReply(_ handle: RedisHandle) async throws -> RedisReply {
        try await eventualValue("there is room again") { try? await handle.send("PING") }
    }
}
