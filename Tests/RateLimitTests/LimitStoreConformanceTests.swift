import NIOCore
import RateLimit
import TestSupport
import Testing

/// What every store does, whatever it keeps its values in. Time is passed in.
@Suite("Every limit store", .timeLimit(.minutes(4)))
struct LimitStoreConformanceTests {
    enum Kind: CaseIterable, CustomTestStringConvertible {
        case embedded, redis, cluster
        var testDescription: String { "\(self)" }
    }

    /// A moment, in microseconds: like a time of day, so that a store gets numbers as large as they will be.
    private static let start = 1_790_000_000_000_000
    private static let second = 1_000_000

    private func withLimiter(
        _ kind: Kind,
        _ rules: [LimitRule],
        _ body: (Limiter) async throws -> Void
    ) async throws {
        switch kind {
        case .embedded: try await body(try await Limiter.embedded(rules: rules))
        case .cluster:
            let url = try await SharedCluster.cluster.url
            let limiter = try await Limiter.redis(url, rules: rules, prefix: SharedCluster.prefix())
            try await body(limiter)
            await limiter.shutDown()
        case .redis:
            let redis = try await RedisServer.start()
            let limiter = try await Limiter.redis(redis.url, rules: rules, prefix: "test")
            try await body(limiter)
            await limiter.shutDown()
            try await redis.stop()
        }
    }

    @Test("Exactly a burst passes within one interval, then one an interval", arguments: Kind.allCases, [1, 3, 10])
    func burst(kind: Kind, size: Int) async throws {
        let rule = LimitRule(name: "a", count: 10, window: .seconds(60), burst: size)
        try await withLimiter(kind, [rule]) { limiter in
            var passed = 0
            for step in 0..<2 * size + 2 {
                let verdict = try await limiter.charge([charge("x")], at: Self.start + step)
                passed += verdict.allowed ? 1 : 0
            }
            #expect(passed == size)
            let early = try await limiter.charge([charge("x")], at: Self.start + 6 * Self.second - 1)
            let due = try await limiter.charge([charge("x")], at: Self.start + 6 * Self.second)
            let again = try await limiter.charge([charge("x")], at: Self.start + 6 * Self.second)
            #expect(!early.allowed)
            #expect(due.allowed)
            #expect(!again.allowed)
        }
    }

    @Test("Remaining, reset and retry tell what will happen", arguments: Kind.allCases)
    func state(kind: Kind) async throws {
        let rule = LimitRule(name: "a", count: 10, window: .seconds(60), burst: 3)
        try await withLimiter(kind, [rule]) { limiter in
            func look(_ seconds: Int) async throws -> LimitState {
                let verdict = try await limiter.charge([charge("x")], at: Self.start + seconds * Self.second)
                return try #require(verdict.states.first)
            }
            var states: [LimitState] = []
            for second in [0, 1, 2, 3, 6, 1000] { states.append(try await look(second)) }
            let expected = [
                LimitState(ruleIndex: 0, remaining: 2, resetAfter: .seconds(6)),
                LimitState(ruleIndex: 0, remaining: 1, resetAfter: .seconds(5)),
                LimitState(ruleIndex: 0, remaining: 0, resetAfter: .seconds(4)),
                LimitState(ruleIndex: 0, remaining: 0, resetAfter: .seconds(3), retryAfter: .seconds(3)),
                LimitState(ruleIndex: 0, remaining: 0, resetAfter: .seconds(6)),
                LimitState(ruleIndex: 0, remaining: 2, resetAfter: .seconds(6)),
            ]
            #expect(states == expected)
        }
    }

