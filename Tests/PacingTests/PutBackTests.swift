import Pacing
import Testing

/// Calls of models that are put back after these came to share a bucket, or came to wait by themselves again.
@Suite struct PutBackTests {
    private static let second: Micros = 1_000_000
    private static let shared = LaneKey(names: ["rpm/*"], urgency: 3)

    private func lane(_ model: Int, limit: Int, seconds: Int = 5) -> LaneFigures {
        let own = QueueDriver.bucket("rpm/m\(model)", limit, perSeconds: seconds)
        return LaneFigures(key: LaneKey(names: [own.name], urgency: 3), buckets: [own], shared: ["rpm/*"])
    }

    /// As many as may wait by themselves, each with a call that was served and one that waits.
    private func crowd(_ driver: inout QueueDriver) {
        for model in 0..<64 {
            for turn in 0..<2 { driver.enter(lane(model, limit: 1), id: 100_000 + 2 * model + turn) }
        }
    }

    @Test("A call of a model that shares by now waits in front there, which the answer says; there it can leave")
    func sharesByNow() async throws {
        var driver = QueueDriver()
        let own = lane(70, limit: 3)
        for id in 0..<3 { driver.enter(own, id: id) }
        crowd(&driver)
        let waiting = driver.enter(own, id: 3)
        #expect(waiting.results == [.waitingShared(waiting.wait, ahead: 0)])
        let before = driver.state.waiting(of: "replica")
        let stamp = GrantStamp(time: driver.grants[0].at, epoch: waiting.epoch)
        let reply = driver.call(
            [0, 1].map { .back(driver.grants[$0].ticket, stamp, requeue: true, of: own.key) },
            lanes: [own]
        )
        #expect(reply.results == [.waitingShared(0, ahead: 0), .waitingShared(0, ahead: 0)])
        #expect(driver.state.waiting(of: "replica") == before + 2)
        let place = driver.grants[1].ticket.place
        _ = driver.call([.leave(QueueDriver.ticket(Self.shared, id: 1, now: place))])
        #expect(driver.state.waiting(of: "replica") == before + 1)
        driver.pass(20 * Self.second)
        #expect(driver.grants.map(\.ticket).filter { $0.lane == Self.shared }.map(\.id) == [0, 3])
        #expect(try await driver.differenceOfScript() == nil)
    }

    /// With two models that shared, one slot each in the shared bucket, of which the first waits by itself again.
    private func cameBack() throws -> (driver: QueueDriver, epoch: Micros, slots: [QueueTicket]) {
        var driver = QueueDriver()
        crowd(&driver)
        for model in [70, 71] {
            for turn in 0..<2 { driver.enter(lane(model, limit: 1), id: 10 * model + turn) }
        }
        driver.pass(40 * Self.second)
        #expect(driver.state.isEmpty)
        let slots = driver.grants.map(\.ticket).filter { $0.lane == Self.shared }
        #expect(slots.map(\.id) == [701, 711])
        driver.enter(lane(70, limit: 1), id: 702)
        let reply = driver.enter(lane(70, limit: 1), id: 703)
        #expect(reply.results == [.waiting(reply.wait, ahead: 0)])
        return (driver, reply.epoch, slots)
    }

    @Test("A call that was served beside others goes before those of its model that wait by themselves by now")
    func cameBackToItsOwn() async throws {
        var (driver, epoch, slots) = try cameBack()
        let time = try #require(driver.grants.first { $0.ticket.id == 701 }?.at)
        let own = lane(70, limit: 1)
        let refused = QueueOperation.refused(
            slots[0],
            GrantStamp(time: time, epoch: epoch),
            buckets: ["rpm/*"],
            hold: nil,
            learned: nil,
            requeue: true,
            of: own.key
        )
        #expect(driver.call([refused], lanes: [own]).results == [.waiting(0, ahead: 0)])
        #expect(driver.state.waiting(of: "replica") == 2)
        driver.pass(20 * Self.second)
        #expect(driver.grants.map(\.ticket.id).suffix(2) == [701, 703])
        #expect(driver.grants.last.map { $0.ticket.lane == own.key } == true)
        #expect(driver.state.isEmpty)
        #expect(try await driver.differenceOfScript() == nil)
    }

    @Test("Of a call's sets that share one lane each is put back as what it is")
    func severalSets() async throws {
        var (driver, epoch, slots) = try cameBack()
        let sets = [lane(70, limit: 1), lane(71, limit: 1)]
        let times = slots.map { slot in driver.grants.first { $0.ticket == slot }?.at ?? 0 }
        let back = zip(slots, zip(times, sets)).map { ticket, given in
            QueueOperation.back(ticket, GrantStamp(time: given.0, epoch: epoch), requeue: true, of: given.1.key)
        }
        let reply = driver.call(back, lanes: sets)
        #expect(reply.results == [.waiting(0, ahead: 0), .waitingShared(0, ahead: 0)])
        // The shared bucket is free.
        #expect(reply.grants.map(\.id) == [711])
        driver.pass(20 * Self.second)
        #expect(driver.grants.map(\.ticket.id).suffix(3) == [711, 701, 703])
        #expect(try await driver.differenceOfScript() == nil)
    }
}

extension QueueReply {
    fileprivate var wait: Micros {
        switch results.first {
        case .waiting(let wait, _), .waitingShared(let wait, _): wait
        default: -1
        }
    }
}
