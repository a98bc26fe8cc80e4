import Pacing
import Testing

/// What replicas used by themselves, told when the store is back, of models that share a bucket.
@Suite struct SharedUseTests {
    private static let second: Micros = 1_000_000

    private func lane(_ quota: String, _ model: String, seconds: Int = 60) -> LaneFigures {
        let own = QueueDriver.bucket("\(quota)/\(model)", 10, perSeconds: seconds)
        return LaneFigures(key: LaneKey(names: [own.name], urgency: 3), buckets: [own], shared: ["\(quota)/*"])
    }

    private func used(_ reply: QueueReply, _ name: String) -> Int? { reply.buckets.first { $0.name == name }?.used }

    @Test("What a model's own bucket is told of counts in the shared one where the model waits by now")
    func toldOfOwn() async throws {
        var driver = QueueDriver()
        for id in 0..<512 { driver.enter(lane("rpm", "m\(id)", seconds: 3600), id: id) }
        let late = lane("rpm", "late", seconds: 3600)
        #expect(used(driver.enter(late, id: 600), "rpm/*") == 1)
        let reply = driver.call([.used(late.buckets[0], [BucketUse(at: driver.now, units: 5)]), .beat])
        #expect(used(reply, "rpm/*") == 6)
        let again = driver.call([.used(late.buckets[0], [BucketUse(at: driver.now, units: 2)]), .beat])
        #expect(used(again, "rpm/*") == 8)
        #expect(try await driver.differenceOfScript() == nil)
    }

    @Test("What turns out not to have been used in a shared bucket takes nothing from who waits for its own")
    func takenBack() async throws {
        var driver = QueueDriver()
        let own = lane("rpm", "m")
        for id in 0..<11 { driver.enter(own, id: id) }
        #expect(driver.grants.count == 10)
        let shared = QueueDriver.bucket("rpm/*", 10, perSeconds: 60)
        let reply = driver.call([.used(shared, [BucketUse(at: driver.now + 20_000, units: -3)]), .beat])
        #expect(used(reply, "rpm/m") == 10)
        #expect(driver.grants.count == 10)
        #expect(try await driver.differenceOfScript() == nil)
    }

    @Test("A model that came back to its own bucket takes what that holds along when it shares again")
    func sharesAgain() async throws {
        var driver = QueueDriver()
        let (requests, tokens) = (lane("rpm", "m", seconds: 20), lane("tpm", "m", seconds: 20))
        // While 64 others wait it shares once its own is full.
        for model in 0..<64 {
            for turn in 0..<11 { driver.enter(lane("rpm", "o\(model)", seconds: 5), id: 11 * model + turn) }
        }
        for id in 1000..<1011 { driver.enter(tokens, id: id) }
        #expect(used(driver.call([.beat]), "tpm/*") == 10)
        driver.pass(50 * Self.second)
        #expect(driver.state.isEmpty)
        for id in 2000..<2011 { driver.enter(requests, id: id) }
        // One of them waits: until then the model waits by itself.
        #expect(used(driver.enter(tokens, id: 3000), "tpm/m") == 1)
        let others = QueueDriver.bucket("rpm/*", 10, perSeconds: 20)
        let left = QueueOperation.leave(QueueDriver.ticket(requests.key, id: 2010, now: driver.now))
        _ = driver.call([left, .used(others, [BucketUse(at: driver.now, units: 1)])])
        let reply = driver.enter(tokens, id: 3001)
        #expect(reply.results.first.map { if case .waitingShared = $0 { true } else { false } } == true)
        #expect(used(reply, "tpm/*") == 2)
        #expect(try await driver.differenceOfScript() == nil)
    }

    @Test("A 429 of a model's own bucket, which came when the model had moved, holds the shared one")
    func refusedWhereMoved() async throws {
        var driver = QueueDriver()
        for model in 0..<64 {
            for turn in 0..<11 { driver.enter(lane("rpm", "o\(model)"), id: 11 * model + turn) }
        }
        let own = lane("rpm", "m")
        let granted = driver.enter(own, id: 1000)
        for id in 1001..<1011 { driver.enter(own, id: id) }
        let stamp = GrantStamp(time: granted.now, epoch: granted.epoch)
        let refused = QueueOperation.refused(
            try #require(granted.grants.first),
            stamp,
            buckets: ["rpm/m"],
            hold: 5 * Self.second,
            learned: 7,
            requeue: false
        )
        let shared = driver.call([refused, .beat], lanes: [own]).buckets.first { $0.name == "rpm/*" }
        #expect(shared?.hold == driver.now + 5 * Self.second)
        #expect(shared?.learned == 7)
        #expect(try await driver.differenceOfScript() == nil)
    }
}
