import Pacing
import Testing

/// Who has to answer when the store lost what it knew, or its clock jumped, and whose answers are enough.
@Suite struct RollCallTests {
    private static let second = 1_000_000
    private static let figures = QueueDriver.bucket("rpm", 4, perSeconds: 60)
    private static let lane = LaneFigures(key: LaneKey(names: ["rpm"], urgency: 3), buckets: [figures])

    /// A store, and replicas that call it by hand.
    private struct Store {
        var state = QueueState(run: "run")
        var now: Micros = 1_000_000_000_000
        private var numbers: [String: Int] = [:]

        mutating func call(
            _ replica: String,
            _ operations: [QueueOperation],
            run: String = "run",
            peers: Int = 0
        ) -> QueueReply {
            numbers[replica, default: 0] += 1
            let call = QueueCall(
                replica: replica,
                number: numbers[replica]!,
                run: run,
                // Another store than that which made a grant.
                seen: run == "run" ? 0 : 1,
                peers: peers,
                maxWaiting: 100,
                lanes: [lane],
                operations: operations
            )
            return state.call(call, now: now).reply
        }

        mutating func enter(_ replica: String, id: Int) -> QueueReply {
            let ticket = QueueTicket(
                lane: lane.key,
                client: "c",
                user: "",
                place: now,
                owner: replica,
                id: id,
                weight: 1,
                allowance: 20_000,
                costs: [1]
            )
            return call(replica, [.enter(ticket, patience: QueueDriver.farFuture)])
        }

        /// Until the roll call must be over.
        mutating func used(after replica: String, run: String = "run") -> Int? {
            for _ in 0..<4 {
                now += 500_000
                _ = call(replica, [.beat], run: run)
            }
            return call(replica, [.beat], run: run).buckets.first { $0.name == "rpm" }?.used
        }
    }

    private func report(_ peers: [String], sent: [BucketUse] = [], full: Micros = 0) -> QueueOperation {
        .report([BucketReport(figures: Self.figures, told: 1, since: 0, sent: sent)], peers: peers, full: full)
    }

    @Test("The answer of one who was taken for dead does not stand for one who is missing", arguments: [false, true])
    func standsForItself(isMissing: Bool) {
        var store = Store()
        store.state = QueueState(run: "run")
        // a, b and c were known; c used the window. d was silent for long before.
        _ = store.call("a", [report(["a", "b", "c"])], run: "other", peers: 3)
        _ = store.call("b", [report(["a", "b", "c"])], run: "other", peers: 3)
        _ = store.call("d", [report(["a", "b", "d"])], run: "other", peers: 3)
        if !isMissing {
            let use = BucketUse(at: store.now, units: 1)
            _ = store.call("c", [report(["a", "b", "c"], sent: [use])], run: "other", peers: 3)
        }
        #expect(store.used(after: "a", run: "other") == (isMissing ? 4 : 1))
    }

    @Test("Where nothing was lost only those who lived have to answer, not one who used the window and is gone")
    func silence() {
        var store = Store()
        for replica in ["a", "b"] { _ = store.call(replica, [.beat]) }
        #expect(store.enter("b", id: 1).grants.count == 1)
        // b is killed; a goes on, and then nobody is heard of for a while.
        for _ in 0..<10 {
            store.now += Self.second
            _ = store.call("a", [.beat])
        }
        store.now += 5 * Self.second
        #expect(store.call("a", [.beat]).rollCall != nil)
        _ = store.call("a", [report(["a", "b"])], peers: 2)
        #expect(store.used(after: "a") == 1)
        #expect(store.enter("a", id: 2).grants.count == 1)
    }

    @Test("The only replica is killed: what comes in its place goes on with the window as it was")
    func successor() {
        var store = Store()
        _ = store.call("a", [.beat])
        #expect(store.enter("a", id: 1).grants.count == 1)
        store.now += 4 * Self.second
        #expect(store.call("new", [.beat]).rollCall != nil)
        _ = store.call("new", [report([])])
        #expect(store.used(after: "new") == 1)
        #expect(store.enter("new", id: 1).grants.count == 1)
    }

