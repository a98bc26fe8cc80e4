import Foundation
import Pacing
import Testing

/// Thousands of seeded schedules of several replicas in virtual time, with delays, doubled and lost messages, kills,
/// pauses, a store that is lost and clocks that jump.
@Suite struct SimulationTests {
    /// More with `PACING_SCHEDULES`, others with `PACING_SEED`.
    static let count = ProcessInfo.processInfo.environment["PACING_SCHEDULES"].flatMap(Int.init) ?? 1500
    static let first = ProcessInfo.processInfo.environment["PACING_SEED"].flatMap(Int.init) ?? 1

    @Test("No window is exceeded, every waiter ends once, nothing is left behind, the queue moves")
    func invariants() {
        var endings: [String: Int] = [:]
        for seed in Self.first..<(Self.first + Self.count) {
            let schedule = Schedule(seed: seed)
            schedule.world.isVerbose = Self.count == 1
            let failures = schedule.run()
            for ending in schedule.upstream.requests.flatMap(\.endings) { endings[ending, default: 0] += 1 }
            guard failures.isEmpty else {
                Issue.record(
                    """
                    seed \(seed), faults \(schedule.faults.map(\.rawValue).sorted()): \(failures.prefix(5))
                    \(schedule.world.log.joined(separator: "\n"))
                    """
                )
                return
            }
        }
        // The schedules are worth something only if most callers get through and some do not.
        #expect((endings["done"] ?? 0) * 2 > endings.values.reduce(0, +))
        #expect(endings.keys.contains("timedOut"))
        if ProcessInfo.processInfo.environment["PACING_SCHEDULES"] != nil { print(endings) }
    }
}
