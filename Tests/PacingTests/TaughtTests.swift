import NIOCore
import Pacing
import Testing

/// What an upstream's 429s asked for and taught, where the store was lost or its clock set back.
@Suite struct TaughtTests {
    private static let second = 1_000_000
    /// Two windows.
    private static let hold = 120 * second

    private static func bucket(_ reply: QueueReply) -> BucketState? { reply.buckets.first { $0.name == "rpm" } }

    @Test("A hold that a 429 asks for while a roll call runs outlasts it, longer than a window too", arguments: [1, 2])
    func heldWithin(known: Int) {
        var store = RollCallStore()
        // Where one is missing the bucket starts as full, else it is rebuilt.
        let peers = ["a", "b"].prefix(known)
        #expect(store.call("a", [RollCallStore.report(Array(peers))], run: "other", peers: known).rollCall != nil)
        let until = store.now + Self.hold
        #expect(Self.bucket(store.refuse("a", hold: Self.hold, run: "other"))?.hold == until)
        #expect(store.used(after: "a", run: "other") == (known == 1 ? 0 : 4))
        let reply = store.call("a", [.beat], run: "other")
        #expect(reply.rollCall == nil)
        #expect(Self.bucket(reply)?.hold == until)
        #expect(store.enter("a", id: 1, run: "other").due == until)
    }

    @Test("Where the clock is set back a hold lasts as long as was left of it")
    func setBack() {
        var store = RollCallStore()
        _ = store.call("a", [.beat])
        _ = store.refuse("a", hold: Self.hold)
        store.now += Self.second
        _ = store.call("a", [.beat])
        store.now -= 3600 * Self.second
        let until = store.now + Self.hold - Self.second
        #expect(store.call("a", [RollCallStore.report(["a"])], peers: 1).rollCall != nil)
        #expect(store.used(after: "a") == 0)
        #expect(store.enter("a", id: 1).due == until)
    }

    @Test("Where nothing was lost, the ten windows of a learned limit go on while one who does not answer is missed")
    func learnedOver() {
        var store = RollCallStore()
        for replica in ["a", "b"] { _ = store.call(replica, [.beat]) }
        _ = store.refuse("a", hold: 0, learned: 2)
        let rises = store.now + 600 * Self.second
        store.now += 5 * Self.second
        let before = store.epoch
        #expect(store.call("a", [RollCallStore.report(["a", "b"])], peers: 2).rollCall != nil)
        #expect(store.used(after: "a") == 2)
        #expect(store.epoch > before)
        while store.now < rises - Self.second {
            store.now += Self.second
            #expect(Self.bucket(store.call("a", [.beat]))?.learned == 2)
        }
        store.now = rises
        #expect(Self.bucket(store.call("a", [.beat]))?.learned == 3)
    }

    /// One replica that was granted the first slot, and the store as it was then.
    private func granted() throws -> (cluster: AgentCluster, grant: Grant) {
        var cluster = AgentCluster(1)
        cluster.up(0)
        cluster.go(on: .seconds(3), [0])
        cluster.enter(0)
        cluster.exchange(0)
        return (cluster, try #require(cluster.last))
    }

    /// - Returns: until when nothing may go.
    private func refuse(_ grant: Grant, in cluster: inout AgentCluster) -> Micros {
        cluster.agents[0].upstreamRefused(
            grant,
            bucket: nil,
            hold: Self.hold,
            learned: 2,
            requeue: false,
            now: cluster.now
        )
        cluster.exchange(0)
        return cluster.now + Self.hold
    }

    private func expectNothing(until: Micros, in cluster: inout AgentCluster) {
        cluster.go(on: .seconds(3), [0])
        for _ in 0..<3 { cluster.enter(0) }
        cluster.go(on: .microseconds(until - cluster.now - 100_000), [0])
        #expect(cluster.granted == 1)
        cluster.go(on: .seconds(1), [0])
        #expect(cluster.granted == 3)
    }

    @Test("What a 429 taught while a roll call ran is told again where the store is lost once more before it is over")
    func lostAgain() throws {
        var (cluster, grant) = try granted()
        cluster.lose(run: "second")
        let until = refuse(grant, in: &cluster)
        cluster.go(on: .milliseconds(100), [0])
        cluster.lose(run: "third")
        expectNothing(until: until, in: &cluster)
    }

    @Test("A store that fell back to before a 429 and after all that was booked is behind, and told of it")
    func fellBack() throws {
        var (cluster, grant) = try granted()
        let before = cluster.store
        let until = refuse(grant, in: &cluster)
        cluster.go(on: .milliseconds(100), [0])
        cluster.down(0)
        cluster.store = before
        cluster.up(0, run: "second")
        expectNothing(until: until, in: &cluster)
    }
}
