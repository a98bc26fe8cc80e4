import NIOCore
import RateLimit
import TestSupport
import Testing

@Suite("Limits in Redis", .timeLimit(.minutes(2)))
struct RedisLimitStoreTests {
    @Test("500 calls at once over three connections: exactly the burst passes")
    func replicas() async throws {
        let redis = try await RedisServer.start()
        let rules = [LimitRule(name: "per-caller", count: 50, window: .seconds(3600), burst: 50)]
        var replicas: [Limiter] = []
        for _ in 0..<3 {
            replicas.append(
                try await Limiter.redis(redis.url, rules: rules, prefix: "gw", memory: DenialMemory())
            )
        }
        let verdicts = try await withThrowingTaskGroup(of: [LimitVerdict].self) { group in
            for (replica, times) in zip(replicas, [167, 167, 166]) {
                group.addTask { try await replica.chargeAtOnce(times, [charge("caller")]) }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(verdicts.count == 500)
        #expect(verdicts.count(where: \.allowed) == 50)
        for replica in replicas { await replica.shutDown() }
    }

    @Test("Keys carry prefix, version and limit, no caller's text, and expire")
    func keys() async throws {
        let redis = try await RedisServer.start()
        let rule = LimitRule(name: "per-ip", count: 10, window: .seconds(60), burst: 10)
        let limiter = try await Limiter.redis(redis.url, rules: [rule], prefix: "gw")
        _ = try await limiter.charge([charge("203.0.113.9")])
        let keys = try await redis.command("KEYS", "*").split(whereSeparator: \.isNewline).map(String.init).sorted()
        #expect(keys.count == 2)
        let own = try #require(keys.first { $0.hasPrefix("gw:l1:per-ip:") })
        #expect(own.count == "gw:l1:per-ip:".count + 32)
        #expect(keys.contains("gw:l1-keys:per-ip"))
        #expect((5000...6001).contains(try #require(Int(try await redis.command("PTTL", own)))))
        #expect(try #require(Int(try await redis.command("PTTL", "gw:l1-keys:per-ip"))) > 86_000_000)
        await limiter.shutDown()
    }

    @Test("A caller who hammers costs one call of Redis an interval")
    func hammering() async throws {
        let redis = try await RedisServer.start()
        let rule = LimitRule(name: "a", count: 10, window: .seconds(60), burst: 1)
        let limiter = try await Limiter.redis(redis.url, rules: [rule], prefix: "gw", memory: DenialMemory())
        let start = 1_790_000_000_000_000
        var passed = 0
        for tick in 0..<1000 {
            let verdict = try await limiter.charge([charge("x")], at: start + tick * 60_000)
            passed += verdict.allowed ? 1 : 0
            if !verdict.allowed { #expect(verdict.source == .memory) }
        }
        #expect(passed == 10)
        #expect(try await scriptCalls(redis) == 10)
        await limiter.shutDown()
    }

    @Test("When a denial runs out one call asks and the others wait for its answer")
    func asking() async throws {
        let redis = try await RedisServer.start()
        let rule = LimitRule(name: "a", count: 1, window: .seconds(1), burst: 1)
        let limiter = try await Limiter.redis(redis.url, rules: [rule], prefix: "gw", memory: DenialMemory())
        let first = try await limiter.charge([charge("x")])
        let second = try await limiter.charge([charge("x")])
        #expect(first.allowed)
        #expect(second.source == .memory)
        let verdicts = try await eventualValue("the denial runs out") {
            let verdicts = try await limiter.chargeAtOnce(100, [charge("x")])
            return verdicts.contains(where: \.allowed) ? verdicts : nil
        }
        #expect(verdicts.count(where: \.allowed) == 1)
        #expect(try await scriptCalls(redis) == 2)
        await limiter.shutDown()
    }

    @Test("Production asks Redis for the time")
    func redisTime() async throws {
        let redis = try await RedisServer.start()
        let rule = LimitRule(name: "a", count: 1, window: .seconds(2), burst: 1)
        let limiter = try await Limiter.redis(redis.url, rules: [rule], prefix: "gw")
        #expect(try await limiter.charge([charge("x")]).allowed)
        let denied = try await limiter.charge([charge("x")])
        #expect(!denied.allowed)
        #expect(try #require(denied.retryAfter) <= .seconds(2))
        try await eventually("the interval passes") { try await limiter.charge([charge("x")]).allowed }
        await limiter.shutDown()
    }

    private func scriptCalls(_ redis: RedisServer) async throws -> Int {
        let statistics = try await redis.command("INFO", "commandstats").split(whereSeparator: \.isNewline)
        return statistics.filter { $0.hasPrefix("cmdstat_eval") }.compactMap { line in
            // cmdstat_evalsha:calls=9,usec=…
            line.split(separator: "=").dropFirst().first.flatMap { Int($0.prefix(while: \.isNumber)) }
        }.reduce(0, +)
    }
}
