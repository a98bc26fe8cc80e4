import Pacing
import Testing

/// Callers name models: 64 of them may wait by themselves at once, and 512 buckets be known; those beyond share.
@Suite struct BucketSetTests {
    private static let second: Micros = 1_000_000

    private func lane(_ model: Int, limit: Int = 10, seconds: Int = 60, burst: Int? = nil) -> LaneFigures {
        let own = QueueDriver.bucket("rpm/m\(model)", limit, perSeconds: seconds, burst: burst)
        return LaneFigures(key: LaneKey(names: [own.name], urgency: 3), buckets: [own], shared: ["rpm/*"])
    }

    private func isShared(_ reply: QueueReply) -> Bool {
        if case .waitingShared = reply.results.first { true } else { false }
    }

    /// Fills so many models' buckets and lets a call of each wait.
    private func crowd(_ driver: inout QueueDriver, _ models: Range<Int>, seconds: Int = 60) {
        for model in models {
            for turn in 0..<2 {
                _ = driver.enter(lane(model, limit: 1, seconds: seconds), id: 100_000 + 2 * model + turn)
            }
        }
    }

    @Test("Two hundred models one after another, two calls an hour each: all are served twice, none a third time")
    func oneAfterAnother() async throws {
        var driver = QueueDriver()
        for round in 0..<3 {
            for model in 0..<200 {
                let reply = driver.enter(lane(model, limit: 2, seconds: 3600), id: 3 * model + round, patience: 0)
                #expect(reply.grants.count == (round < 2 ? 1 : 0), "model \(model)")
                #expect(!isShared(reply))
                driver.now += Self.second / 4
            }
            _ = driver.call([.beat])
        }
        #expect(try await driver.differenceOfScript() == nil)
    }

    @Test("A hundred models wait at once: 64 by themselves, all are served, and none more than its quota in any window")
    func waitAtOnce() async throws {
        var driver = QueueDriver()
        var ids: [Int: Int] = [:]
        for call in 0..<12 {
            for model in 0..<100 {
                ids[call * 100 + model] = model
                _ = driver.enter(lane(model, limit: 3, seconds: 2), id: call * 100 + model)
                #expect(driver.state.waitingSets <= 64)
                driver.now += 100
            }
        }
        #expect(driver.state.waitingSets == 64)
        driver.run(until: driver.now + 400 * Self.second)
        #expect(driver.grants.count == 1200)
        #expect(driver.state.isEmpty)
        let times = Dictionary(grouping: driver.grants) { ids[$0.ticket.id] ?? -1 }.mapValues { $0.map(\.at) }
        for (model, times) in times {
            for (first, fourth) in zip(times, times.dropFirst(3)) where fourth - first < 2 * Self.second {
                Issue.record("model \(model) four times within \(fourth - first) µs")
            }
        }
        let shared = driver.grants.filter { $0.ticket.lane == LaneKey(names: ["rpm/*"], urgency: 3) }
        #expect(Set(shared.map { ids[$0.ticket.id] }).count == 36)
        #expect(try await driver.differenceOfScript() == nil)
    }

    @Test("While 64 others wait a model goes on by itself until it has to wait; then what it used is shared")
    func goesAtOnce() async throws {
        var driver = QueueDriver()
        for id in 0..<4 { _ = driver.enter(lane(500), id: id) }
        crowd(&driver, 0..<64)
        #expect(driver.state.waitingSets == 64)
        for id in 4..<10 {
            let reply = driver.enter(lane(500), id: id)
            #expect(reply.grants.count == 1)
            #expect(!isShared(reply))
        }
        let reply = driver.enter(lane(500), id: 10)
        #expect(isShared(reply))
        #expect(reply.grants.isEmpty)
        #expect(reply.buckets.first { $0.name == "rpm/*" }?.used == 10)
        // It stays there, also when there is room for a set again.
        driver.pass(30 * Self.second)
        #expect(isShared(driver.enter(lane(500), id: 11)))
        driver.pass(300 * Self.second)
        #expect(!isShared(driver.enter(lane(500), id: 12)))
        #expect(driver.grants.count { $0.ticket.id < 100 } == 13)
        #expect(try await driver.differenceOfScript() == nil)
    }

