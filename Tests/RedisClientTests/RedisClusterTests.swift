import NIOCore
import NIOPosix
import RedisClient
import TestSupport
import Testing

@Suite("A connection to a cluster", .serialized, .timeLimit(.minutes(8)))
struct RedisClusterTests {
    private static let increment = RedisScript(
        name: "increment",
        source: Array(
            "local sum = 0 for _, key in ipairs(KEYS) do sum = sum + redis.call('INCR', key) end return sum".utf8
        )
    )

    /// A key whose slot lies with this master.
    private static func key(of shard: Int, shards: Int = 3) -> String {
        KeySlot.evenTags(prefix: "k", count: 4 * shards).first {
            Int(KeySlot($0).number) * shards / KeySlot.count == shard
        } ?? ""
    }

    private static func nodes(_ url: String, on loop: any EventLoop) async throws -> RedisHandle {
        let handle = try await connect(url, on: loop)
        for shard in 0..<3 {
            try await eventually("every master is reached") {
                (try? await handle.send("GET", .text(key(of: shard)))) != nil
            }
        }
        return handle
    }

    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    @Test("Commands and scripts go to where their keys lie, from any node that the URL names")
    func routes() async throws {
        let cluster = try await RedisCluster.start()
        // The first place is nobody's.
        let handle = try await Self.nodes(
            "redis+cluster://127.0.0.1:\(freePort()),127.0.0.1:\(cluster.masters[1].port)",
            on: loop
        )
        for number in 0..<300 {
            let key = "key \(number)"
            #expect(try await handle.send("SET", .text(key), .integer(number)) == .status("OK"))
            #expect(try await handle.eval(Self.increment, keys: [key]) == .integer(number + 1))
        }
        var counts: [Int] = []
        for master in cluster.masters { counts.append(try #require(Int(try await master.command("DBSIZE")))) }
        #expect(counts.reduce(0, +) == 300)
        #expect(counts.allSatisfy { $0 > 50 })
        let key = "key 7"
        #expect(try await cluster.masters[cluster.shard(of: key)].command("GET", key) == "8")
        let counters = await handle.read { $0.counters }
        #expect(counters.redirects == 0)
        #expect(counters.serverErrors == 0)
        #expect(await handle.read { $0.server?.evictionPolicy } == "noeviction")
        await handle.close()
        try await cluster.stop()
    }

    @Test("A command follows a slot that moved, one that is on its way, and waits where keys lie apart")
    func redirections() async throws {
        let cluster = try await RedisCluster.start()
        let handle = try await Self.nodes(cluster.url, on: loop)
        let tag = Self.key(of: 0)
        let (first, second) = ("{\(tag)}1", "{\(tag)}2")
        let slot = String(KeySlot(tag).number)
        let (from, to) = (cluster.masters[0], cluster.masters[1])
        let (fromID, toID) = (try await from.command("CLUSTER", "MYID"), try await to.command("CLUSTER", "MYID"))
        for key in [first, second] { try await handle.send("SET", .text(key), "1") }

        try await to.command("CLUSTER", "SETSLOT", slot, "IMPORTING", fromID)
        try await from.command("CLUSTER", "SETSLOT", slot, "MIGRATING", toID)
        try await from.command("MIGRATE", "127.0.0.1", String(to.port), first, "0", "5000")
        // ASK: the key is there already.
        #expect(try await handle.send("INCR", .text(first)) == .integer(2))
        #expect(try await handle.eval(Self.increment, keys: [first]) == .integer(3))
        // TRYAGAIN: one is here and one is there, until the other follows.
        async let both = handle.eval(Self.increment, keys: [first, second], timeout: .seconds(10))
        try await eventually("it was sent on") { await handle.read { $0.counters.redirects } >= 3 }
        try await from.command("MIGRATE", "127.0.0.1", String(to.port), second, "0", "5000")
        #expect(try await both == .integer(4 + 2))
        // MOVED.
        for node in [to, from] { try await node.command("CLUSTER", "SETSLOT", slot, "NODE", toID) }
        #expect(try await handle.send("INCR", .text(second)) == .integer(3))
        let redirects = await handle.read { $0.counters.redirects }
        #expect(try await handle.send("INCR", .text(second)) == .integer(4))
        #expect(await handle.read { $0.counters.redirects } == redirects)
        #expect(await handle.read { $0.counters.serverErrors } == 0)
        await handle.close()
        try await cluster.stop()
    }

    @Test("A master that dies fails its own slots only, and they are served again once its replica is promoted")
    func failover() async throws {
        let cluster = try await RedisCluster.start(replicas: 1)
        let handle = try await Self.nodes(cluster.url, on: loop)
        let keys = (0..<3).map { Self.key(of: $0) }
        for key in keys { try await handle.send("SET", .text(key), "1") }
        let replica = cluster.replicas[0][0]
        try await eventually("the replica has it") { try await replica.command("DBSIZE") == "1" }
        try await cluster.masters[0].kill()
        try await eventually("its slots fail") { (try? await handle.send("INCR", .text(keys[0]))) == nil }
        await #expect(throws: RedisError.notConnected) { try await handle.send("GET", .text(keys[0])) }
        for key in keys[1...] { #expect(try await handle.send("INCR", .text(key)) == .integer(2)) }
        #expect(await handle.read { $0.isUp })
        try await cluster.waitUntilMaster(replica)
        try await eventually("its slots are served again", within: .seconds(2)) {
            try await handle.send("EXISTS", .text(keys[0])) == .integer(1)
        } orRetry: {
            $0 is RedisError
        }
        for key in keys[1...] { #expect(try await handle.send("INCR", .text(key)) == .integer(3)) }
        await handle.close()
        try await cluster.stop()
    }

    @Test("It is down when no master is left, and up again by itself")
    func allGone() async throws {
        let cluster = try await RedisCluster.start()
        let handle = try await Self.nodes(cluster.url, on: loop)
        for master in cluster.masters { try await master.kill() }
        try await eventually("it is down") { await handle.read { !$0.isUp } }
        for master in cluster.masters { try await master.start() }
        try await cluster.waitUntilWell()
        try await eventually("all is served again", within: .seconds(2)) {
            for shard in 0..<3 { _ = try await handle.send("GET", .text(Self.key(of: shard))) }
            return true
        } orRetry: {
            $0 is RedisError
        }
        await handle.close()
        try await cluster.stop()
    }

    @Test("A password opens every node")
    func password() async throws {
        let cluster = try await RedisCluster.start(password: "secret")
        let handle = try await Self.nodes(cluster.url(credentials: ":secret@"), on: loop)
        #expect(try await handle.send("SET", .text(Self.key(of: 2)), "1") == .status("OK"))
        await handle.close()
        try await cluster.stop()
    }

    @Test("With a home it is one connection, which follows the slot and tells whose run id it is")
    func home() async throws {
        let cluster = try await RedisCluster.start(replicas: 1)
        let key = Self.key(of: 1)
        let endpoint = try RedisEndpoint(url: cluster.url)
        let told = Collected<String?>()
        let connection = try await loop.submit { [loop] in
            let connection = RedisConnection(endpoint: endpoint, home: key, eventLoop: loop, logger: quiet) { state in
                if case .up(let server) = state { told.add(server.runID) } else { told.add(nil) }
            }
            return RedisHandle(connection)
        }.get()
        func runID(of server: RedisServer) async throws -> String {
            let lines = try await server.command("INFO", "server").split(whereSeparator: \.isNewline)
            return lines.first { $0.hasPrefix("run_id:") }.map { String($0.dropFirst(7)) } ?? ""
        }
        let first = try await runID(of: cluster.masters[1])
        let second = try await runID(of: cluster.replicas[1][0])
        try await eventually("it is up") { told.values == [first] }
        #expect(try await connection.send("INCR", .text(key)) == .integer(1))
        // Another slot's key is refused where it is asked, and not sent on.
        let other = Self.key(of: 0)
        let error = await #expect(throws: RedisError.self) { try await connection.send("GET", .text(other)) }
        guard case .server(let refusal) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(refusal.code == "MOVED")
        try await eventually("it looked for its slot again, and found it") { told.values == [first, nil, first] }
        // The replica takes over, in order: nobody is lost, and the old master says whom to ask.
        try await cluster.replicas[1][0].command("CLUSTER", "FAILOVER")
        try await cluster.waitUntilMaster(cluster.replicas[1][0])
        try await eventually("it follows", within: .seconds(5)) {
            _ = try? await connection.send("GET", .text(key))
            return told.values == [first, nil, first, nil, second]
        }
        #expect(try await connection.send("INCR", .text(key)) == .integer(2))
        await connection.close()
        try await cluster.stop()
    }
}

/// Polls until `condition` holds; what `isPassing` takes for a sign of the way there is no end of it.
func eventually(
    _ what: String,
    within limit: Duration,
    isolation: isolated (any Actor)? = #isolation,
    _ condition: () async throws -> Bool,
    orRetry isPassing: (any Error) -> Bool
) async throws {
    try await eventually(what, within: limit) {
        do {
            return try await condition()
        } catch  where isPassing(error) {
            return false
        }
    }
}
