import NIOCore
import Pacing
import Testing

/// An agent whose process was paused, and finds its connection gone when it comes back.
@Suite struct AgentPauseTests {
    private static let second = 1_000_000
    private static let bucket = BucketSpec(name: "rpm", limit: 4, per: .seconds(3), burst: 4)

    /// An agent, and the store that answers it at once.
    private struct Pair {
        var agent = AgentState(id: "replica", settings: QueueSettings(upstream: "upstream"), now: 0)
        var store = QueueState(run: "run")
        var now = second
        var granted = 0

        init() {
            agent.storeUp(run: "run", now: now)
            exchange()
        }

        mutating func exchange() {
            agent.exchange(with: &store, now: now)
            count()
        }

        mutating func go(on time: Duration) {
            now += time.micros
            agent.wake(now: now)
            exchange()
        }

        mutating func enter(_ number: Int) {
            let request = QueueRequest(costs: [.init(bucket)], client: "client")
            let waiter = QueueWaiter(id: WaiterID(value: number), request: request, now: now, loop: nil) { _ in }
            agent.enter(waiter, now: now)
            count()
        }

        mutating func count() {
            for case (_, .granted) in agent.outbox { granted += 1 }
            agent.outbox = []
        }
    }

    @Test("After a pause it grants nothing on what it was told before, but hears from the store first")
    func asksFirst() {
        var pair = Pair()
        for number in 0..<4 { pair.enter(number) }
        pair.exchange()
        let before = pair.granted
        pair.now += 4 * Self.second
        pair.agent.storeDown(now: pair.now)
        for number in 4..<8 { pair.enter(number) }
        let whileAway = pair.granted - before
        pair.agent.storeUp(run: "run", now: pair.now)
        // The store heard from nobody for so long: it holds a roll call first.
        for _ in 0..<20 { pair.go(on: .milliseconds(100)) }
        let after = pair.granted - before
        #expect(before == 4)
        #expect(whileAway == 0)
        #expect(after == 4)
        #expect(pair.agent.mode == .connected)
    }

    @Test("Where the store stays away for a second after a pause, it goes on with its part")
    func goesOn() {
        var pair = Pair()
        pair.enter(0)
        pair.exchange()
        pair.now += 4 * Self.second
        pair.agent.storeDown(now: pair.now)
        pair.enter(1)
        let atOnce = pair.granted - 1
        pair.now += Self.second
        let wake = pair.agent.nextWake
        pair.agent.wake(now: pair.now)
        pair.count()
        #expect(atOnce == 0)
        #expect(wake <= pair.now)
        #expect(pair.agent.mode == .local)
        #expect(pair.granted == 2)
    }

    @Test("A loss without a pause is met at once")
    func noPause() {
        var pair = Pair()
        pair.enter(0)
        pair.exchange()
        pair.now += Self.second
        pair.agent.storeDown(now: pair.now)
        pair.enter(1)
        #expect(pair.agent.mode == .local)
        #expect(pair.granted == 2)
    }

    @Test("Who leaves while the store is asked again is taken out of it")
    func leaves() {
        var pair = Pair()
        for number in 0..<5 { pair.enter(number) }
        pair.exchange()
        pair.now += 3 * Self.second
        pair.agent.storeDown(now: pair.now)
        pair.agent.leave(WaiterID(value: 4), now: pair.now)
        pair.agent.storeUp(run: "run", now: pair.now)
        pair.exchange()
        #expect(pair.granted == 4)
        #expect(pair.store.isEmpty)
    }
}
