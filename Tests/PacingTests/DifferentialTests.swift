import Foundation
import Logging
import NIOCore
import NIOPosix
import Pacing
import RedisClient
import TestSupport
import Testing

/// The same schedules on the twin and on the script in a real Redis, with the same times: both decide alike.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct DifferentialTests {
    static let count = ProcessInfo.processInfo.environment["PACING_REPLAYS"].flatMap(Int.init) ?? 25
    static let first = ProcessInfo.processInfo.environment["PACING_SEED"].flatMap(Int.init) ?? 1

    @Test("The script grants, orders, estimates and tells the same as the twin at every step")
    func alike() async throws {
        let server = try await RedisServer.start()
        let replay = try await ScriptReplay.open(server)
        for seed in Self.first..<(Self.first + Self.count) {
            let schedule = Schedule(seed: seed)
            schedule.store.records = true
            _ = schedule.run()
            if let difference = try await replay.run(schedule.store.steps) {
                Issue.record("seed \(seed), faults \(schedule.faults.map(\.rawValue).sorted()): \(difference)")
                break
            }
        }
        await replay.close()
        try await server.stop()
    }

    @Test("Operations that agents do seldom are alike too: calendar windows, changed figures, pauses, a full queue")
    func directlyAlike() async throws {
        let server = try await RedisServer.start()
        let replay = try await ScriptReplay.open(server)
        for seed in Self.first..<(Self.first + Self.count) {
            let schedule = DirectSchedule(seed: seed)
            schedule.run(steps: 300)
            #expect(schedule.failures.isEmpty, "seed \(seed)")
            if let difference = try await replay.run(schedule.steps) {
                Issue.record("seed \(seed): \(difference)")
                break
            }
        }
        await replay.close()
        try await server.stop()
    }
}
