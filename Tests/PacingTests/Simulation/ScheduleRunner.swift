import Foundation
import Pacing
import Synchronization

/// A schedule in which an invariant does not hold.
struct ScheduleFailure: Sendable {
    let seed: Int
    let violations: [String]
    let sabotage: Sabotage?

    /// - Parameter notice: what a violation has to say; empty: anything.
    static func of(_ seed: Int, sabotage: Sabotage? = nil, because notice: String = "") -> ScheduleFailure? {
        let schedule = Schedule(ScheduleConfiguration(seed: seed), sabotage: sabotage)
        let violations = schedule.run()
        schedule.close()
        guard violations.contains(where: { notice.isEmpty || $0.contains(notice) }) else { return nil }
        return ScheduleFailure(seed: seed, violations: violations, sabotage: sabotage)
    }

    /// The violations, how to see them again, and the fewest events that still show one.
    func told() -> String {
        let all = ScheduleConfiguration(seed: seed)
        let kept = fewest(all.events.count)
        let (log, least) = run(keeping: kept, isVerbose: true)
        let picked = kept.map(String.init).joined(separator: ",")
        return """
            seed \(seed), faults \(all.faults.map(\.rawValue).sorted()): \(violations.prefix(3))
            again: PACING_SEED=\(seed) PACING_SCHEDULES=1 swift test -c release --skip-build --filter SimulationTests
            \(all.replicas) replicas, \(all.policy), guard \(all.guardInterval) µs, weights \(all.weights)
            buckets \(all.buckets.values.sorted { $0.name < $1.name })
            older \(all.older.values.map { ($0.name, $0.limit) })
            events:
            \(all.events.map { "  \($0)" }.joined(separator: "\n"))
            fewest events (PACING_EVENTS=\(picked)): \(least.prefix(3))
            \(log.joined(separator: "\n"))
            """
    }

    /// Leaves events out, many at first, one by one at last, as long as a violation of the same kind remains.
    private func fewest(_ count: Int) -> [Int] {
        var kept = ScheduleRunner.kept ?? Array(0..<count)
        let kind = violations[0].split(separator: " ").dropFirst().first.map(String.init) ?? ""
        var size = max(1, kept.count / 2)
        while true {
            var start = 0
            while start < kept.count {
                let fewer = Array(kept[..<start]) + kept[min(start + size, kept.count)...]
                if run(keeping: fewer, isVerbose: false).violations.contains(where: { $0.contains(kind) }) {
                    kept = fewer
                } else {
                    start += size
                }
            }
            if size == 1 { return kept }
            size /= 2
        }
    }

    private func run(keeping kept: [Int], isVerbose: Bool) -> (log: [String], violations: [String]) {
        var configuration = ScheduleConfiguration(seed: seed)
        configuration.keep(kept)
        let schedule = Schedule(configuration, sabotage: sabotage)
        schedule.world.isVerbose = isVerbose
        let violations = schedule.run()
        schedule.close()
        return (schedule.world.log, violations)
    }
}

/// Runs schedules on all cores.
enum ScheduleRunner {
    struct Tally: Sendable {
        var schedules = 0
        var endings: [String: Int] = [:]
        var failures: [ScheduleFailure] = []
    }

    /// Only these events of the schedules: `PACING_EVENTS`, as a failure prints them.
    static let kept = ProcessInfo.processInfo.environment["PACING_EVENTS"].map {
        $0.split(separator: ",").compactMap { Int($0) }
    }

    /// Stops at the first failure, or after `PACING_FAILURES`.
    private static let patience = ProcessInfo.processInfo.environment["PACING_FAILURES"].flatMap(Int.init) ?? 1

    private final class Progress: Sendable {
        let next: Atomic<Int>
        let failures = Atomic(0)
        init(first: Int) { next = Atomic(first) }
    }

    static let workers =
        ProcessInfo.processInfo.environment["PACING_WORKERS"].flatMap(Int.init)
        ?? ProcessInfo.processInfo.activeProcessorCount

    static func run(seeds: Range<Int>) async -> Tally {
        let progress = Progress(first: seeds.lowerBound)
        return await withTaskGroup(of: Tally.self) { group in
            for _ in 0..<workers {
                group.addTask {
                    var tally = Tally()
                    while progress.failures.load(ordering: .relaxed) < patience {
                        let seed = progress.next.wrappingAdd(1, ordering: .relaxed).oldValue
                        guard seed < seeds.upperBound else { break }
                        run(seed, &tally)
                        if tally.failures.last?.seed == seed { progress.failures.wrappingAdd(1, ordering: .relaxed) }
                    }
                    return tally
                }
            }
            var all = Tally()
            for await tally in group {
                all.schedules += tally.schedules
                all.endings.merge(tally.endings, uniquingKeysWith: +)
                all.failures += tally.failures
            }
            return all
        }
    }

    private static func run(_ seed: Int, _ tally: inout Tally) {
        var configuration = ScheduleConfiguration(seed: seed)
        if let kept { configuration.keep(kept) }
        let schedule = Schedule(configuration)
        let violations = schedule.run()
        tally.schedules += 1
        for ending in schedule.upstream.requests.flatMap(\.endings) { tally.endings[ending, default: 0] += 1 }
        if !violations.isEmpty {
            tally.failures.append(ScheduleFailure(seed: seed, violations: violations, sabotage: nil))
        }
        schedule.close()
    }
}
