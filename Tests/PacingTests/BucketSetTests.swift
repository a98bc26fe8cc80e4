import Pacing
import Testing

/// Callers name models: beyond 64 sets of buckets they share one bucket of the quota.
@Suite struct BucketSetTests {
    private static let second: Micros = 1_000_000

    private func lane(_ model: Int, limit: Int = 10, seconds: Int = 60) -> LaneFigures {
        let own = QueueDriver.bucket("rpm/m\(model)", limit, perSeconds: seconds)
        return LaneFigures(key: LaneKey(names: [own.name], urgency: 3), buckets: [own], shared: ["rpm/*"])
    }

    private func ticket(_ lane: LaneFigures, id: Int, now: Micros) -> QueueTicket {
        QueueTicket(
            lane: lane.key,
            client: "c",
            user: "",
            place: now,
            owner: "replica",
            id: id,
            weight: 1,
            allowance: 20_000,
            costs: [1]
        )
    }

    private func enter(_ driver: inout QueueDriver, model: Int, id: Int, seconds: Int = 60) -> QueueReply {
        let lane = lane(model, seconds: seconds)
        let ticket = ticket(lane, id: id, now: driver.now)
        return driver.call([.enter(ticket, patience: QueueDriver.farFuture)], lanes: [lane])
    }

    @Test("The 65th model and all after it count in one bucket, as if they were one model")
    func shared() {
        var driver = QueueDriver()
        var granted = 0
        for model in 0..<200 {
            let reply = enter(&driver, model: model, id: model)
            granted += reply.grants.count
            if model < 64 {
                #expect(reply.results == [.waiting(0, ahead: 0)])
            } else if case .waitingShared = reply.results[0] {
            } else {
                Issue.record("model \(model): \(reply.results)")
            }
        }
        #expect(granted == 64 + 10)
        let buckets = driver.call([.beat]).buckets
        #expect(buckets.count == 65)
        #expect(buckets.first?.name == "rpm/*")
        #expect(buckets.first?.used == 10)
    }

    @Test("A known model keeps its bucket while 64 are known")
    func known() {
        var driver = QueueDriver()
        for model in 0..<70 { _ = enter(&driver, model: model, id: model) }
        let reply = enter(&driver, model: 3, id: 100)
        #expect(reply.results == [.waiting(0, ahead: 0)])
        #expect(reply.buckets.first { $0.name == "rpm/m3" }?.used == 2)
    }

    @Test(
        "While the shared bucket holds uses an unknown model goes there though there is room for a set; then it has its own"
    )
    func comesBack() {
        var driver = QueueDriver()
        for model in 0..<65 { _ = enter(&driver, model: model, id: model, seconds: 90) }
        // One model goes on, in the shared bucket; the others are forgotten a minute after their window.
        driver.pass(60 * Self.second)
        guard case .waitingShared = enter(&driver, model: 64, id: 100, seconds: 90).results[0] else {
            Issue.record("the shared bucket was left early")
            return
        }
        driver.pass(88 * Self.second)
        #expect(driver.call([.beat]).buckets.map(\.name) == ["rpm/*"])
        guard case .waitingShared = enter(&driver, model: 64, id: 101, seconds: 90).results[0] else {
            Issue.record("counted in two places within one window")
            return
        }
        driver.pass(200 * Self.second)
        let reply = enter(&driver, model: 64, id: 102, seconds: 90)
        #expect(reply.results == [.waiting(0, ahead: 0)])
    }

    @Test("A model's calls count in one place, whichever of its quotas each of them needs")
    func severalSets() {
        var driver = QueueDriver()
        func enter(_ driver: inout QueueDriver, _ model: Int, _ quotas: [(name: String, seconds: Int)]) -> QueueReply {
            let own = quotas.map { QueueDriver.bucket("\($0.name)/m\(model)", 10, perSeconds: $0.seconds) }
            let lane = LaneFigures(
                key: LaneKey(names: own.map(\.name), urgency: 3),
                buckets: own,
                shared: quotas.map { "\($0.name)/*" }
            )
            let ticket = QueueTicket(
                lane: lane.key,
                client: "c",
                user: "",
                place: driver.now,
                owner: "replica",
                id: Int(driver.now % 1_000_000_000) + model,
                weight: 1,
                allowance: 20_000,
                costs: own.map { _ in 1 }
            )
            return driver.call([.enter(ticket, patience: QueueDriver.farFuture)], lanes: [lane])
        }
        let both = [("rpd", 300), ("rpm", 60)]
        for model in 0...64 { _ = enter(&driver, model, both) }
        driver.pass(200 * Self.second)
        _ = enter(&driver, 64, both)
        // The others are forgotten; of the shared buckets only the longer one still holds a use.
        driver.pass(190 * Self.second)
        #expect(driver.call([.beat]).buckets.filter { $0.used > 0 }.map(\.name) == ["rpd/*"])
        guard case .waitingShared = enter(&driver, 64, [("rpm", 60)]).results[0] else {
            Issue.record("its minute counts by itself while its day is shared")
            return
        }
        let reply = enter(&driver, 64, both)
        #expect(reply.buckets.first { $0.name == "rpd/*" }?.used == 2)
    }

    @Test("A call that waits in the shared lane is handed back, settled and left there by the ticket that was granted")
    func operations() {
        var driver = QueueDriver()
        for model in 0..<64 { _ = enter(&driver, model: model, id: model) }
        let reply = enter(&driver, model: 64, id: 64)
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
}
