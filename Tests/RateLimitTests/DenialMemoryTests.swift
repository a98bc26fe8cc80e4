import RateLimit
import TestSupport
import Testing

@Suite("Denials that are remembered", .timeLimit(.minutes(1)))
struct DenialMemoryTests {
    @Test("They are bounded, whoever comes")
    func bounded() async throws {
        let memory = DenialMemory(capacity: 1000)
        let redis = try await RedisServer.start()
        let rule = LimitRule(name: "a", count: 1, window: .seconds(3600), burst: 1)
        let limiter = try await Limiter.redis(redis.url, rules: [rule], prefix: "gw", memory: memory)
        for caller in 0..<3000 { _ = try await limiter.charge([charge("caller \(caller)")]) }
        #expect((400...1000).contains(memory.count))
        await limiter.shutDown()
    }

    @Test("One loop's denial holds on the others")
    func shared() async throws {
        let memory = DenialMemory()
        let redis = try await RedisServer.start()
        let rule = LimitRule(name: "a", count: 1, window: .seconds(3600), burst: 1)
        let first = try await Limiter.redis(redis.url, rules: [rule], prefix: "gw", memory: memory)
        let second = try await Limiter.redis(redis.url, rules: [rule], prefix: "gw", memory: memory)
        #expect(try await first.charge([charge("x")]).allowed)
        let verdict = try await second.charge([charge("x")])
        #expect(!verdict.allowed)
        #expect(verdict.source == .memory)
        #expect(try #require(verdict.retryAfter) > .seconds(3590))
        await first.shutDown()
        await second.shutDown()
    }

    @Test("A refund ends the denial that the charge led to")
    func refund() async throws {
        let redis = try await RedisServer.start()
        let rule = LimitRule(name: "a", count: 1, window: .seconds(3600), burst: 1)
        let limiter = try await Limiter.redis(redis.url, rules: [rule], prefix: "gw", memory: DenialMemory())
        let verdict = try await limiter.charge([charge("x")])
        try await limiter.refund([charge("x")], verdict)
        #expect(try await limiter.charge([charge("x")]).allowed)
        await limiter.shutDown()
    }

    @Test("A limit that had room is not held against a caller whom another limit denied")
    func room() async throws {
        let redis = try await RedisServer.start()
        let rules = [
            LimitRule(name: "second", count: 1, window: .seconds(1), burst: 1),
            LimitRule(name: "hour", count: 1, window: .seconds(3600), burst: 1),
        ]
        let limiter = try await Limiter.redis(redis.url, rules: rules, prefix: "gw", memory: DenialMemory())
        let start = 1_790_000_000_000_000
        let both = [charge("x", rule: 0), charge("x", rule: 1)]
        #expect(try await limiter.charge(both, at: start).allowed)
        let later = start + 1_000_000
        #expect(try await !limiter.charge(both, at: later).allowed)
        #expect(try await limiter.charge([charge("x", rule: 0)], at: later).allowed)
        await limiter.shutDown()
    }
}
