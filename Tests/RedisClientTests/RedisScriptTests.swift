import NIOCore
import NIOPosix
import RedisClient
import TestSupport
import Testing

@Suite("A script call", .timeLimit(.minutes(1)))
struct RedisScriptTests {
    private static let append = RedisScript(
        name: "append",
        source: Array("return redis.call('RPUSH', KEYS[1], ARGV[1])".utf8)
    )

    @Test("The first call carries the source, later ones the name")
    func naming() async throws {
        let redis = try await RedisServer.start()
        let handle = try await connect(redis.url)
        for length in 1...3 {
            let reply = try await handle.eval(Self.append, keys: ["list"], arguments: ["x"])
            #expect(reply == .integer(length))
        }
        let statistics = try await redis.command("INFO", "commandstats")
        #expect(statistics.contains("cmdstat_eval:calls=1,"))
        #expect(statistics.contains("cmdstat_evalsha:calls=2,"))
        await handle.close()
    }

    @Test("Calls that are under way when Redis forgets the script still run, in order")
    func forgotten() async throws {
        let redis = try await RedisServer.start()
        let handle = try await connect(redis.url)
        _ = try await handle.eval(Self.append, keys: ["list"], arguments: ["0"])
        let answers = Collected<Int?>()
        await handle.read { connection in
            connection.send(["SCRIPT", "FLUSH"], timeout: .seconds(5)) { _ in }
            for number in 1...20 {
                connection.eval(Self.append, keys: ["list"], arguments: [.integer(number)], timeout: .seconds(5)) {
                    answers.add((try? $0.get())?.integer)
                }
            }
        }
        try await eventually("all are answered") { answers.values.count == 20 }
        #expect(answers.values == (2...21).map { $0 })
        let list = try await handle.send("LRANGE", "list", 0, -1)
        #expect(list.array?.compactMap(\.string) == (0...20).map { String($0) })
        await handle.close()
    }

    @Test("It needs neither SCRIPT LOAD nor the script's survival of a restart")
    func withoutLoad() async throws {
        let redis = try await RedisServer.start()
        #expect(try await redis.command("ACL", "SETUSER", "limited", "on", ">secret", "~*", "+@all", "-script") == "OK")
        let handle = try await connect("redis://limited:secret@127.0.0.1:\(redis.port)")
        #expect(try await handle.eval(Self.append, keys: ["list"], arguments: ["x"]) == .integer(1))
        #expect(try await handle.eval(Self.append, keys: ["list"], arguments: ["x"]) == .integer(2))
        await handle.close()
    }

    @Test("A script's error is told")
    func failing() async throws {
        let redis = try await RedisServer.start()
        let handle = try await connect(redis.url)
        let script = RedisScript(name: "failing", source: Array("return redis.error_reply('MINE no')".utf8))
        for _ in 0..<2 {
            await #expect(throws: RedisError.server(RedisServerError(message: "MINE no"))) {
                try await handle.eval(script)
            }
        }
        await handle.close()
    }
}
