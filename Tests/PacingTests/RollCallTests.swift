import Pacing
import Testing

/// Who has to answer when the store lost what it knew, and whose answers are enough.
@Suite struct RollCallTests {
    private static let second = 1_000_000

    @Test("The answer of one who was taken for dead does not stand for one who is missing", arguments: [false, true])
    func standsForItself(isMissing: Bool) {
        var store = RollCallStore()
        store.state = QueueState(run: "run")
        // a, b and c were known; c used the window. d was silent for long before.
        _ = store.call("a", [RollCallStore.report(["a", "b", "c"])], run: "other", peers: 3)
        _ = store.call("b", [RollCallStore.report(["a", "b", "c"])], run: "other", peers: 3)
        _ = store.call("d", [RollCallStore.report(["a", "b", "d"])], run: "other", peers: 3)
        if !isMissing {
            let use = BucketUse(at: store.now, units: 1)
            _ = store.call("c", [RollCallStore.report(["a", "b", "c"], sent: [use])], run: "other", peers: 3)
        }
        #expect(store.used(after: "a", run: "other") == (isMissing ? 4 : 1))
    }

    @Test("Where nothing was lost only those who lived have to answer, not one who used the window and is gone")
    func silence() {
        var store = RollCallStore()
        for replica in ["a", "b"] { _ = store.call(replica, [.beat]) }
        #expect(store.enter("b", id: 1).grants.count == 1)
        // b is killed; a goes on, and then nobody is heard of for a while.
        for _ in 0..<10 {
            store.now += Self.second
            _ = store.call("a", [.beat])
        }
        store.now += 5 * Self.second
        #expect(store.call("a", [.beat]).rollCall != nil)
        _ = store.call("a", [RollCallStore.report(["a", "b"])], peers: 2)
        #expect(store.used(after: "a") == 1)
        #expect(store.enter("a", id: 2).grants.count == 1)
    }

    @Test("Who sent by itself and left is known as one who would be missed, as long as its calls count")
    func leftAfterUse() {
        var store = RollCallStore()
        for replica in ["a", "b"] { _ = store.call(replica, [.beat]) }
        _ = store.call("b", [.used(RollCallStore.figures, [BucketUse(at: store.now, units: 1)]), .bye])
        var known: [[String]?] = []
        for _ in 0..<62 {
            store.now += Self.second
            known.append(store.call("a", [.beat]).peers?.known)
        }
        #expect(known.prefix(60).allSatisfy { $0 == ["a", "b"] })
        #expect(known.last == ["a"])
    }

    @Test("The only replica is killed: what comes in its place goes on with the window as it was")
    func successor() {
        var store = RollCallStore()
        _ = store.call("a", [.beat])
        #expect(store.enter("a", id: 1).grants.count == 1)
        store.now += 4 * Self.second
        #expect(store.call("new", [.beat]).rollCall != nil)
        _ = store.call("new", [RollCallStore.report([])])
        #expect(store.used(after: "new") == 1)
        #expect(store.enter("new", id: 1).grants.count == 1)
    }

    @Test(
        "Of those who lived when the silence began each has to answer that one who answers knew",
        arguments: [false, true]
    )
    func silenceOfTwo(answers: Bool) {
        var store = RollCallStore()
        for replica in ["a", "b"] { _ = store.call(replica, [.beat]) }
        store.now += Self.second
        for replica in ["a", "b"] { _ = store.call(replica, [.beat]) }
        store.now += 5 * Self.second
        _ = store.call("a", [RollCallStore.report(["a", "b"])], peers: 2)
        if answers { _ = store.call("b", [RollCallStore.report(["a", "b"])], peers: 2) }
        #expect(store.enter("a", id: 1).grants.isEmpty)
        for _ in 0..<4 {
            store.now += 500_000
            _ = store.call("a", [.beat])
        }
        #expect(store.call("a", [.beat]).buckets.first?.used == (answers ? 1 : 4))
    }

    @Test("Who answers a second loss within a window says that buckets had started as full", arguments: [1, 61])
    func twice(age: Int) {
        var store = RollCallStore()
        store.state = QueueState(run: "run")
        let full = store.now - age * Self.second
        let use = BucketUse(at: store.now, units: 1)
        _ = store.call("a", [RollCallStore.report(["a"], sent: [use], full: full)], run: "other", peers: 1)
        #expect(store.used(after: "a", run: "other") == (age < 60 ? 4 : 1))
    }

    @Test("That one came the others hear at once: who alone knew of it may be lost together with the store")
    func newcomer() {
        var store = RollCallStore()
        for replica in ["a", "b"] {
            _ = store.call(replica, [.beat])
            store.now += 300_000
        }
        #expect(store.pushed == 2)
        _ = store.call("a", [.beat])
        #expect(store.pushed == 2)
        store.now += 2_500_000
        _ = store.call("a", [.beat])
        store.now += 500_000
        // b was silent for longer than a replica lives.
        _ = store.call("b", [.beat])
        #expect(store.pushed == 3)
    }

    @Test("What any replica knows of a hold keeps a store that lost it from granting", arguments: [0, 1, 2])
    func held(seconds: Int) {
        var store = RollCallStore()
        let hold = store.now + (3 + seconds) * Self.second
        _ = store.call("a", [RollCallStore.report(["a"], hold: hold)], run: "other", peers: 1)
        #expect(store.used(after: "a", run: "other") == 0)
        #expect(store.enter("a", id: 1, run: "other").grants.isEmpty)
        var grants = 0
        while grants == 0, store.now < hold + Self.second {
            store.now += 500_000
            grants = store.call("a", [], run: "other").grants.count
        }
        #expect(store.now == hold)
    }
}
