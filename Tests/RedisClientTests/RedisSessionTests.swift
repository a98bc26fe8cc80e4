import NIOCore
import NIOPosix
import RedisClient
import TestSupport
import Testing

@Suite("What goes over the wire", .timeLimit(.minutes(1)))
struct RedisSessionTests {
    @Test("All commands of a tick leave in one write")
    func oneWrite() async throws {
        let fake = try await FakeRedis { text in
            String(repeating: "+PONG\r\n", count: text.split(separator: "*1\r\n").count)
        }
        let handle = try await connect(fake.url)
        let answers = Collected<Bool>()
        await handle.read { connection in
            for _ in 0..<100 {
                connection.send(["TIME"], timeout: .seconds(5)) { answers.add($0 == .success(.status("PONG"))) }
            }
        }
        try await eventually("all are answered") { answers.values.count == 100 }
        #expect(answers.values.allSatisfy { $0 })
        let reads = fake.reads.values.filter { $0.contains("TIME") }
        #expect(reads.count == 1)
        #expect(reads.first?.contains(String(repeating: "*1\r\n$4\r\nTIME\r\n", count: 100)) == true)
        await handle.close()
        try await fake.stop()
    }

    @Test("The run id is read from the greeting")
    func runIdentifier() async throws {
        let fake = try await FakeRedis { _ in nil }
        let handle = try await connect(fake.url)
        #expect(await handle.read { $0.serverRunID } == "fake")
        await handle.close()
        try await fake.stop()
    }

    @Test(
        "A reply that nobody asked for, or that is no RESP, ends the connection",
        arguments: ["+A\r\n+B\r\n", "?\r\n"]
    )
    func outOfStep(answer: String) async throws {
        let fake = try await FakeRedis { _ in answer }
        let handle = try await connect(fake.url)
        _ = try? await handle.send("PING")
        try await eventually("it connects anew") { fake.connections.values.count >= 2 }
        #expect(await handle.read { $0.counters.disconnects } >= 1)
        await handle.close()
        try await fake.stop()
    }

    @Test("Who accepts but does not greet is tried again, and commands fail meanwhile")
    func noGreeting() async throws {
        let fake = try await FakeRedis(greets: false) { _ in nil }
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let handle = await RedisHandle.open(try RedisEndpoint(url: fake.url), on: loop, logger: quiet)
        await #expect(throws: RedisError.notConnected) { try await handle.send("PING") }
        try await eventually("it tries again") { fake.connections.values.count >= 2 }
        #expect(await handle.read { !$0.isUp })
        await handle.close()
        try await fake.stop()
    }
}
