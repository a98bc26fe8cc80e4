internal import Synchronization

/// A pseudo-random sequence that a seed makes repeatable (SplitMix64).
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// What happens to one call.
package struct Fate: Sendable, Equatable {
    package enum Fault: Sendable, Equatable { case fail(status: Int), reset, cut }

    package let latency: Duration
    package let fault: Fault?
}

/// Decides what goes wrong, call by call, in a repeatable order.
package final class Dice: Sendable {
    private let generator: Mutex<SeededGenerator>

    package init(seed: UInt64) { generator = Mutex(SeededGenerator(seed: seed)) }

    /// Starts the sequence again.
    package func reseed(_ seed: UInt64) {
        generator.withLock { $0 = SeededGenerator(seed: seed) }
    }

    /// Draws four numbers whatever the settings are, so that a call's fate depends on its place in the sequence only.
    package func roll(_ settings: Settings) -> Fate {
        let (reset, fail, cut, jitter) = generator.withLock { generator in
            (
                Double.random(in: 0..<1, using: &generator), Double.random(in: 0..<1, using: &generator),
                Double.random(in: 0..<1, using: &generator), Double.random(in: 0..<1, using: &generator)
            )
        }
        let fault: Fate.Fault? =
            if reset < settings.resetRate {
                .reset
            } else if fail < settings.failRate {
                .fail(status: settings.failStatus)
            } else if cut < settings.cutStreamRate {
                .cut
            } else {
                nil
            }
        return Fate(latency: settings.latency + settings.jitter * jitter, fault: fault)
    }
}
