import Foundation
import Pacing
import Synchronization
import Testing

/// Seeded schedules of several replicas in virtual time, with delays, doubled and lost messages, kills, pauses,
/// partitions, a store that is lost or full, clocks that jump, configurations that differ.
@Suite(.serialized)
struct SimulationTests {
    /// A tenth of a minute in a debug build, which is thirty times slower.
    private static var usual: Int {
        #if DEBUG
            500
        #else
            100_000
        #endif
    }

    private static func environment(_ name: String) -> Int? {
        ProcessInfo.processInfo.environment[name].flatMap(Int.init)
    }

    /// More or fewer with `PACING_SCHEDULES`, others with `PACING_SEED`.
    static let count = environment("PACING_SCHEDULES") ?? usual
    static let first = environment("PACING_SEED") ?? 1

    @Test("No window is exceeded, all end once and in time, the order holds, nothing is left, the queue moves")
    func invariants() async {
        let began = ContinuousClock.now
        let tally = await ScheduleRunner.run(seeds: Self.first..<(Self.first + Self.count))
        if let failure = tally.failures.min(by: { $0.seed < $1.seed }) {
            Issue.record(Comment(rawValue: failure.told()))
        }
        for failure in tally.failures where tally.failures.count > 1 {
            print(failure.seed, failure.violations.prefix(2))
        }
        let endings = tally.endings.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        print("\(tally.schedules) schedules in \(ContinuousClock.now - began): \(endings.joined(separator: ", "))")
        guard Self.count > 100 else { return }
        // The schedules are worth something only if most callers get through and some do not.
        #expect((tally.endings["done"] ?? 0) * 2 > tally.endings.values.reduce(0, +))
        #expect(tally.endings.keys.contains("timedOut"))
    }

    @Test("Each invariant notices the algorithm that breaks it", arguments: Sabotage.allCases)
    func sabotage(_ sabotage: Sabotage) async throws {
        let seeds = sabotage.firstSeed..<(sabotage.firstSeed + 4000)
        let failure = seeds.lazy.compactMap { ScheduleFailure.of($0, sabotage: sabotage, because: sabotage.notice) }
            .first
        let found = try #require(failure, "nothing notices \(sabotage)")
        let honest = Schedule(seed: found.seed)
        #expect(honest.run() == [])
        honest.close()
        #expect(found.told().contains("PACING_SEED=\(found.seed)"))
    }
}
