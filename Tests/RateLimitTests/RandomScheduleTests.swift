import RateLimit
import TestSupport
import Testing

@Suite("Redis and the embedded store", .timeLimit(.minutes(2)))
struct RandomScheduleTests {
    /// The next one of a schedule: some of the limits for one of 15 callers, a moment after the last, or much later.
    private static func request(
        of rules: [LimitRule],
        at now: inout Int,
        _ random: inout SeededGenerator
    ) -> [LimitCharge] {
        now += random.int(0...9) == 0 ? random.int(0...60_000_000) : 1000
        let caller = "caller \(random.int(0...14))"
        return rules.indices.filter { _ in Bool.random(using: &random) }.map { charge(caller, rule: $0) }
    }

    @Test("They decide any schedule alike, with and without a memory of denials", arguments: 0..<8)
    func alike(seed: Int) async throws {
        var random = SeededGenerator(seed: seed)
        // Who shares a key and then gets one of its own has room that a remembered denial does not know of.
        let isCrowded = seed.isMultiple(of: 2)
        let rules = (0..<3).map { index in
            LimitRule(
                name: "rule \(index)",
                count: Int.random(in: 1...50, using: &random),
                window: .milliseconds(Int.random(in: 50_000...500_000, using: &random)),
                burst: Int.random(in: 1...12, using: &random),
                maxKeys: Int.random(in: 3...12, using: &random)
            )
        }
        let redis = try await RedisServer.start()
        let plain = try await Limiter.redis(redis.url, rules: rules, prefix: "plain")
        let remembering = try await Limiter.redis(
            redis.url,
            rules: rules,
            prefix: "remembering",
            memory: DenialMemory()
        )
        let embedded = try await Limiter.embedded(rules: rules)

        var now = 1_790_000_000_000_000
        for step in 0..<1200 {
            let charges = Self.request(of: rules, at: &now, &random)
            let expected = try await embedded.charge(charges, at: now)
            let decided = try await plain.charge(charges, at: now)
            let remembered = try await remembering.charge(charges, at: now)
            try #require(decided == expected, "seed \(seed), step \(step)")
            try #require(isCrowded || remembered.allowed == expected.allowed, "seed \(seed), step \(step)")
            if expected.allowed && Int.random(in: 0..<8, using: &random) == 0 {
                try await embedded.refund(charges, expected, at: now)
                try await plain.refund(charges, decided, at: now)
                try await remembering.refund(charges, remembered, at: now)
            }
        }
        await plain.shutDown()
        await remembering.shutDown()
        try await redis.stop()
    }

    @Test(
        "A cluster decides any schedule as one Redis does, whatever slots a request's limits lie in",
        arguments: 0..<4
    )
    func cluster(seed: Int) async throws {
        var random = SeededGenerator(seed: seed)
        let rules = (0..<5).map { index in
            LimitRule(
                name: "rule \(index)",
                count: Int.random(in: 1...50, using: &random),
                window: .milliseconds(Int.random(in: 50_000...500_000, using: &random)),
                burst: Int.random(in: 1...12, using: &random)
            )
        }
        let url = try await SharedCluster.cluster.url
        let limiter = try await Limiter.redis(url, rules: rules, prefix: SharedCluster.prefix())
        let embedded = try await Limiter.embedded(rules: rules)
        var now = 1_790_000_000_000_000
        for step in 0..<1200 {
            let charges = Self.request(of: rules, at: &now, &random)
            let expected = try await embedded.charge(charges, at: now)
            let decided = try await limiter.charge(charges, at: now)
            try #require(decided == expected, "seed \(seed), step \(step)")
            if expected.allowed && Int.random(in: 0..<8, using: &random) == 0 {
                try await embedded.refund(charges, expected, at: now)
                try await limiter.refund(charges, decided, at: now)
            }
        }
        await limiter.shutDown()
    }
}
