import Pacing
import Testing

/// What the simulation allows beyond a quota where replicas are cut off from the store.
@Suite struct LocalOracleTests {
    private static let limit = 100

    /// Two replicas, the first of which is cut off at 1 s and goes on by itself; the other hears for the last time of how
    /// many live after so long, and is cut off too.
    private func excess(lastTold seconds: Double, count: Int) -> Int {
        let world = World(seed: 1)
        let oracle = LocalOracle(world: world)
        func at(_ seconds: Double, _ action: @escaping () -> Void) { world.after(Micros(seconds * 1e6), action) }
        at(1) {
            for id in ["cut", "other"] {
                oracle.called(id, isLocal: false)
                oracle.told(id, ["tpd"], count: 2, processed: world.time)
            }
        }
        at(2) { oracle.wentLocal("cut") }
        at(seconds) {
            oracle.called("other", isLocal: false)
            oracle.told("other", ["tpd"], count: count, processed: world.time)
        }
        at(seconds + 1) { oracle.wentLocal("other") }
        world.run(until: 10_000_000)
        return oracle.excess("tpd", limit: Self.limit, window: 0)
    }

    @Test("Who is taken for dead while it goes on by itself may use its part beside those who took that")
    func takenForDead() {
        #expect(excess(lastTold: 3.8, count: 1) == Self.limit / 2)
    }

    @Test("Who still counts beside the others uses no more than its part of the quota")
    func counted() {
        #expect(excess(lastTold: 3.7, count: 2) == 0)
    }
}