    @Test(
        "Over any time no more than burst + time × rate pass, and under constant demand no fewer than that less one",
        arguments: Kind.allCases,
        [7, 60, 11_000]
    )
    func longRun(kind: Kind, count: Int) async throws {
        let rule = LimitRule(name: "a", count: count, window: .seconds(60), burst: 5)
        try await withLimiter(kind, [rule]) { limiter in
            var passed = 0
            let step = 60 * Self.second / (3 * count)
            for tick in 0...3000 {
                let elapsed = tick * step
                if try await limiter.charge([charge("x")], at: Self.start + elapsed).allowed { passed += 1 }
                let bound = 5 + Double(elapsed) * Double(count) / 60e6
                #expect(Double(passed) <= bound)
                if tick > 15 { #expect(Double(passed) >= bound - 1 - Double(step) * Double(count) / 60e6) }
            }
        }
    }

    @Test("Nothing drifts: an interval that is no whole number adds up to the window", arguments: Kind.allCases)
    func noDrift(kind: Kind) async throws {
        let rule = LimitRule(name: "a", count: 7, window: .seconds(1), burst: 1)
        try await withLimiter(kind, [rule]) { limiter in
            var now = Self.start
            var passed = 0
            while now < Self.start + 30 * Self.second {
                let verdict = try await limiter.charge([charge("x")], at: now)
                #expect(verdict.allowed)
                passed += 1
                let wait = try #require(verdict.states.first).resetAfter
                now += Int(wait / .microseconds(1))
            }
            #expect(passed == 7 * 30)
        }
    }

    @Test("One that denies keeps the others from being charged", arguments: Kind.allCases)
    func allOrNothing(kind: Kind) async throws {
        let rules = [
            LimitRule(name: "wide", count: 60, window: .seconds(60), burst: 60),
            LimitRule(name: "narrow", count: 1, window: .seconds(60), burst: 1),
        ]
        try await withLimiter(kind, rules) { limiter in
            let both = [charge("x", rule: 0), charge("x", rule: 1)]
            let first = try await limiter.charge(both, at: Self.start)
            #expect(first.allowed)
            #expect(first.states.map(\.remaining) == [59, 0])
            for _ in 0..<5 {
                let denied = try await limiter.charge(both, at: Self.start)
                #expect(!denied.allowed)
                #expect(denied.states.map(\.remaining) == [59, 0])
                #expect(denied.states.map(\.retryAfter) == [nil, .seconds(60)])
                #expect(denied.retryAfter == .seconds(60))
            }
            let alone = try await limiter.charge([charge("x", rule: 0)], at: Self.start)
            #expect(alone.states.map(\.remaining) == [58])
        }
    }

    @Test("Callers and limits do not touch each other", arguments: Kind.allCases)
    func separate(kind: Kind) async throws {
        let rules = ["a", "b"].map { LimitRule(name: $0, count: 1, window: .seconds(60), burst: 1) }
        try await withLimiter(kind, rules) { limiter in
            for caller in ["x", "y", "", String(repeating: "long", count: 10_000)] {
                for rule in 0...1 {
                    let first = try await limiter.charge([charge(caller, rule: rule)], at: Self.start)
                    let second = try await limiter.charge([charge(caller, rule: rule)], at: Self.start)
                    #expect(first.allowed)
                    #expect(!second.allowed)
                }
            }
        }
    }

    @Test("A refund gives back one call, and no more than the burst", arguments: Kind.allCases)
    func refund(kind: Kind) async throws {
        let rule = LimitRule(name: "a", count: 7, window: .seconds(60), burst: 2)
        try await withLimiter(kind, [rule]) { limiter in
            let caller = [charge("x")]
            let first = try await limiter.charge(caller, at: Self.start)
            _ = try await limiter.charge(caller, at: Self.start)
            #expect(try await !limiter.charge(caller, at: Self.start).allowed)
            try await limiter.refund(caller, first, at: Self.start)
            #expect(try await limiter.charge(caller, at: Self.start).allowed)
            let denied = try await limiter.charge(caller, at: Self.start)
            #expect(!denied.allowed)
            try await limiter.refund(caller, denied, at: Self.start)
            #expect(try await !limiter.charge(caller, at: Self.start).allowed)
            for _ in 0..<5 { try await limiter.refund(caller, first, at: Self.start) }
            let whole = try await limiter.charge(caller, at: Self.start)
            #expect(whole.states.map(\.remaining) == [1])
        }
    }

    @Test("A clock that is set back denies for a burst's time at most, and frees nothing", arguments: Kind.allCases)
    func clockSetBack(kind: Kind) async throws {
        let rule = LimitRule(name: "a", count: 10, window: .seconds(60), burst: 2)
        try await withLimiter(kind, [rule]) { limiter in
            let later = Self.start + 86_400 * Self.second
            _ = try await limiter.charge([charge("x")], at: later)
            let denied = try await limiter.charge([charge("x")], at: Self.start)
            #expect(!denied.allowed)
            #expect(denied.retryAfter == .seconds(6))
            #expect(try await !limiter.charge([charge("x")], at: Self.start + 6 * Self.second - 1).allowed)
            #expect(try await limiter.charge([charge("x")], at: Self.start + 6 * Self.second).allowed)
        }
    }

    @Test(
        "Above max_keys new callers share, known ones keep their own, and room is found again",
        arguments: Kind.allCases
    )
    func sharedKeys(kind: Kind) async throws {
        let rule = LimitRule(name: "a", count: 10, window: .seconds(60), burst: 10, maxKeys: 100)
        try await withLimiter(kind, [rule]) { limiter in
            var shared: [Bool] = []
            for caller in 0..<300 {
                let verdict = try await limiter.charge([charge("caller \(caller)")], at: Self.start)
                #expect(verdict.allowed)
                shared.append(try #require(verdict.states.first).isShared)
            }
            #expect(shared == (0..<300).map { $0 >= 100 })

            let known = try await limiter.charge([charge("caller 5")], at: Self.start)
            #expect(known.states.first?.isShared == false)
            #expect(known.states.first?.remaining == 8)
            let sharing = try await limiter.charge([charge("caller 250")], at: Self.start)
            #expect(sharing.states.first?.isShared == true)
            #expect(sharing.states.first?.remaining == 8)

            // All but caller 5's keys are over after one interval.
            let later = Self.start + 7 * Self.second
            var own = 0
            for caller in 1000..<1300 {
                let verdict = try await limiter.charge([charge("caller \(caller)")], at: later)
                own += verdict.states.first?.isShared == false ? 1 : 0
            }
            #expect(own == 99)
        }
    }

    @Test("Callers who share a key have one burst together", arguments: Kind.allCases)
    func sharedBurst(kind: Kind) async throws {
        let rule = LimitRule(name: "a", count: 1, window: .seconds(60), burst: 1, maxKeys: 1)
        try await withLimiter(kind, [rule]) { limiter in
            _ = try await limiter.charge([charge("first")], at: Self.start)
            var denied = 0
            for caller in 0..<2000 {
                if try await !limiter.charge([charge("caller \(caller)")], at: Self.start).allowed { denied += 1 }
            }
            // Of 2,000 callers on 65,536 keys some 30 meet another: n²/2k.
            #expect((10...60).contains(denied))
        }
    }
}
