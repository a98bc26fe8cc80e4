import NIOCore
import NIOPosix
import RedisClient
import TestSupport
import Testing

@Suite("A connection by sentinels", .serialized, .timeLimit(.minutes(8)))
struct RedisSentinelTests {
    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    @Test("It goes to the master that they name, with the master's password and database")
    func master() async throws {
        let sentinels = try await RedisSentinels.start(password: "secret")
        // The first of them is nobody.
        let url = sentinels.url(credentials: ":secret@127.0.0.1:\(freePort()),") + "/3"
        let handle = try await connect(url, on: loop)
        #expect(try await handle.send("SET", "key", "value") == .status("OK"))
        #expect(try await sentinels.master.command("-n", "3", "GET", "key") == "value")
        await handle.close()
        try await sentinels.stop()
    }

    @Test("When the master dies it goes to the one that was promoted")
    func death() async throws {
        let sentinels = try await RedisSentinels.start()
        let handle = try await connect(sentinels.url, on: loop)
        let first = await handle.read { $0.serverRunID }
        try await handle.send("SET", "key", "1")
        try await eventually("the replica has it") { try await sentinels.replica.command("EXISTS", "key") == "1" }
        try await sentinels.master.kill()
        try await eventually("the replica is promoted", within: .seconds(20)) {
            try await sentinels.replica.command("ROLE").hasPrefix("master")
        }
        try await eventually("it goes there", within: .seconds(3)) {
            try await handle.send("INCR", "key") == .integer(2)
        } orRetry: {
            $0 is RedisError
        }
        #expect(await handle.read { $0.serverRunID } != first)
        await handle.close()
        try await sentinels.stop()
    }

    @Test("When the sentinels switch masters connection and subscriber leave the old one, which lives on")
    func switching() async throws {
        let sentinels = try await RedisSentinels.start()
        let handle = try await connect(sentinels.url, on: loop)
        let endpoint = try RedisEndpoint(url: sentinels.url)
        let heard = Collected<String>()
        let confirmed = Collected<Void>()
        let subscriber = try await loop.submit { [loop] in
            let subscriber = RedisSubscriber(endpoint: endpoint, eventLoop: loop, logger: quiet)
            subscriber.subscribe("news", onSubscribed: { confirmed.add(()) }) { heard.add(String(buffer: $0)) }
            return NIOLoopBound(subscriber, eventLoop: loop)
        }.get()
        try await eventually("it is confirmed") { confirmed.values.count == 1 }
        try await sentinels.failOver()
        try await eventually("the replica is promoted", within: .seconds(20)) {
            try await sentinels.replica.command("ROLE").hasPrefix("master")
        }
        try await eventually("writes go there", within: .seconds(10)) {
            _ = try await handle.send("SET", "key", "new")
            return try await sentinels.replica.command("GET", "key") == "new"
        } orRetry: {
            $0 is RedisError
        }
        try await eventually("it listens there", within: .seconds(10)) {
            try await sentinels.replica.command("PUBLISH", "news", "hello") == "1"
        }
        try await eventually("it is heard") { heard.values.contains("hello") }
        await handle.close()
        try await loop.submit { subscriber.value.close() }.get()
        try await sentinels.stop()
    }

    @Test("A master that was demoted behind the sentinels' back is left at the first refused write")
    func demoted() async throws {
        let sentinels = try await RedisSentinels.start()
        let handle = try await connect(sentinels.url, on: loop)
        let disconnects = await handle.read { $0.counters.disconnects }
        try await sentinels.master.command("REPLICAOF", "127.0.0.1", String(sentinels.replica.port))
        await #expect(throws: RedisError.self) { try await handle.send("SET", "key", "1") }
        try await eventually("it asks again") { await handle.read { $0.counters.disconnects } > disconnects }
        #expect(await handle.read { !$0.isUp })
        try await eventually("it is back with a master", within: .seconds(30)) {
            _ = try await handle.send("SET", "key", "2")
            return true
        } orRetry: {
            $0 is RedisError
        }
        await handle.close()
        try await sentinels.stop()
    }
}
