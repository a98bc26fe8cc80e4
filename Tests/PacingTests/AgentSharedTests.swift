import Pacing
import Testing

/// An agent some of whose callers wait in a lane that models share.
@Suite struct AgentSharedTests {
    @Test("Cut off, it counts what a model's own bucket holds against its caller that came to share in a roll call")
    func countsOwn() {
        let bucket = BucketSpec(name: "rpm/flash", limit: 4, per: .seconds(60), burst: 4, overflow: "rpm/*")
        // Whoever has to wait shares.
        let bounds = QueueBounds(sets: 0, buckets: 6, idleLanes: 3)
        var store = QueueState(run: "1", bounds: bounds)
        var agent = AgentState(id: "replica", settings: QueueSettings(upstream: "upstream"), now: 0)
        var now = 100_000_000
        var granted = 0

        func count() {
            for case (_, .granted) in agent.outbox { granted += 1 }
            agent.outbox = []
        }
        func exchange() {
            agent.exchange(with: &store, now: now)
            count()
        }
        func enter(_ number: Int) {
            let request = QueueRequest(costs: [.init(bucket)], client: "client")
            let id = WaiterID(value: number)
            agent.enter(QueueWaiter(id: id, request: request, now: now, loop: nil) { _ in }, now: now)
        }

        agent.storeUp(run: "1", now: now)
        exchange()
        for number in 0..<4 { enter(number) }
        exchange()
        #expect(granted == 4)
        now += 1_000_000
        agent.wake(now: now)
        exchange()
        agent.storeDown(now: now)
        #expect(agent.mode == .local)

        store = QueueState(run: "2", bounds: bounds)
        agent.storeUp(run: "2", now: now)
        exchange()
        #expect(agent.mode == .connected)
        enter(4)
        exchange()
        let lane = agent.waiters.values.first?.ticket.lane
        #expect(lane == LaneKey(names: ["rpm/*"], urgency: 3))
        agent.storeDown(now: now)
        #expect(agent.mode == .local)
        count()
        #expect(granted == 4, "in the window in which the store had granted four")
    }
}
