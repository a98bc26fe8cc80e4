import Pacing

/// Looks whether somebody calls when the store says that a slot is due. Where nothing failed of late, no second goes by until
/// the next sign of life of anybody.
final class PromptnessOracle {
    /// Within so long of it being due: messages, timers that are late.
    private static let patience: Micros = 150_000
    /// How long what failed is felt: the dead are missed.
    private static let recovery: Micros = 3_500_000

    private let world: World
    private let store: SimulatedStore

    init(world: World, store: SimulatedStore) {
        self.world = world
        self.store = store
    }

    func look() {
        guard isWell, let due = store.state.nextDecision, store.now > due + Self.patience else { return }
        world.fail("idle: nobody calls since \(World.seconds(due - store.now + world.time))")
    }

    /// All are in reach, and know of each other.
    private var isWell: Bool {
        let troubled = max(world.troubledUntil, store.disturbedAt, store.errorsUntil) + Self.recovery
        return store.isUp && world.time > troubled && store.replicas.values.allSatisfy { $0.isDead || $0.isAble }
    }
}
