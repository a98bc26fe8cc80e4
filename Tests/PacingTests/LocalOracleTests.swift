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

    /// "other" is granted 7 and told the store of 5 that it used by itself, in buckets that models may share; then "cut"
    /// goes on by itself, told after that of these buckets only.
    private func excess(_ name: String, told: [String], took: String = "tpm/pro") -> Int {
        let world = World(seed: 1)
        let oracle = LocalOracle(world: world, sharers: ["tpm/*": ["tpm/flash", "tpm/pro"]])
        oracle.granted("other", [.init(name: "tpm/flash", storeName: "tpm/*", units: 7)])
        oracle.took("other", took, 3)
        oracle.used("other", [(name: "tpm/*", units: 5)])
        world.after(1_000_000) { oracle.told("cut", told, count: 2, processed: world.time) }
        world.after(2_000_000) { oracle.wentLocal("cut") }
        world.run(until: 3_000_000)
        return oracle.excess(name, limit: Self.limit, window: 0)
    }

    @Test("What the store counts in a shared bucket is known to who was told of that one, whatever of the model's own")
    func shared() {
        #expect(excess("tpm/flash", told: ["tpm/flash", "tpm/pro"]) == 7)
        #expect(excess("tpm/flash", told: ["tpm/*"]) == 0)
    }

    @Test("Of what was told of a shared bucket a model has as much as its calls took")
    func ownUse() {
        #expect(excess("tpm/pro", told: []) == 3)
        #expect(excess("tpm/pro", told: ["tpm/*"]) == 0)
        #expect(excess("tpm/flash", told: [], took: "tpm/flash") == 10)
    }
}
