import Foundation
import TestSupport
import Testing

/// Faults one upon the other, for half a minute or as many seconds as `SLUICE_CHAOS_SECONDS` says.
/// `SLUICE_CHAOS_SEED` repeats the order of faults, though not their effect to the millisecond.
@Suite("Faults in any order", .timeLimit(.minutes(30)))
struct FaultChaosTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let seconds = Int(environment["SLUICE_CHAOS_SECONDS"] ?? "") ?? 30
    private static let seed = Int(environment["SLUICE_CHAOS_SEED"] ?? "") ?? 1

    private enum Fault: CaseIterable {
        case pause, cut, kill, hang, clock, restart, empty
    }

    @Test("Whatever happens under closed, no window is exceeded and nobody is left without an answer")
    func chaos() async throws {
        let clock = try await SettableClock.make()
        let cluster = try await FaultCluster.start(
            links: true,
            policy: "closed",
            redisArguments: ["--appendonly", "yes"],
            redisEnvironment: clock.environment
        )
        var groups: [Load.Group] = []
        for replica in 0..<3 {
            var group = Load.Group(name: "r\(replica)", address: cluster.deployment.address(of: replica))
            group.fields = ["Prefer: wait=5"]
            group.workers = 15
            group.seconds = Double(Self.seconds)
            groups.append(group)
        }
        let all = groups
        async let load = Load.run(all, within: .seconds(Self.seconds + 90))
        try await cluster.waitForArrivals(30)
        var random = SeededGenerator(seed: Self.seed)
        let end = ContinuousClock.now + .seconds(Self.seconds - 10)
        while ContinuousClock.now < end {
            try await commit(random.pick(Fault.allCases), to: cluster, clock: clock, &random)
            try await wait(100...2000, &random)
        }
        try clock.set(seconds: 0)
        let calls = try await load
        let times = try await cluster.arrivals().map(\.at)
        let worst = largestWindow(times, microseconds: FaultCluster.per)
        tell("chaos of \(Self.seconds) s, seed \(Self.seed): \(calls.statuses), largest window \(worst)")
        #expect(worst <= FaultCluster.limit)
        // 0: the replica was killed, or its listener not back yet.
        #expect(calls.allSatisfy { [0, 200, 503, 504].contains($0.status) }, "\(calls.complaints)")
        // A pause of 3 s of its replica can come on top of a caller's own time.
        #expect(calls.longest <= 5 + 3 + FaultCluster.slack)
        #expect(calls.count { $0.status == 200 } > Self.seconds * 2)
        try await cluster.deployment.stop()
    }

    private func commit(
        _ fault: Fault,
        to cluster: FaultCluster,
        clock: SettableClock,
        _ random: inout SeededGenerator
    ) async throws {
        let deployment = cluster.deployment
        guard let redis = deployment.redis, let links = deployment.links else { return }
        let replica = random.int(0...2)
        print("    \(monotonicMicros()) \(fault) \(replica)")
        switch fault {
        case .pause:
            let process = deployment.gateways[replica]
            process.pause()
            try await wait(20...3000, &random)
            process.resume()
        case .cut:
            try await links.cut(replica)
            try await wait(50...3000, &random)
            try await links.heal(replica)
        case .kill:
            try await deployment.gateways[replica].kill()
            try await deployment.restart(replica)
        case .hang:
            redis.pause()
            try await wait(20...2000, &random)
            redis.resume()
        case .clock: try clock.set(seconds: Int64(random.int(-7200...7200)))
        case .restart, .empty:
            try await redis.kill()
            if fault == .empty { try redis.forgetData() }
            try await redis.start()
        }
    }

    /// Faults come after any time and last any time: that is what is tried, and no event is waited for.
    private func wait(_ milliseconds: ClosedRange<Int>, _ random: inout SeededGenerator) async throws {
        try await Task.sleep(for: .milliseconds(random.int(milliseconds)))
    }
}
