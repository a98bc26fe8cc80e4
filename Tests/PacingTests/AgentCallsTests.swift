import NIOCore
import Pacing
import Testing

/// What an agent sends, and when.
@Suite struct AgentCallsTests {
    private static let second = 1_000_000
    /// One slot a minute: who comes waits.
    private static let slow = BucketSpec(name: "rpm", limit: 1, per: .seconds(60), burst: 1)

    /// An agent, and the store; what it sends is answered when the test says so.
    private struct Pair {
        var agent: AgentState
        var store: QueueState
        var now = second

        init(id: String = "replica", quotas: [BucketSpec] = [], store: QueueState = QueueState(run: "run")) {
            agent = AgentState(id: id, settings: QueueSettings(upstream: "upstream", quotas: quotas), now: 0)
            self.store = store
            agent.storeUp(run: "run", now: now)
            while answer() > 0 {}
        }

        /// With so many callers for a slow bucket, of whom nothing is sent yet.
        init(entering count: Int) {
            self.init()
            for number in 0..<count { enter(number, slow) }
        }

        /// - Returns: how many calls there were.
        @discardableResult
        mutating func answer() -> Int {
            agent.flush()
            let calls = agent.calls
            agent.calls = []
            for call in calls { agent.receive(store.call(call, now: now).reply, sent: now, now: now) }
            return calls.count
        }

        mutating func go(on seconds: Double) {
            now += Int(seconds * Double(second))
            agent.wake(now: now)
            while answer() > 0 {}
        }

        mutating func enter(_ number: Int, _ bucket: BucketSpec) {
            let request = QueueRequest(costs: [.init(bucket)], client: "client")
            let waiter = QueueWaiter(id: WaiterID(value: number), request: request, now: now, loop: nil) { _ in }
            agent.enter(waiter, now: now)
        }
    }

    @Test("Of many callers at once few are on their way to the store together; the rest follows as it answers")
    func fewAtOnce() {
        let bucket = BucketSpec(name: "rpm", limit: 1000, per: .seconds(60), burst: 500)
        var pair = Pair()
        for number in 0..<100 { pair.enter(number, bucket) }
        pair.agent.flush()
        let first = pair.agent.calls.flatMap(\.operations).count
        pair.enter(100, bucket)
        pair.agent.flush()
        let more = pair.agent.calls.flatMap(\.operations).count
        #expect(first == 24)
        #expect(more == 24)
        var rounds = 0
        while pair.answer() > 0 { rounds += 1 }
        let granted = pair.agent.outbox.count { if case .granted = $0.1 { true } else { false } }
        #expect(granted == 101)
        #expect(rounds >= 4)
    }

    @Test("While thousands enter again, who leaves is gone with the next call")
    func leavesFirst() {
        var pair = Pair(entering: 3000)
        while pair.answer() > 0 {}
        pair.agent.missed(now: pair.now)
        pair.agent.flush()
        pair.agent.leave(WaiterID(value: 2999), now: pair.now)
        pair.agent.leave(WaiterID(value: 2998), now: pair.now)
        pair.enter(3000, Self.slow)
        #expect(pair.store.waiting(of: "replica") == 2999)
        for _ in 0..<2 { pair.answer() }
        #expect(pair.store.waiting(of: "replica") == 2997)
        while pair.answer() > 0 {}
        #expect(pair.store.waiting(of: "replica") == 2998)
    }

    @Test("Who leaves before it was told of is never entered")
    func leavesAtOnce() {
        var pair = Pair(entering: 3)
        pair.agent.leave(WaiterID(value: 1), now: pair.now)
        pair.agent.flush()
        let entering = pair.agent.calls.flatMap(\.operations).count { if case .enter = $0 { true } else { false } }
        #expect(entering == 2)
        while pair.answer() > 0 {}
        #expect(pair.store.waiting(of: "replica") == 1)
    }

    @Test("Where no answer comes for a while the next few are sent all the same")
    func unanswered() {
        let bucket = BucketSpec(name: "rpm", limit: 1000, per: .seconds(60), burst: 500)
        var pair = Pair()
        var sent: [Int] = []
        for (number, wait) in [0, 300_000, 10_000, 300_000].enumerated() {
            pair.now += wait
            for caller in 0..<50 { pair.enter(50 * number + caller, bucket) }
            // Asks for a call whatever is on its way.
            pair.agent.receive(.rollCall, now: pair.now)
            pair.agent.flush()
            sent.append(pair.agent.calls.flatMap(\.operations).count)
        }
        #expect(sent == [24, 48, 48, 72])
    }

    @Test("The last words of an agent that ends go at once, however many")
    func lastWords() {
        var pair = Pair(entering: 100)
        while pair.answer() > 0 {}
        pair.agent.close()
        pair.agent.flush()
        let leaving = pair.agent.calls.flatMap(\.operations).count { if case .leave = $0 { true } else { false } }
        #expect(leaving == 99)
    }

    @Test("The lower of two configured limits holds though the replica that has it makes no call")
    func lowerHolds() {
        let loose = BucketSpec(name: "rpm/flash", limit: 60, per: .seconds(6), burst: 60)
        let strict = BucketSpec(name: "rpm", limit: 20, per: .seconds(6), burst: 20)
        var busy = Pair(id: "busy")
        busy.enter(0, loose)
        while busy.answer() > 0 {}
        var idle = Pair(id: "idle", quotas: [strict], store: busy.store)
        idle.now = busy.now
        var limits: [Int] = []
        for round in 1...40 {
            busy.store = idle.store
            busy.enter(round, loose)
            busy.go(on: 0.5)
            idle.store = busy.store
            idle.now = busy.now - 500_000
            idle.go(on: 0.5)
            if round > 2 { limits.append(idle.store.call(beat(round), now: idle.now).reply.buckets[0].limit) }
        }
        #expect(Set(limits) == [20])
    }

    private func beat(_ number: Int) -> QueueCall {
        QueueCall(
            replica: "watcher",
            number: number,
            run: "run",
            seen: 0,
            peers: 0,
            maxWaiting: 10,
            lanes: [],
            operations: [.beat]
        )
    }
}
