import Pacing
import Testing

/// A store whose clock jumps ahead, by an hour or by less than looks like silence.
@Suite struct ClockJumpTests {
    private static let second = 1_000_000

    /// Two replicas, of which the second one used the window, and the store an hour on.
    private func jumped() -> RollCallStore {
        var store = RollCallStore()
        for replica in ["a", "b"] { _ = store.call(replica, [.beat]) }
        #expect(store.enter("b", id: 1).grants.count == 1)
        store.now += 300_000
        _ = store.call("a", [.beat])
        store.now += 3600 * Self.second
        return store
    }

    @Test("A clock that jumps ahead makes nobody dead who has to answer", arguments: [false, true])
    func jumpAhead(answers: Bool) {
        var store = jumped()
        let epoch = store.epoch
        // By the new clock b was last heard of an hour ago.
        _ = store.call("a", [.beat])
        _ = store.call("a", [.jump(epoch: epoch)])
        _ = store.call("a", [RollCallStore.report(["a"])])
        let use = BucketUse(at: store.now, units: 1)
        if answers { _ = store.call("b", [RollCallStore.report(["a", "b"], sent: [use])]) }
        #expect(store.used(after: "a") == (answers ? 1 : 4))
    }

    @Test("Nor where the jump is told only when the roll call of the silence is over")
    func lateJump() {
        var store = jumped()
        let epoch = store.epoch
        #expect(store.call("c", [.beat]).rollCall != nil)
        for _ in 0..<4 {
            store.now += 400_000
            _ = store.call("c", [.beat])
        }
        store.now += 50_000
        #expect(store.call("c", [.beat]).rollCall == nil)
        _ = store.call("a", [.jump(epoch: epoch)])
        _ = store.call("a", [RollCallStore.report(["a"])])
        _ = store.call("c", [RollCallStore.report(["c"])])
        #expect(store.used(after: "a") == 4)
    }

    @Test("What was answered before the clock jumped is asked again, where it jumped within a roll call")
    func jumpWithin() {
        var store = RollCallStore()
        let use = BucketUse(at: store.now, units: 3)
        let asked = store.call("a", [RollCallStore.report(["a", "b"], sent: [use])], run: "other", peers: 2)
        store.now += 3600 * Self.second
        let again = store.call("b", [RollCallStore.report(["a", "b"])], run: "other", peers: 2)
        #expect(again.epoch > asked.epoch)
        let moved = BucketUse(at: store.now, units: 3)
        _ = store.call("a", [RollCallStore.report(["a", "b"], sent: [moved])], run: "other", peers: 2)
        #expect(store.used(after: "b", run: "other") == 3)
    }

    @Test("A roll call ends when all who answered have called again, and can say that the clock jumped meanwhile")
    func confirmed() {
        var store = RollCallStore()
        let began = store.now
        let peers = ["a", "b"]
        let asked = store.call("a", [RollCallStore.report(peers)], run: "other", peers: 2)
        store.now += 1_000_000
        _ = store.call("b", [RollCallStore.report(peers)], run: "other", peers: 2)
        for _ in 0..<3 {
            store.now += 50_000
            #expect(store.call("b", [], run: "other").rollCall == began + 1_500_000)
        }
        #expect(store.pushed == 2)
        #expect(store.call("a", [], run: "other").rollCall == store.now + 20_000)
        store.now += 2000
        let again = store.call("a", [.jump(epoch: asked.epoch)], run: "other")
        #expect(again.epoch > asked.epoch)
        #expect(again.rollCall == store.now + 1_500_000)
    }

    @Test("Where one that answered calls no more the roll call ends after 1.5 s all the same")
    func unconfirmed() {
        var store = RollCallStore()
        let peers = ["a", "b"]
        _ = store.call("a", [RollCallStore.report(peers)], run: "other", peers: 2)
        _ = store.call("b", [RollCallStore.report(peers)], run: "other", peers: 2)
        store.now += 1_000_000
        #expect(store.call("b", [], run: "other").rollCall != nil)
        store.now += 499_999
        #expect(store.call("b", [], run: "other").rollCall != nil)
        store.now += 1
        #expect(store.call("b", [], run: "other").rollCall == nil)
    }

    @Test("A clock that jumped after a replica's answer is noticed by that replica", arguments: [0, 2000, 500_000])
    func afterAnswer(jump: Micros) {
        var cluster = AgentCluster(2)
        for index in 0...1 { cluster.up(index) }
        cluster.go(on: .seconds(3), [0, 1])
        cluster.enter(0)
        cluster.exchange(0)
        cluster.store = QueueState()
        for index in 0...1 { cluster.down(index) }
        cluster.up(0, run: "second")
        // The other one, which knows no older time, says nothing of it, and ends the roll call.
        cluster.skew += jump
        cluster.now += 100_000
        cluster.up(1, run: "second")
        cluster.go(on: .milliseconds(1500), [1])
        #expect(cluster.agents[1].isReady)
        cluster.go(on: .seconds(4), [0, 1])
        #expect(cluster.agents.map(\.counters.jumps) == [jump > 3000 ? 1 : 0, 0])
        #expect(cluster.agents.allSatisfy { $0.isReady })
    }

    @Test("The lower of two limits holds over a jump of the clock, by which it was stated long ago")
    func lowerHolds() {
        var driver = QueueDriver()
        driver.enter([QueueDriver.bucket("rpm", 2, perSeconds: 60)])
        driver.now += 3600 * Self.second
        let looser = QueueDriver.bucket("rpm", 4, perSeconds: 60)
        #expect(driver.enter([looser]).reply.rollCall != nil)
        driver.pass(2 * Self.second)
        driver.enter([looser])
        #expect(driver.call([.beat]).buckets.first?.limit == 2)
        driver.pass(5 * Self.second)
        driver.enter([looser])
        #expect(driver.call([.beat]).buckets.first?.limit == 4)
    }
}
