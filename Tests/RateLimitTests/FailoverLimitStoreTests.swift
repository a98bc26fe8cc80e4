import Hashing
import NIOCore
import NIOPosix
import RateLimit
import RedisClient
import TestSupport
import Testing

/// Stands in for Redis: answers as the test says.
private final class ScriptedStore: LimitStore {
    let rules: [LimitRule]
    var isDown = true
    var refunds = 0

    init(rules: [LimitRule]) { self.rules = rules }

    func charge(_ charges: [LimitCharge], at now: Int?, _ done: @escaping Completion) {
        done(isDown ? .failure(.unavailable(.timedOut)) : .success(LimitVerdict(allowed: true, states: [])))
    }

    func refund(_ charges: [LimitCharge], _ verdict: LimitVerdict, at now: Int?) { refunds += 1 }
}

@Suite("When Redis is gone")
struct FailoverLimitStoreTests {
    private static let rules = [LimitRule(name: "a", count: 10, window: .seconds(60), burst: 10)]

    private func decide(_ store: FailoverLimitStore, at now: Int = 0) -> Result<LimitVerdict, LimitError>? {
        var answer: Result<LimitVerdict, LimitError>?
        store.charge([charge("x")], at: now) { answer = $0 }
        return answer
    }

    private func store(_ policy: FailoverLimitStore.Policy, replicas: Int = 3) -> (FailoverLimitStore, ScriptedStore) {
        let primary = ScriptedStore(rules: Self.rules)
        let share = EmbeddedLimitStore(rules: Self.rules)
        return (FailoverLimitStore(primary: primary, policy: policy, share: share) { replicas }, primary)
    }

    @Test("local: a replica lets its part pass", arguments: [(1, 10), (3, 3), (4, 2), (50, 1), (0, 10)])
    func local(replicas: Int, part: Int) throws {
        let (store, _) = store(.local, replicas: replicas)
        let verdicts = try (0..<20).map { _ in try #require(try decide(store)?.get()) }
        #expect(verdicts.count(where: \.allowed) == part)
        #expect(verdicts.allSatisfy { $0.source == .share })
        let interval = 6_000_000 * max(1, replicas)
        #expect(try decide(store, at: interval - 1)?.get().allowed == false)
        #expect(try decide(store, at: interval)?.get().allowed == true)
        #expect(store.failures == 22)
    }

    @Test("open: all pass")
    func open() throws {
        let (store, _) = store(.open)
        let verdict = try #require(try decide(store)?.get())
        #expect(verdict == LimitVerdict(allowed: true, states: [], source: .open))
    }

    @Test("closed: the failure is told")
    func closed() {
        let (store, _) = store(.closed)
        #expect(decide(store) == .failure(.unavailable(.timedOut)))
    }

    @Test("A refund goes to whoever decided")
    func refunds() throws {
        let (store, primary) = store(.local, replicas: 10)
        let verdict = try #require(try decide(store)?.get())
        #expect(try decide(store)?.get().allowed == false)
        store.refund([charge("x")], verdict, at: 0)
        #expect(try decide(store)?.get().allowed == true)
        #expect(primary.refunds == 0)
        primary.isDown = false
        let decided = try #require(try decide(store)?.get())
        #expect(decided.source == .store)
        store.refund([charge("x")], decided, at: 0)
        #expect(primary.refunds == 1)
    }

    @Test("With a real Redis: it is used again as soon as it is back", .timeLimit(.minutes(1)))
    func comesBack() async throws {
        let redis = try await RedisServer.start()
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let handle = await RedisHandle.open(try RedisEndpoint(url: redis.url), on: loop, logger: quiet)
        try await eventually("connected") { await handle.read { $0.isUp } }
        let store = await handle.read { connection in
            let primary = RedisLimitStore(
                connection: connection,
                rules: Self.rules,
                prefix: "gw",
                timeout: .milliseconds(500)
            )
            let share = EmbeddedLimitStore(rules: Self.rules)
            return NIOLoopBound(
                FailoverLimitStore(primary: primary, policy: .local, share: share) { 2 },
                eventLoop: loop
            )
        }
        func source() async throws -> LimitVerdict.Source {
            let promise = loop.makePromise(of: LimitVerdict.self)
            loop.execute {
                store.value.charge([charge("x")]) { promise.completeWith($0.mapError { $0 as any Error }) }
            }
            return try await promise.futureResult.get().source
        }
        #expect(try await source() == .store)
        try await redis.kill()
        try await eventually("the share decides") { try await source() == .share }
        try await redis.start()
        try await eventually("Redis decides", within: .seconds(3)) { try await source() == .store }
        await handle.close()
    }
}
