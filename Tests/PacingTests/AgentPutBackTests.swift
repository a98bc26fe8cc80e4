import NIOCore
import Pacing
import Testing

/// An agent's callers of models, some of which wait in the lane that these share: where they were put back, or entered.
@Suite struct AgentPutBackTests {
    private static let second = 1_000_000
    private static let own = LaneKey(names: ["rpm/flash"], urgency: 3)
    private static let shared = LaneKey(names: ["rpm/*"], urgency: 3)
    private static let flash = BucketSpec(name: "rpm/flash", limit: 2, per: .seconds(5), burst: 2, overflow: "rpm/*")
    private static let other = BucketSpec(name: "rpm/other", limit: 2, per: .seconds(5), burst: 2, overflow: "rpm/*")

    private struct Pair {
        var agent = AgentState(id: "replica", settings: QueueSettings(upstream: "upstream"), now: 0)
        var store: QueueState
        var now = 100 * second
        var grants: [Int: Grant] = [:]
        /// Of grants, in order.
        var order: [Int] = []

        /// - Parameter sets: how many may wait by themselves.
        init(sets: Int) {
            store = QueueState(run: "run", bounds: QueueBounds(sets: sets, buckets: 6, idleLanes: 3))
            agent.storeUp(run: "run", now: now)
            exchange()
        }

        mutating func flush() -> [QueueCall] {
            agent.flush()
            let calls = agent.calls
            agent.calls = []
            return calls
        }

        mutating func answer(_ calls: [QueueCall]) {
            for call in calls { agent.receive(store.call(call, now: now).reply, sent: now, now: now) }
            for case (let waiter, .granted(let grant)) in agent.outbox {
                grants[waiter.id.value] = grant
                order.append(waiter.id.value)
            }
            agent.outbox = []
        }

        mutating func exchange() {
            var calls = flush()
            while !calls.isEmpty {
                answer(calls)
                calls = flush()
            }
        }

        mutating func pass(_ seconds: Int) {
            for _ in 0..<(10 * seconds) {
                now += second / 10
                agent.wake(now: now)
                exchange()
            }
        }

        mutating func enter(_ numbers: Range<Int>, _ bucket: BucketSpec) {
            for number in numbers {
                let request = QueueRequest(costs: [.init(bucket)], client: "client")
                let waiter = QueueWaiter(id: WaiterID(value: number), request: request, now: now, loop: nil) { _ in }
                agent.enter(waiter, now: now)
            }
        }

        func lane(_ number: Int) -> LaneKey? { agent.waiters[WaiterID(value: number)]?.ticket.lane }

        var inStore: Int { store.waiting(of: "replica") }
    }

    /// Whoever has to wait shares: two that were served by themselves, and one that waits.
    private func sharing() -> Pair {
        var pair = Pair(sets: 0)
        pair.enter(0..<3, Self.flash)
        pair.exchange()
        #expect(pair.order == [0, 1])
        #expect(pair.lane(2) == Self.shared)
        return pair
    }

    @Test("A caller that was put back where its model shares by now leaves nothing there when it goes")
    func leavesSharedLane() throws {
        var pair = sharing()
        pair.agent.handBack(try #require(pair.grants[0]), requeue: true, allowance: nil, now: pair.now)
        pair.exchange()
        #expect(pair.lane(0) == Self.shared)
        #expect(pair.inStore == 2)
        pair.agent.leave(WaiterID(value: 0), now: pair.now)
        pair.now += 30_000
        pair.agent.wake(now: pair.now)
        pair.exchange()
        #expect(pair.inStore == 1)
        #expect(pair.agent.counters.resyncs == 1)
    }

    @Test("A refused caller is put back in front where its model shares by now, and books there")
    func refused() throws {
        var pair = sharing()
        let grant = try #require(pair.grants[0])
        pair.agent.upstreamRefused(grant, bucket: nil, hold: 0, learned: nil, requeue: true, now: pair.now)
        pair.exchange()
        #expect(pair.lane(0) == Self.shared)
        pair.pass(10)
        #expect(pair.order == [0, 1, 0, 2])
        #expect(pair.inStore == 0)
        #expect(pair.agent.counters.resyncs == 1)
    }

    @Test("Who goes before the answer says where it was put back is taken out there")
    func leavesBeforeAnswer() throws {
        var pair = sharing()
        pair.agent.handBack(try #require(pair.grants[0]), requeue: true, allowance: nil, now: pair.now)
        expectTakenOut(0, of: &pair)
    }

    @Test("Who goes before the answer says that it entered the shared lane is taken out there")
    func leavesBeforeEntered() {
        var pair = sharing()
        pair.enter(3..<4, Self.flash)
        expectTakenOut(3, of: &pair)
    }

    /// It goes between a call and its answer.
    private func expectTakenOut(_ id: Int, of pair: inout Pair) {
        let calls = pair.flush()
        pair.agent.leave(WaiterID(value: id), now: pair.now)
        pair.answer(calls)
        #expect(pair.inStore == 2)
        pair.now += 30_000
        pair.agent.wake(now: pair.now)
        pair.exchange()
        #expect(pair.inStore == 1)
    }

    /// One that was served in the shared lane, its model has come to wait by itself since, and it is to be handed back.
    private func cameBack() throws -> Pair {
        var pair = Pair(sets: 1)
        pair.enter(10..<13, Self.other)
        pair.exchange()
        pair.enter(0..<3, Self.flash)
        pair.exchange()
        #expect(pair.lane(12) == LaneKey(names: ["rpm/other"], urgency: 3))
        #expect(pair.lane(2) == Self.shared)
        pair.pass(30)
        #expect(pair.inStore == 0)
        pair.enter(3..<6, Self.flash)
        pair.exchange()
        #expect(pair.lane(5) == Self.own)
        pair.agent.handBack(try #require(pair.grants[2]), requeue: true, allowance: nil, now: pair.now)
        return pair
    }

    @Test("A caller that was served beside others is put back in front where its model waits by itself by now")
    func cameBackToItsOwn() throws {
        var pair = try cameBack()
        pair.exchange()
        #expect(pair.lane(2) == Self.own)
        #expect(pair.inStore == 2)
        pair.pass(10)
        #expect(pair.order.suffix(4) == [3, 4, 2, 5])
        #expect(pair.inStore == 0)
        #expect(pair.agent.counters.resyncs == 1)
    }

    @Test("A slot that comes before the answer says where its caller was put back counts in the bucket that it is of")
    func slotBeforeAnswer() throws {
        var pair = try cameBack()
        let calls = pair.flush()
        let reply = try #require(calls.map { pair.store.call($0, now: pair.now).reply }.last)
        let ticket = QueueTicket(
            lane: Self.own,
            client: "client",
            user: "",
            place: pair.now,
            owner: "replica",
            id: 2,
            weight: 1,
            allowance: 20_000,
            costs: [1]
        )
        let stamp = GrantStamp(time: reply.now, epoch: reply.epoch)
        pair.agent.receive(.grant(ticket, stamp, seq: reply.seq), now: pair.now)
        pair.answer([])
        #expect(pair.order.last == 2)
        pair.agent.settle(try #require(pair.grants[2]), costs: ["rpm/flash": 2], now: pair.now)
        pair.now += Self.second
        pair.agent.wake(now: pair.now)
        #expect(pair.flush().flatMap(\.lanes).map(\.key) == [Self.own])
    }
}
