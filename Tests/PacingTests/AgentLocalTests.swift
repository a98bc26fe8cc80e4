import NIOCore
import Pacing
import Testing

/// An agent whose store is gone paces what the last answer left free.
@Suite struct AgentLocalTests {
    private static let second = 1_000_000

    @Test(
        "What the store granted stays counted where the store is lost, wherever in the window it was granted",
        arguments: [5, 60, 240, 3600],
        [0.0, 0.3, 0.55, 0.9]
    )
    func staysCounted(perSeconds: Int, phase: Double) {
        let bucket = BucketSpec(name: "rpm", limit: 4, per: .seconds(perSeconds), burst: 4)
        var store = QueueState(run: "run")
        var agent = AgentState(id: "replica", settings: QueueSettings(upstream: "upstream"), now: 0)
        // Figures are told in sixteenths of the window: begin somewhere in one.
        let block = perSeconds * Self.second / 16
        var now = 100 * perSeconds * Self.second + Int(phase * Double(block))
        var granted = 0

        func exchange() {
            agent.exchange(with: &store, now: now)
            count()
        }
        func count() {
            for case (_, .granted) in agent.outbox { granted += 1 }
            agent.outbox = []
        }
        func enter(_ number: Int) {
            let request = QueueRequest(costs: [.init(bucket)], client: "client")
            agent.enter(
                QueueWaiter(id: WaiterID(value: number), request: request, now: now, loop: nil) { _ in },
                now: now
            )
            count()
        }

        agent.storeUp(run: "run", now: now)
        exchange()
        for number in 0..<4 { enter(number) }
        exchange()
        #expect(granted == 4)
        now += Self.second
        agent.wake(now: now)
        exchange()
        agent.storeDown(now: now)
        #expect(agent.mode == .local)

        for number in 4..<8 { enter(number) }
        let end = now + (perSeconds - 1) * Self.second
        while now < end, agent.nextWake < end {
            now = max(now, agent.nextWake)
            agent.wake(now: now)
            count()
        }
        #expect(granted == 4, "in the window in which the store had granted four")
        now = end + (perSeconds / 8 + 2) * Self.second
        for _ in 0..<100 where granted < 8 {
            agent.wake(now: now)
            now = max(now + 1000, min(agent.nextWake, now + Self.second))
            count()
        }
        #expect(granted == 8, "when they have come back")
        now += (perSeconds + perSeconds / 8 + 2) * Self.second
        enter(8)
        #expect(granted == 9, "at once, however long nobody asked")
    }
}
