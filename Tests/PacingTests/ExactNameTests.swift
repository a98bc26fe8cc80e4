import Pacing
import Testing

/// Names that look alike, a composed and a decomposed é: to Redis and to upstreams those are two.
@Suite struct ExactNameTests {
    private static let composed = "caf\u{e9}"
    private static let decomposed = "cafe\u{301}"

    @Test("Two models, clients and users that only their bytes tell apart are two, in the twin as in the script")
    func store() async throws {
        var driver = QueueDriver()
        let names = [Self.composed, Self.decomposed]
        let buckets = names.map { QueueDriver.bucket("rpm/\($0)", 1, perSeconds: 2) }
        for bucket in buckets { #expect(driver.enter([bucket]).reply.grants.count == 1) }
        #expect(driver.call([.beat]).buckets.map(\.used) == [1, 1])
        for _ in 0..<3 {
            for client in names {
                for user in names { driver.enter([buckets[0]], client: client, user: user) }
            }
        }
        driver.run(until: driver.now + 40_000_000)
        let order = driver.grants.dropFirst(2).map { Array(($0.ticket.client + "/" + $0.ticket.user).utf8) }
        #expect(order.count == 12)
        // Each of the four before anybody's second.
        for round in 0..<3 { #expect(Set(order[(4 * round)..<(4 * round + 4)]).count == 4) }
        #expect(try await driver.differenceOfScript() == nil)
    }

    @Test("A quota that is paused is the one with the same bytes")
    func pause() async throws {
        var driver = QueueDriver()
        _ = driver.call([.pause(quota: Self.composed, paused: true)])
        #expect(driver.enter([QueueDriver.bucket("\(Self.composed)/m", 1, perSeconds: 2)]).reply.grants.isEmpty)
        #expect(driver.enter([QueueDriver.bucket("\(Self.decomposed)/m", 1, perSeconds: 2)]).reply.grants.count == 1)
        #expect(try await driver.differenceOfScript() == nil)
    }

    @Test("An agent keeps apart what it was told of both and what it used of both")
    func agent() throws {
        var agent = AgentState(id: "replica", settings: QueueSettings(upstream: "u"), now: 0)
        var store = QueueState(run: "1")
        var now = 1_000_000
        var reports: [BucketReport] = []
        func tick() {
            agent.flush()
            let calls = agent.calls
            agent.calls = []
            for call in calls {
                for case .report(let told, _, _) in call.operations { reports = told }
                agent.receive(store.call(call, now: now + 1_000_000_000_000).reply, sent: now, now: now)
            }
        }
        agent.storeUp(run: "1", now: now)
        tick()
        for (id, (model, calls)) in [(Self.composed, 3), (Self.decomposed, 2)].enumerated() {
            let bucket = BucketSpec(name: "rpm/\(model)", limit: 10, per: .seconds(60), burst: 10)
            for turn in 0..<calls {
                let request = QueueRequest(costs: [.init(bucket)], client: "c")
                let number = WaiterID(value: 10 * id + turn)
                agent.enter(QueueWaiter(id: number, request: request, now: now, loop: nil) { _ in }, now: now)
                tick()
            }
        }
        now += 1_100_000
        agent.wake(now: now)
        tick()
        // In the order of their bytes: "cafe…" is first.
        #expect(agent.statistics(now: now).quotas.map(\.used) == [2, 3])
        // Another store asks what was used.
        store = QueueState()
        agent.storeDown(now: now)
        agent.storeUp(run: "2", now: now)
        for _ in 0..<5 { tick() }
        #expect(reports.map { $0.sent.reduce(0) { $0 + $1.units } } == [2, 3])
    }
}