    @Test(
        "Of those who lived when the silence began each has to answer that one who answers knew",
        arguments: [false, true]
    )
    func silenceOfTwo(answers: Bool) {
        var store = Store()
        for replica in ["a", "b"] { _ = store.call(replica, [.beat]) }
        store.now += Self.second
        for replica in ["a", "b"] { _ = store.call(replica, [.beat]) }
        store.now += 5 * Self.second
        _ = store.call("a", [report(["a", "b"])], peers: 2)
        if answers { _ = store.call("b", [report(["a", "b"])], peers: 2) }
        #expect(store.enter("a", id: 1).grants.isEmpty)
        for _ in 0..<4 {
            store.now += 500_000
            _ = store.call("a", [.beat])
        }
        #expect(store.call("a", [.beat]).buckets.first?.used == (answers ? 1 : 4))
    }

    @Test("Who answers a second loss within a window says that buckets had started as full", arguments: [1, 61])
    func twice(age: Int) {
        var store = Store()
        store.state = QueueState(run: "run")
        let full = store.now - age * Self.second
        let use = BucketUse(at: store.now, units: 1)
        _ = store.call("a", [report(["a"], sent: [use], full: full)], run: "other", peers: 1)
        #expect(store.used(after: "a", run: "other") == (age < 60 ? 4 : 1))
    }

    @Test("Nor where the jump is told only when the roll call of the silence is over")
    func lateJump() {
        var store = Store()
        for replica in ["a", "b"] { _ = store.call(replica, [.beat]) }
        #expect(store.enter("b", id: 1).grants.count == 1)
        store.now += 300_000
        let epoch = store.call("a", [.beat]).epoch
        store.now += 3600 * Self.second
        #expect(store.call("c", [.beat]).rollCall != nil)
        for _ in 0..<4 {
            store.now += 400_000
            _ = store.call("c", [.beat])
        }
        store.now += 50_000
        #expect(store.call("c", [.beat]).rollCall == nil)
        _ = store.call("a", [.jump(epoch: epoch)])
        _ = store.call("a", [report(["a"])])
        _ = store.call("c", [report(["c"])])
        #expect(store.used(after: "a") == 4)
    }

    @Test("What was answered before the clock jumped is asked again, where it jumped within a roll call")
    func jumpWithin() {
        var store = Store()
        let use = BucketUse(at: store.now, units: 3)
        let asked = store.call("a", [report(["a", "b"], sent: [use])], run: "other", peers: 2)
        store.now += 3600 * Self.second
        let again = store.call("b", [report(["a", "b"])], run: "other", peers: 2)
        #expect(again.epoch > asked.epoch)
        let moved = BucketUse(at: store.now, units: 3)
        _ = store.call("a", [report(["a", "b"], sent: [moved])], run: "other", peers: 2)
        #expect(store.used(after: "b", run: "other") == 3)
    }

    @Test("A clock that jumps ahead makes nobody dead who has to answer", arguments: [false, true])
    func jumpAhead(answers: Bool) {
        var store = Store()
        for replica in ["a", "b"] { _ = store.call(replica, [.beat]) }
        #expect(store.enter("b", id: 1).grants.count == 1)
        store.now += 300_000
        let epoch = store.call("a", [.beat]).epoch
        store.now += 3600 * Self.second
        // By the new clock b was last heard of an hour ago.
        _ = store.call("a", [.beat])
        _ = store.call("a", [.jump(epoch: epoch)])
        _ = store.call("a", [report(["a"])])
        if answers { _ = store.call("b", [report(["a", "b"], sent: [BucketUse(at: store.now, units: 1)])]) }
        #expect(store.used(after: "a") == (answers ? 1 : 4))
    }
}
