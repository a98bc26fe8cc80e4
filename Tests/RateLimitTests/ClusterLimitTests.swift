import NIOCore
import RateLimit
import RedisClient
import TestSupport
import Testing

@Suite("Limits on a cluster", .timeLimit(.minutes(8)))
struct ClusterLimitTests {
    private static let wide = LimitRule(name: "wide", count: 1000, window: .seconds(3600), burst: 1000)
    private static let narrow = LimitRule(name: "narrow", count: 50, window: .seconds(3600), burst: 50)

    private func replicas(_ count: Int, _ rules: [LimitRule], _ url: String, _ prefix: String) async throws -> [Limiter]
    {
        var replicas: [Limiter] = []
        for _ in 0..<count {
            replicas.append(try await Limiter.redis(url, rules: rules, prefix: prefix, memory: DenialMemory()))
        }
        return replicas
    }

    @Test("500 calls at once over three replicas: exactly the burst passes, and the wider limit is charged as often")
    func exact() async throws {
        let prefix = SharedCluster.prefix()
        let url = try await SharedCluster.cluster.url
        let replicas = try await replicas(3, [Self.wide, Self.narrow], url, prefix)
        // Any caller whose two limits lie in different slots, as most have.
        let both = [charge("caller", rule: 0), charge("caller", rule: 1)]
        let verdicts = try await withThrowingTaskGroup(of: [LimitVerdict].self) { group in
            for (replica, times) in zip(replicas, [167, 167, 166]) {
                group.addTask { try await replica.chargeAtOnce(times, both) }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(verdicts.count == 500)
        #expect(verdicts.count(where: \.allowed) == 50)
        // Every refund has arrived: this call comes behind them on each connection.
        for replica in replicas { _ = try await replica.charge([charge("other", rule: 0)]) }
        try await eventually("all refunds have arrived") {
            let verdict = try await replicas[0].charge([both[0]])
            try await replicas[0].refund([both[0]], verdict)
            return verdict.states.first?.remaining == 1000 - 51
        }
        for replica in replicas { await replica.shutDown() }
    }

    @Test("A charge that is taken back is room within a second, where a replica remembers that there was none")
    func takenBack() async throws {
        // Few callers: one part, so that a limit's commands come in order.
        let rules = ["one", "two"].map {
            LimitRule(name: $0, count: 1, window: .seconds(3600), burst: 1, maxKeys: 100)
        }
        let url = try await SharedCluster.cluster.url
        let replicas = try await replicas(2, rules, url, SharedCluster.prefix())
        let one = [charge("caller")]
        let start = 1_790_000_000_000_000
        let taken = try await replicas[0].charge(one, at: start)
        #expect(taken.allowed)
        #expect(try await !replicas[1].charge(one, at: start).allowed)
        try await replicas[0].refund(one, taken, at: start)
        _ = try await replicas[0].charge([charge("behind the refund")], at: start)
        let remembered = try await replicas[1].charge(one, at: start + 999_999)
        #expect(remembered.source == .memory)
        #expect(try #require(remembered.retryAfter) > .seconds(3598))
        #expect(try await replicas[1].charge(one, at: start + 1_000_000).allowed)
        for replica in replicas { await replica.shutDown() }
    }

    @Test("A limit's callers spread over all shards")
    func spread() async throws {
        let cluster = try await RedisCluster.start()
        let limiter = try await Limiter.redis(cluster.url, rules: [Self.narrow], prefix: "gw")
        let verdicts = try await limiter.chargeAll((0..<600).map { [charge("caller \($0)")] })
        #expect(verdicts.count(where: \.allowed) == 600)
        var counts: [Int] = []
        for master in cluster.masters {
            let keys = try await master.command("KEYS", "gw:{l1:narrow:*").split(whereSeparator: \.isNewline)
            counts.append(keys.count { !$0.hasSuffix(":keys") })
        }
        #expect(counts.reduce(0, +) == 600)
        #expect(counts.allSatisfy { $0 > 100 })
        await limiter.shutDown()
        try await cluster.stop()
    }

    @Test("Where a rule's keys lie in several parts they are max_keys together, within 5 %")
    func maximumKeys() async throws {
        let rule = LimitRule(name: "a", count: 10, window: .seconds(3600), burst: 10, maxKeys: 16_000)
        let limiter = try await Limiter.redis(
            SharedCluster.cluster.url,
            rules: [rule],
            prefix: SharedCluster.prefix()
        )
        let start = 1_790_000_000_000_000
        var shared: [Bool] = []
        for first in stride(from: 0, to: 20_000, by: 1000) {
            let requests = (first..<first + 1000).map { [charge("caller \($0)")] }
            shared += try await limiter.chargeAll(requests, at: start).map { $0.states.first?.isShared ?? false }
        }
        let firstShared = try #require(shared.firstIndex(of: true))
        #expect((15_200...16_000).contains(firstShared))
        #expect(shared.count { !$0 } == 16_000)
        await limiter.shutDown()
    }

    @Test("A shard that is away fails the limits that it holds; what others were charged is given back")
    func away() async throws {
        let cluster = try await RedisCluster.start()
        let rules = (0..<12).map {
            LimitRule(name: "rule\($0)", count: 5, window: .seconds(3600), burst: 5, maxKeys: 100)
        }
        let limiter = try await Limiter.redis(cluster.url, rules: rules, prefix: "gw")
        var held: [[Int]] = [[], [], []]
        for rule in rules.indices { held[try await cluster.shard(of: "gw:{l1:rule\(rule):0}:")].append(rule) }
        let (there, away) = (try #require(held[1].first), try #require(held[2].first))
        try await cluster.masters[2].kill()
        let both = [charge("x", rule: there), charge("x", rule: away)]
        try await eventually("the shard is missed") { (try? await limiter.charge([both[1]])) == nil }
        for _ in 0..<20 {
            await #expect(throws: LimitError.unavailable(.notConnected)) { try await limiter.charge(both) }
        }
        let alone = try await limiter.charge([both[0]])
        #expect(alone.states.first?.remaining == 4)
        await limiter.shutDown()
        try await cluster.stop()
    }
}
