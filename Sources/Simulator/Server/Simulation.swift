internal import Synchronization

/// All state of a running simulator.
package final class Simulation: Sendable {
    package let quotas = QuotaBook()
    package let log: ArrivalLog
    package let index: VectorIndex
    let dice: Dice
    let connections = Connections()
    let options: SimulatorOptions
    /// The monotonic clock.
    let now: @Sendable () -> Duration
    private let current: Mutex<Settings>

    package init(options: SimulatorOptions, now: @escaping @Sendable () -> Duration = { monotonicNow() }) {
        self.options = options
        self.now = now
        log = ArrivalLog(capacity: options.logCapacity)
        index = VectorIndex(dimension: options.indexDimension, maximumVectors: options.maximumVectors)
        dice = Dice(seed: options.settings.seed)
        current = Mutex(options.settings)
    }

    package var settings: Settings {
        current.withLock(\.self)
    }

    /// Changes settings while calls go on; a new seed starts the sequence of faults again.
    package func change(_ members: [String: JSONValue]) throws(SettingsError) {
        let changed = try current.withLock { settings throws(SettingsError) in
            try settings.apply(members)
            return settings
        }
        if members["seed"] != nil { dice.reseed(changed.seed) }
    }
}
