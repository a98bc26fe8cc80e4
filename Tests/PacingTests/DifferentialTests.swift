import Foundation
import Pacing
import TestSupport
import Testing

/// The same schedules on the twin and on the script in a real Redis, with the same times: both decide alike.
@Suite(.serialized)
struct DifferentialTests {
    private static var usual: Int {
        #if DEBUG
            50
        #else
            5000
        #endif
    }

    private static func environment(_ name: String) -> Int? {
        ProcessInfo.processInfo.environment[name].flatMap(Int.init)
    }

    /// More or fewer with `PACING_REPLAYS`, others with `PACING_SEED`.
    static let count = environment("PACING_REPLAYS") ?? usual
    static let first = environment("PACING_SEED") ?? 1

    @Test("The script grants, orders, estimates and tells the same as the twin at every step")
    func alike() async throws {
        let began = ContinuousClock.now
        let calls = try await replay(Self.first..<(Self.first + Self.count)) { seed in
            let schedule = Schedule(seed: seed)
            schedule.store.records = true
            _ = schedule.run()
            defer { schedule.close() }
            return (
                schedule.store.usedSteps, schedule.configuration.isCrowded,
                "\(schedule.configuration.faults.map(\.rawValue).sorted())"
            )
        }
        print("\(Self.count) schedules, \(calls) calls of the script in \(ContinuousClock.now - began)")
    }

    @Test("Operations that agents do seldom are alike too: calendar windows, changed figures, pauses, a full queue")
    func directlyAlike() async throws {
        _ = try await replay(Self.first..<(Self.first + (Self.count + 49) / 50)) { seed in
            let schedule = DirectSchedule(seed: seed)
            schedule.run(steps: 300)
            if !schedule.failures.isEmpty { Issue.record("seed \(seed): \(schedule.failures)") }
            return (schedule.steps, schedule.isCrowded, "")
        }
    }

    /// Each worker has a Redis of its own.
    ///
    /// - Parameter steps: of a seed, and what to say where they differ.
    /// - Returns: how many calls the scripts made.
    private func replay(
        _ seeds: Range<Int>,
        _ steps: @escaping @Sendable (Int) -> (steps: [SimulatedStore.Step], isCrowded: Bool, about: String)
    ) async throws -> Int {
        let workers = min(ScheduleRunner.workers, seeds.count)
        var servers: [RedisServer] = []
        for _ in 0..<workers { servers.append(try await RedisServer.start()) }
        let calls = try await withThrowingTaskGroup(of: Int.self) { group in
            for (worker, server) in servers.enumerated() {
                group.addTask {
                    try Self.compare(seeds, from: worker, by: workers, on: server.unixSocketPath, steps)
                }
            }
            return try await group.reduce(0, +)
        }
        for server in servers { try await server.stop() }
        return calls
    }

    private static func compare(
        _ seeds: Range<Int>,
        from worker: Int,
        by workers: Int,
        on path: String,
        _ steps: (Int) -> (steps: [SimulatedStore.Step], isCrowded: Bool, about: String)
    ) throws -> Int {
        let replay = try ScriptReplay(path: path)
        defer { replay.close() }
        for seed in stride(from: seeds.lowerBound + worker, to: seeds.upperBound, by: workers) {
            let schedule = steps(seed)
            if let difference = try replay.run(schedule.steps, isCrowded: schedule.isCrowded) {
                Issue.record("seed \(seed) \(schedule.about): \(difference)")
                break
            }
        }
        return replay.calls
    }
}