    @Test("A model that shares is bound until nothing shared counts; one that never did has its own")
    func staysBound() {
        var driver = QueueDriver()
        crowd(&driver, 0..<64)
        let first = driver.enter(lane(70, limit: 1), id: 1)
        #expect(!isShared(first))
        #expect(isShared(driver.enter(lane(70, limit: 1), id: 2)))
        driver.pass(61 * Self.second)
        #expect(driver.state.waitingSets < 64)
        // Its second call went just now, in the shared bucket.
        #expect(driver.grants.contains { $0.ticket.id == 2 })
        #expect(isShared(driver.enter(lane(70, limit: 1), id: 3)))
        #expect(!isShared(driver.enter(lane(71, limit: 1), id: 4)))
        #expect(driver.grants.contains { $0.ticket.id == 4 })
    }

    @Test("When 512 buckets are known further models share; those that are known keep theirs")
    func known() async throws {
        var driver = QueueDriver()
        for model in 0..<512 {
            #expect(!isShared(driver.enter(lane(model, seconds: 3600), id: model)))
            driver.now += 1000
        }
        for model in 512..<540 {
            #expect(isShared(driver.enter(lane(model, seconds: 3600), id: model)))
        }
        #expect(driver.grants.count == 512 + 10)
        #expect(!isShared(driver.enter(lane(3, seconds: 3600), id: 1000)))
        let buckets = driver.call([.beat]).buckets
        #expect(buckets.count == 513)
        #expect(buckets.first { $0.name == "rpm/m3" }?.used == 2)
        #expect(try await driver.differenceOfScript() == nil)
    }

    @Test("Models that come and go by the thousand have buckets of their own while their windows are short")
    func thousands() async throws {
        var driver = QueueDriver()
        for model in 0..<3000 {
            #expect(!isShared(driver.enter(lane(model, limit: 5, seconds: 2), id: model)))
            driver.now += 20_000
            if model % 50 == 0 { _ = driver.call([.beat]) }
        }
        #expect(driver.grants.count == 3000)
        #expect(try await driver.differenceOfScript() == nil)
    }

    @Test("A model's calls count in one place, whichever of its quotas each of them needs")
    func severalSets() {
        var driver = QueueDriver()
        func lane(_ model: Int, _ quotas: [(name: String, seconds: Int)]) -> LaneFigures {
            let own = quotas.map { QueueDriver.bucket("\($0.name)/m\(model)", 1, perSeconds: $0.seconds) }
            return LaneFigures(
                key: LaneKey(names: own.map(\.name), urgency: 3),
                buckets: own,
                shared: quotas.map { "\($0.name)/*" }
            )
        }
        let both = [("rpd", 300), ("rpm", 60)]
        for model in 0..<64 {
            for turn in 0..<2 { _ = driver.enter(lane(model, both), id: 1000 + 2 * model + turn) }
        }
        for id in 0..<2 { _ = driver.enter(lane(70, both), id: id) }
        #expect(driver.state.waitingSets == 64)
        driver.pass(200 * Self.second)
        // Of the shared buckets only the longer one still holds a use.
        #expect(driver.call([.beat]).buckets.filter { $0.name.hasSuffix("*") && $0.used > 0 }.map(\.name) == ["rpd/*"])
        #expect(isShared(driver.enter(lane(70, [("rpm", 60)]), id: 3)))
    }

    @Test("A call that waits in the shared lane is handed back, settled and left there by the ticket that was granted")
    func operations() {
        var driver = QueueDriver()
        for model in 0..<512 { _ = driver.enter(lane(model, seconds: 3600), id: model) }
        let reply = driver.enter(lane(600, seconds: 3600), id: 600)
        guard let granted = reply.grants.first else {
            Issue.record("not granted")
            return
        }
        #expect(granted.lane == LaneKey(names: ["rpm/*"], urgency: 3))
        let stamp = GrantStamp(time: reply.now, epoch: reply.epoch)
        let after = driver.call([.back(granted, stamp, requeue: false), .beat])
        #expect(after.buckets.first { $0.name == "rpm/*" }?.used == 0)
        #expect(after.mine == 0)
    }

    @Test("What a moved bucket's answers took beyond their estimates counts where it counts")
    func settledWhereMoved() throws {
        var driver = QueueDriver()
        let granted = driver.enter(lane(70), id: 0)
        for id in 1..<10 { _ = driver.enter(lane(70), id: id) }
        crowd(&driver, 0..<64)
        #expect(isShared(driver.enter(lane(70), id: 20)))
        let stamp = GrantStamp(time: granted.now, epoch: granted.epoch)
        let settle = QueueOperation.settle(try #require(granted.grants.first), stamp, costs: [6])
        let reply = driver.call([settle, .beat], lanes: [lane(70)])
        #expect(reply.buckets.first { $0.name == "rpm/*" }?.used == 15)
    }
}
